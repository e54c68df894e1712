import { randomBytes } from "node:crypto";
import { describe, expect, it, onTestFinished } from "vitest";
import { postgresStore } from "../../src/postgres.ts";
import { rejection } from "../../src/testing/conformance/scene.ts";
import { askPostgres } from "../setup/own-postgres.ts";
import { freshSchema, sharedServer, titled } from "../setup/servers.ts";

const postgres = await sharedServer("postgres");
const SECRET = "s3cr3t-word";

/** A schema that is dropped after the test. */
function schemaOfTest(): { readonly url: string; readonly schema: string } {
  const { url, schema, [Symbol.asyncDispose]: drop } = freshSchema(postgres);
  onTestFinished(drop);
  return { url, schema };
}

describe("postgresStore refuses before it connects", () => {
  for (const [what, options] of [
    ["neither a url nor a pool", {}],
    ["a url of another kind", { url: `mysql://root:${SECRET}@localhost/app` }],
    ["what is no url", { url: `postgres://root:${SECRET}@:5432:x/` }],
    ["a schema that would have to be quoted", { url: "postgres://localhost/app", schema: 'x"; drop table runs' }],
    ["a pool without room for a listener", { url: "postgres://localhost/app", poolMax: 1 }],
    ["more open connections than there may be", { url: "postgres://localhost/app", poolMin: 5, poolMax: 4 }],
    ["a profile that nobody knows", { url: "postgres://localhost/app", profile: "oracle" as "postgres" }],
  ] as const) {
    it(what, async () => {
      const { code, message } = await rejection(postgresStore(options));
      expect(code).toBe("OPTION_INVALID");
      expect(message).not.toContain(SECRET);
    });
  }

  it("a server that is not there: at once, and without the password", async () => {
    const { code, message } = await rejection(postgresStore({ url: `postgres://app:${SECRET}@127.0.0.1:1/app` }));
    expect(code).toBe("STORE_UNAVAILABLE");
    expect(message).toContain("127.0.0.1:1/app");
    expect(message).not.toContain(SECRET);
  });
});

describe.skipIf(!postgres.run)(titled("postgresStore", postgres), () => {
  it("leaves a schema of another program alone", async () => {
    const { url, schema } = schemaOfTest();
    await askPostgres(url, `CREATE SCHEMA ${schema}; CREATE TABLE ${schema}.theirs (a int)`);
    expect((await rejection(postgresStore({ url, schema }))).code).toBe("STORE_FOREIGN");
  });

  it("leaves a schema of a newer flujo alone", async () => {
    const { url, schema } = schemaOfTest();
    await using store = await postgresStore({ url, schema });
    await store.migrate();
    await askPostgres(url, `INSERT INTO ${schema}.flujo_migrations VALUES (99, 'from the future', 0)`);
    expect((await rejection(postgresStore({ url, schema }))).code).toBe("STORE_TOO_NEW");
  });

  it("refuses a server that takes no writes", async () => {
    const { url, schema } = schemaOfTest();
    const role = `flujo_ro_${randomBytes(4).toString("hex")}`;
    await askPostgres(
      url,
      `CREATE ROLE ${role} LOGIN SUPERUSER; ALTER ROLE ${role} SET default_transaction_read_only = on`,
    );
    onTestFinished(async () => {
      await askPostgres(url, `DROP ROLE ${role}`);
    });
    const readOnly = new URL(url);
    readOnly.username = role;
    expect((await rejection(postgresStore({ url: readOnly.href, schema }))).code).toBe("STORE_READ_ONLY");
  });

  it("is set up once by several that open it at the same time", async () => {
    const { url, schema } = schemaOfTest();
    const stores = await Promise.all(Array.from({ length: 4 }, () => postgresStore({ url, schema, poolMax: 2 })));
    const reports = await Promise.all(stores.map((store) => store.migrate()));
    expect(reports.map(({ from, to }) => [from, to])).toEqual(Array.from({ length: 4 }, () => [2, 2]));
    for (const store of stores) await store.close();
  });

  it("says what it would do to an empty schema, and does nothing", async () => {
    const { url, schema } = schemaOfTest();
    await using store = await postgresStore({ url, schema, migrate: false });
    const { from, to, steps } = await store.migrate({ dryRun: true });
    expect([from, to, steps.length]).toEqual([0, 2, 2]);
    expect(steps[0]?.sql).toContain(`CREATE TABLE "${schema}".fibers`);
    expect((await store.migrate({ dryRun: true })).from).toBe(0);
  });

  it("lets two schemas of one database alone with each other", async () => {
    const [one, two] = [schemaOfTest(), schemaOfTest()];
    await using first = await postgresStore(one);
    await using second = await postgresStore(two);
    await first.putSchedule({ id: "nightly", spec: null });
    expect([(await first.schedules()).length, (await second.schedules()).length]).toEqual([1, 0]);
  });
});
