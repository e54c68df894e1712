import Database from "libsql";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { ROOT_FIBER, runId } from "../../src/domain/ids.ts";
import type { CommitOutcome, Lease, Store } from "../../src/ports/store.ts";
import { type SqliteDriver, sqliteStore } from "../../src/sqlite.ts";
import { TOGETHER } from "../../src/stores/sqlite/together.ts";
import {
  blobOf,
  newChild,
  newMessage,
  newRun,
  OTHER_RUN,
  RUN,
  START_MS,
  WORKER,
} from "../../src/testing/conformance/records.ts";
import {
  endChild,
  endRun,
  type Held,
  newEvent,
  next,
  park,
  sibling,
  transition,
} from "../../src/testing/conformance/transitions.ts";

let driver: SqliteDriver;
let store: Store;
let lease: Lease;
beforeEach(async () => {
  driver = new Database(":memory:");
  store = await sqliteStore({ driver, clock: { now: () => START_MS } });
  lease = { worker: WORKER, epoch: (await store.register(WORKER, 1_000)).epoch };
});
afterEach(async () => {
  await store.close();
  driver.close();
});

async function hold(count: number): Promise<readonly Held[]> {
  const runs = Array.from({ length: count }, (_, i) =>
    newRun({ id: runId(`run-${i}`), lease, root: { leased: true } }),
  );
  await store.createRuns(runs);
  return runs.map(({ id }) => ({ run: id, fiber: ROOT_FIBER, lease, seq: 0 }));
}

const step = (held: Held, at: number = START_MS) =>
  transition(held, { value: `v${held.seq + 1}`, event: newEvent([`e${held.seq + 1}`], at) });
const statuses = (outcomes: readonly CommitOutcome[]): readonly string[] => outcomes.map(({ status }) => status);
const factsOf = async (held: Held): Promise<readonly unknown[]> =>
  (await store.history(held.run)).map(({ facts }) => facts);

describe("a batch whose transitions are written together", () => {
  it("writes each fiber and its event", async () => {
    const held = await hold(2 * TOGETHER + 3);
    expect(statuses(await store.commit(held.map((one) => step(one))))).toEqual(held.map(() => "committed"));
    for (const one of held) {
      expect(await store.fibers(one.run)).toMatchObject([{ seq: 1, state: { step: 1 }, value: "v1" }]);
      expect(await factsOf(one)).toEqual([["created"], ["e1"]]);
    }
  });

  it("keeps the neighbours of a transition that lost its lease, and of one that cannot be stored", async () => {
    const held = await hold(TOGETHER);
    const batch = held.map((one, i) => {
      if (i === 3) return step({ ...one, lease: { ...lease, epoch: lease.epoch + 1 } });
      return step(one, i === 7 ? Number.NaN : START_MS); // NaN is NULL to SQLite, and an event must have a time
    });
    const expected = held.map((_, i) => (i === 3 ? "lost" : i === 7 ? "rejected" : "committed"));
    expect(statuses(await store.commit(batch))).toEqual(expected);
    for (const [i, one] of held.entries()) {
      const untouched = i === 3 || i === 7;
      expect((await store.fibers(one.run))[0]?.seq).toBe(untouched ? 0 : 1);
      expect(await factsOf(one)).toEqual(untouched ? [["created"]] : [["created"], ["e1"]]);
    }
  });

  it("takes two transitions of one fiber one after the other", async () => {
    const held = await hold(TOGETHER);
    const batch = [...held.map((one) => step(one)), ...held.map((one) => step(next(one)))];
    expect(statuses(await store.commit(batch))).toEqual(batch.map(() => "committed"));
    for (const one of held) expect(await factsOf(one)).toEqual([["created"], ["e1"], ["e2"]]);
  });

  it("tells of a request to stop", async () => {
    const held = await hold(TOGETHER);
    await store.cancel(runId("run-4"), "enough");
    const outcomes = await store.commit(held.map((one) => step(one)));
    expect(outcomes.map((one) => ("cancel" in one ? one.cancel : undefined))).toEqual(
      held.map((_, i) => (i === 4 ? "enough" : undefined)),
    );
  });
});

describe("pruning", () => {
  const TABLES = [
    "runs",
    "run_metadata",
    "fibers",
    "contexts",
    "events",
    "chains",
    "waits",
    "messages",
    "message_ids",
    "blobs",
    "blob_refs",
  ];

  it("leaves no row of a run that forked, waited and used blobs", async () => {
    await store.createRuns([newRun({ lease, root: { leased: true }, metadata: { a: 1 }, blobs: [blobOf("first")] })]);
    const root: Held = { run: RUN, fiber: ROOT_FIBER, lease, seq: 0 };
    const spawn = [newChild(1, { leased: true }), newChild(2)];
    await store.commit([
      park(root, { names: ["join", "never"], spawn, event: newEvent("forked"), blobs: [blobOf("second")] }),
    ]);
    const done = newMessage({ id: "done", name: "join" });
    await store.commit([
      endChild(sibling(root, spawn[0]?.key ?? ROOT_FIBER), { event: newEvent("child"), send: [done] }),
    ]);
    const [claimed] = await store.claim({
      worker: WORKER,
      epoch: lease.epoch,
      queues: ["default"],
      fingerprints: [newRun().fingerprint],
      limit: 1,
    });
    const again = { ...root, seq: claimed?.seq ?? -1 };
    const consume = claimed?.messages.map(({ seq }) => seq) ?? [];
    await store.commit([endRun(again, {}, { consume, dropFork: 1, event: newEvent("ended") })]);
    expect((await store.history(RUN)).map(({ facts }) => facts)).toEqual([["created"], "forked", "child", "ended"]);

    expect(await store.prune({ endedBefore: START_MS + 1 })).toBe(1);
    const counts = TABLES.map((table) => [
      table,
      (driver.prepare(`SELECT count(*) AS n FROM ${table}`).get() as { n: number }).n,
    ]);
    expect(counts).toEqual(TABLES.map((table) => [table, 0]));
  });

  it("keeps a blob that a message has carried into another run", async () => {
    const blob = blobOf("large");
    await store.createRuns([newRun({ lease, root: { leased: true } }), newRun({ id: OTHER_RUN })]);
    const send = [newMessage({ run: OTHER_RUN, data: { result: { $blob: blob.hash } } })];
    await store.commit([endRun({ run: RUN, fiber: ROOT_FIBER, lease, seq: 0 }, {}, { send, blobs: [blob] })]);
    expect(await store.prune({ endedBefore: START_MS + 1 })).toBe(1);
    expect(await store.blob(blob.hash)).toBe("large");
  });
});
