import { describe, expect, test } from "vitest";
import { storeConformance } from "../../src/testing/conformance/conformance.ts";
import { sharedServer, titled } from "../setup/servers.ts";
import { postgresUnderTest } from "./postgres-cases.ts";

const postgres = await sharedServer("postgres");

describe.skipIf(!postgres.run)(titled("with the flags of CockroachDB on Postgres", postgres), () => {
  storeConformance(postgresUnderTest(postgres, "postgres", { profile: "cockroach" }), { describe, expect, test });
});
