import pg from "pg";
import { describe, expect, it, vi } from "vitest";
import { postgresStore } from "../../src/postgres.ts";
import { FINGERPRINT, QUEUE, WORKER } from "../../src/testing/conformance/records.ts";
import { freshSchema, sharedServer, titled } from "../setup/servers.ts";

const postgres = await sharedServer("postgres");

describe.skipIf(!postgres.run)(titled("an idle worker on Postgres", postgres), () => {
  it("asks one question for each of the 58 calls that it makes in a minute", async () => {
    await using fresh = freshSchema(postgres);
    const pool = new pg.Pool({ connectionString: fresh.url, max: 1 });
    const store = await postgresStore({ pool, schema: fresh.schema });
    const { epoch } = await store.register(WORKER, 60_000);
    const request = { worker: WORKER, epoch, fingerprints: [FINGERPRINT], queues: [QUEUE], limit: 10 };
    const asked = vi.spyOn(pool, "query");
    const connected = vi.spyOn(pool, "connect");
    await store.heartbeat(WORKER, epoch, 60_000);
    await store.nextDue(request);
    await store.claim(request);
    await store.schedules();
    expect(asked).toHaveBeenCalledTimes(4);
    expect(connected).toHaveBeenCalledTimes(4); // each query for itself, and no transaction
    await store.close();
    await pool.end();
  });
});
