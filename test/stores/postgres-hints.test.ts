import { describe, expect, it, onTestFinished } from "vitest";
import type { WakeHint } from "../../src/ports/store.ts";
import { postgresStore } from "../../src/postgres.ts";
import { newRun } from "../../src/testing/conformance/records.ts";
import { runId } from "../../src/domain/ids.ts";
import { PostgresStore } from "../../src/stores/postgres/store.ts";
import { askPostgres } from "../setup/own-postgres.ts";
import { freshSchema, sharedServer, titled } from "../setup/servers.ts";

const postgres = await sharedServer("postgres");

interface Pair extends AsyncDisposable {
  readonly talks: PostgresStore;
  readonly hears: PostgresStore;
  readonly application: string;
  readonly url: string;
}

/** Two processes, as far as the server can tell. */
async function twoStores(): Promise<Pair> {
  const { url, schema, [Symbol.asyncDispose]: drop } = freshSchema(postgres);
  const application = `hears_${schema}`;
  const talks = await postgresStore({ url, schema, applicationName: `talks_${schema}` });
  const hears = await postgresStore({ url, schema, applicationName: application });
  if (!(talks instanceof PostgresStore) || !(hears instanceof PostgresStore))
    throw new Error("expected the store itself");
  const close = async (): Promise<void> => {
    await talks.close();
    await hears.close();
    await drop();
  };
  return { talks, hears, application, url, [Symbol.asyncDispose]: close };
}

/** Resolves with the next hint that says that something is ready. */
const nextReady = (store: PostgresStore): { readonly heard: Promise<WakeHint>; readonly stop: () => void } => {
  let stop = (): void => {};
  const heard = new Promise<WakeHint>((resolve) => {
    stop = store.subscribe((hint) => {
      if (hint.ready) resolve(hint);
    });
  });
  return { heard, stop };
};

const start = async (store: PostgresStore, id: string): Promise<void> => {
  await store.createRuns([newRun({ id: runId(id) })]);
};

describe.skipIf(!postgres.run)(titled("hints of Postgres", postgres), () => {
  it("reach another process", async () => {
    await using pair = await twoStores();
    const { talks, hears } = pair;
    const { heard, stop } = nextReady(hears);
    await hears.listening();
    await start(talks, "a");
    expect((await heard).ready).toBe(true);
    stop();
  });

  it("name the runs that were asked to stop, however many they are", async () => {
    await using pair = await twoStores();
    const { talks, hears } = pair;
    const ids = Array.from({ length: 120 }, (_, i) => runId(`run-${i}-${"x".repeat(100)}`));
    await talks.createRuns(ids.map((id) => newRun({ id })));
    const left = new Set<string>(ids);
    let stop = (): void => {};
    const all = new Promise<void>((resolve) => {
      stop = hears.subscribe(({ runs }) => {
        for (const run of runs) left.delete(run);
        if (left.size === 0) resolve();
      });
    });
    await hears.listening();
    await Promise.all(ids.map((id) => talks.cancel(id, "enough")));
    await all;
    stop();
  });

  it("come again after the connection that listens was killed", async () => {
    await using pair = await twoStores();
    const { talks, hears, application, url } = pair;
    let readies = 0;
    const stop = hears.subscribe(({ ready }) => {
      readies += Number(ready);
    });
    await hears.listening();
    await askPostgres(
      url,
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = '${application}'`,
    );
    for (let i = 0; readies === 0; i++) await start(talks, `run-${i}`); // until it listens again; the test's time-out is the deadline
    expect(readies).toBeGreaterThan(0);
    stop();
  });

  it("leave a store that works after all its connections were killed", async () => {
    await using pair = await twoStores();
    const { talks, application, hears, url } = pair;
    await start(hears, "before");
    await askPostgres(
      url,
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = '${application}'`,
    );
    const loaded = await hears.load(runId("before")).catch(async () => hears.load(runId("before")));
    expect(loaded?.id).toBe("before");
    expect((await talks.load(runId("before")))?.id).toBe("before");
  });

  it("are none behind a pooler, and the store says so", async () => {
    const { url, schema, [Symbol.asyncDispose]: drop } = freshSchema(postgres);
    onTestFinished(drop);
    await using store = await postgresStore({ url, schema, pooler: true });
    expect(store.capabilities.hints).toBe("none");
  });
});
