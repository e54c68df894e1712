import Database from "libsql";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { runId } from "../../src/domain/ids.ts";
import type { LeasedFiber } from "../../src/ports/queue.ts";
import type { Store } from "../../src/ports/store.ts";
import { sqliteStore } from "../../src/sqlite.ts";
import { FINGERPRINT, newRun, QUEUE, WORKER } from "../../src/testing/conformance/records.ts";
import { endRun, heldOf } from "../../src/testing/conformance/transitions.ts";

const NOW = 1_000_000;

let store: Store;
let epoch: number;
let now = NOW;

beforeEach(async () => {
  now = NOW;
  store = await sqliteStore({ path: ":memory:", clock: { now: () => now } });
  ({ epoch } = await store.register(WORKER, 60_000));
});
afterEach(async () => store.close());

const claim = async (limit: number): Promise<readonly LeasedFiber[]> =>
  store.claim({ worker: WORKER, epoch, queues: [QUEUE], fingerprints: [FINGERPRINT], limit });

const fill = async (lane: string, from: number, count: number, priority = 0): Promise<void> => {
  const runs = Array.from({ length: count }, (_, i) => {
    const id = runId(`run-${from + i}`);
    return newRun({ id, createdAt: NOW, root: { lane, readyAt: NOW, priority } });
  });
  await store.createRuns(runs);
};

const end = async (fibers: readonly LeasedFiber[]): Promise<void> => {
  const lease = { worker: WORKER, epoch };
  const outcomes = await store.commit(fibers.map((fiber) => endRun(heldOf(fiber, lease))));
  expect(outcomes.map(({ status }) => status)).toEqual(fibers.map(() => "committed"));
};

describe("a lane that is listed, with more rows than one claim moves there", () => {
  it("gives its most urgent row next, wherever that was", async () => {
    await store.putQueueRules([{ queue: QUEUE, lane: { concurrency: 1 } }]);
    await fill("a", 0, 1_300);
    await fill("a", 1_300, 1, 5);
    const first = await claim(10);
    expect(first.map(({ run }) => run)).toEqual(["run-1300"]);
    await fill("a", 1_301, 1, 9);
    expect(await claim(10)).toEqual([]);
    await end(first);
    const second = await claim(10);
    expect(second.map(({ run }) => run)).toEqual(["run-1301"]);
    await end(second);
    expect((await claim(10)).map(({ run }) => run)).toEqual(["run-0"]);
  });

  it("is forgotten once it is empty", async () => {
    await store.putQueueRules([{ queue: QUEUE, lane: { concurrency: 1 } }]);
    await fill("a", 0, 3);
    for (let ended = 0; ended < 3; ended++) {
      const taken = await claim(10);
      expect(taken).toHaveLength(1);
      expect(await claim(10)).toEqual([]);
      await end(taken);
    }
    expect(await claim(10)).toEqual([]);
    expect(await store.nextDue({ queues: [QUEUE], fingerprints: [FINGERPRINT] })).toBeUndefined();
  });
});

describe("a lane that is listed for its rate only", () => {
  it("is forgotten when that has nothing left to remember, at the next claim of its queue", async () => {
    const db = new Database(":memory:");
    await store.close();
    store = await sqliteStore({ driver: db, clock: { now: () => now } });
    ({ epoch } = await store.register(WORKER, 60_000));
    await store.putQueueRules([{ queue: QUEUE, lane: { rate: { count: 2, perMs: 1_000 } } }]);
    const listed = (): unknown => db.prepare("SELECT turn FROM queue_lanes ORDER BY turn").all();
    await fill("a", 0, 1);
    await end(await claim(10));
    await fill("b", 1, 1);
    await end(await claim(10));
    expect(listed()).toEqual([{ turn: "=a" }, { turn: "=b" }]);
    now += 2_000;
    await fill("b", 2, 1);
    await end(await claim(10));
    expect(listed()).toEqual([{ turn: "=b" }]);
    db.close();
  });

  it("gives its most urgent row next when it has others in the list meanwhile", async () => {
    await store.putQueueRules([{ queue: QUEUE, lane: { rate: { count: 1, perMs: 1_000 } } }]);
    await fill("a", 0, 3);
    expect((await claim(10)).map(({ run }) => run)).toEqual(["run-0"]);
    expect(await claim(10)).toEqual([]); // puts the others there
    await fill("a", 3, 1, 9);
    now += 2_000;
    expect((await claim(10)).map(({ run }) => run)).toEqual(["run-3"]);
    now += 2_000;
    expect((await claim(10)).map(({ run }) => run)).toEqual(["run-1"]);
  });
});

describe("lanes of both kinds, listed and not", () => {
  // By bytes U+FFFD comes first, by UTF-16 units the other one does.
  const [LOW, HIGH] = ["\uFFFD", "\u{1F600}"];

  it("take turns in one order", async () => {
    await store.putQueueRules([{ queue: QUEUE, lane: { concurrency: 1 } }]);
    await fill(LOW, 0, 3);
    const first = await claim(1);
    expect(await claim(1)).toEqual([]); // lists it
    await fill(HIGH, 10, 3);
    await end(first);
    const lanes: (string | undefined)[] = [];
    for (let claims = 0; claims < 4; claims++) {
      const taken = await claim(1);
      lanes.push(...taken.map(({ lane }) => lane));
      await end(taken);
    }
    expect(lanes).toEqual([HIGH, LOW, HIGH, LOW]);
  });

  it("are met when rows came to a listed lane from which nothing waits", async () => {
    await store.putQueueRules([{ queue: QUEUE, lane: { rate: { count: 2, perMs: 1_000 } } }]);
    await fill("a", 0, 1);
    expect(await claim(10)).toHaveLength(1);
    expect(await claim(10)).toEqual([]);
    await fill("a", 1, 2);
    expect(await claim(10)).toHaveLength(1); // two within a second, and no more
    expect(await claim(10)).toEqual([]);
    now += 2_000;
    expect(await claim(10)).toHaveLength(1);
  });
});

describe("a claim that waited for another process", () => {
  it("happens when it got the lock, not when it asked for it: rates are told by the instant of the claim", async () => {
    const db = new Database(":memory:");
    const slow = {
      exec: (sql: string) => db.exec(sql),
      close: () => db.close(),
      prepare(sql: string) {
        const statement = db.prepare(sql);
        return {
          get: (...values: unknown[]): unknown => statement.get(values),
          all: (...values: unknown[]): unknown[] => statement.all(values),
          run(...values: unknown[]) {
            if (sql === "BEGIN IMMEDIATE") now += 90;
            return statement.run(values);
          },
        };
      },
    };
    await store.close();
    store = await sqliteStore({ driver: slow, clock: { now: () => now } });
    ({ epoch } = await store.register(WORKER, 60_000));
    await fill("a", 0, 1);
    const [claimed] = await claim(1);
    expect(claimed?.claimedAt).toBe(now);
  });
});
