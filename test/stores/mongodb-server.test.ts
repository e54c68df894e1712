import { MongoClient } from "mongodb";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ROOT_FIBER, runId, workerId } from "../../src/domain/ids.ts";
import { mongodbStore, type MongodbStoreOptions } from "../../src/mongodb.ts";
import type { Store } from "../../src/ports/store.ts";
import { ManualClock } from "../../src/testing/conformance/clock.ts";
import {
  blobOf,
  child,
  FINGERPRINT,
  LEASE_MS,
  newChild,
  newMessage,
  newRun,
  OTHER_RUN,
  OTHER_WORKER,
  QUEUE,
  RUN,
  START_MS,
  WORKER,
} from "../../src/testing/conformance/records.ts";
import { rejection, Scene } from "../../src/testing/conformance/scene.ts";
import {
  endChild,
  endRun,
  newEvent,
  next,
  park,
  sibling,
  transition,
} from "../../src/testing/conformance/transitions.ts";
import { MongoDouble } from "../mongo-double/server.ts";
import { type Document, sizeOf } from "../mongo-double/wire.ts";

let double: MongoDouble;
let count = 0;

beforeAll(async () => {
  double = await MongoDouble.start();
});
afterAll(async () => double[Symbol.asyncDispose]());

const nextDatabase = (): string => `server-${count++}`;

const open = async (options: Partial<MongodbStoreOptions> = {}): Promise<Store> =>
  mongodbStore({ url: double.url, database: nextDatabase(), clock: new ManualClock(START_MS), ...options });

interface Opened extends AsyncDisposable {
  readonly scene: Scene;
  readonly database: string;
  readonly clock: ManualClock;
}

async function openScene(
  database: string = nextDatabase(),
  clock: ManualClock = new ManualClock(START_MS),
): Promise<Opened> {
  const store = await open({ database, clock });
  return { scene: new Scene(store, clock, expect), database, clock, [Symbol.asyncDispose]: async () => store.close() };
}

/** Commands of the store that an action sends. */
async function commandsOf(action: () => Promise<unknown>): Promise<readonly string[]> {
  const before = double.asked.length;
  await action();
  return double.asked.slice(before);
}

const documentsOf = (database: string, collection: string, filter: Document = {}): readonly Document[] =>
  double.database(database).collection(collection).find(filter);

/** Every command of this name is answered with an error of this code. */
function refuse(name: string, code: number): void {
  double.intercept = (asked) =>
    asked.name === name ? { refuse: { ok: 0, code, errmsg: "the server says no", codeName: "No" } } : "pass";
}

describe("opening a mongodb store (double)", () => {
  test("says quickly and without the password that nobody answers", async () => {
    await using gone = await MongoDouble.start();
    const url = gone.url.replace("127.0.0.1", "ann:s3cret@127.0.0.1");
    await gone[Symbol.asyncDispose]();
    const error = await rejection(mongodbStore({ url, serverSelectionTimeoutMs: 200 }));
    expect(error.code).toBe("STORE_UNAVAILABLE");
    expect(error.message).toMatch(/^the database flujo at mongodb:\/\/127\.0\.0\.1:\d+\/ cannot be reached: /);
    expect(error.message).not.toContain("s3cret");
  });

  test.each(["ann:s3cret", "ann:s/3cret", "ann:s?3cret"])(
    "says without the password of %s that a URL is none",
    async (user) => {
      const error = await rejection(mongodbStore({ url: `mongodb://${user}@host:port/?w=1` }));
      expect(error.code).toBe("STORE_URI_INVALID");
      expect(error.message).not.toContain("3cret");
    },
  );

  test.each([
    ["neither a url nor a client", {}],
    ["a database without a name", { url: "mongodb://host", database: "" }],
    ["a prefix with a dollar", { url: "mongodb://host", prefix: "$" }],
    ["no time to look for the server", { url: "mongodb://host", serverSelectionTimeoutMs: 0 }],
  ])("refuses %s", async (_what, options) => {
    expect((await rejection(mongodbStore(options))).code).toBe("OPTION_INVALID");
  });

  test.each([
    [13, "STORE_UNAVAILABLE", "refused the user"],
    [10_107, "STORE_READ_ONLY", "is not the primary"],
    [2, "STORE_UNAVAILABLE", "refused"],
  ])("reports the server's code %i as %s", async (code, expected, said) => {
    await using opened = await openScene();
    refuse("insert", code);
    const error = await rejection(opened.scene.store.createRuns([newRun()]));
    double.intercept = () => "pass";
    expect([error.code, error.message.includes(said)]).toEqual([expected, true]);
    expect(await opened.scene.store.createRuns([newRun()])).toMatchObject([{ status: "created" }]);
  });

  test("takes the database from the URL", async () => {
    const database = nextDatabase();
    await using store = await mongodbStore({ url: double.url.replace("/?", `/${database}?`) });
    expect(store.capabilities.name).toBe("mongodb");
    expect(documentsOf(database, "schema")).toMatchObject([{ _id: "schema", program: "flujo" }]);
  });

  test("leaves a client open that it was given", async () => {
    const client = await new MongoClient(double.url).connect();
    try {
      const store = await mongodbStore({ client, database: nextDatabase() });
      await store.close();
      expect(await client.db("admin").command({ ping: 1 })).toMatchObject({ ok: 1 });
    } finally {
      await client.close();
    }
  });

  test("leaves collections of another program alone", async () => {
    const database = nextDatabase();
    double.database(database).collection("events").insert({ _id: "theirs" });
    expect((await rejection(open({ database }))).code).toBe("STORE_FOREIGN");
    expect(double.database(database).names).toEqual(["events"]);
    await using store = await open({ database, prefix: "flujo_" });
    expect(await store.list({})).toEqual({ items: [] });
  });

  test("refuses a schema that is newer than it knows", async () => {
    const database = nextDatabase();
    double.database(database).collection("schema").insert({ _id: "schema", program: "flujo", version: 99 });
    expect((await rejection(open({ database }))).code).toBe("STORE_TOO_NEW");
  });

  test("may be opened by several at once", async () => {
    const database = nextDatabase();
    const stores = await Promise.all([1, 2, 3, 4].map(async () => open({ database })));
    const [, second] = stores;
    expect(await second?.migrate()).toMatchObject({ steps: [] });
    for (const store of stores) await store.close();
  });

  test("reads the time from the server", async () => {
    double.localTime = () => new Date(Date.now() + 3_600_000);
    await using store = await mongodbStore({ url: double.url, database: nextDatabase() });
    await store.register(WORKER, LEASE_MS);
    double.localTime = () => new Date();
    const ahead = ((await store.workers())[0]?.leaseUntil ?? 0) - Date.now() - LEASE_MS;
    expect(Math.abs(ahead - 3_600_000)).toBeLessThan(60_000); // the test may be slow, the clock is an hour ahead
  });

  test("renews a lease from a thread while the event loop does not come round", async () => {
    await using store = await mongodbStore({ url: double.url, database: nextDatabase() });
    const { epoch } = await store.register(WORKER, LEASE_MS);
    const before = (await store.workers())[0]?.leaseUntil ?? 0;
    const guard = store.guard?.({ worker: WORKER, epoch, leaseMs: 60_000, everyMs: 20, giveUpMs: 60_000 });
    await expect.poll(() => guard?.renewedAt).toBeGreaterThan(0);
    await guard?.stop();
    expect((await store.workers())[0]?.leaseUntil).toBeGreaterThan(before + LEASE_MS);
  });
});

describe("what a mongodb store asks for (double)", () => {
  test("writes a step of a run that it holds in one command", async () => {
    await using opened = await openScene();
    const held = await opened.scene.hold(await opened.scene.worker());
    const step = transition(held, { value: 1, event: newEvent("step") });
    expect(await commandsOf(async () => opened.scene.pass(step))).toEqual(["find", "update"]);
    const second = transition(next(held), { value: 2, event: newEvent("step") });
    expect(await commandsOf(async () => opened.scene.pass(second))).toEqual(["update"]);
  });

  test("writes a step of a hundred runs in one command", async () => {
    await using opened = await openScene();
    const lease = await opened.scene.worker();
    const ids = Array.from({ length: 100 }, (_, i) => runId(`run-${i}`));
    const { store } = opened.scene;
    await store.createRuns(ids.map((id) => newRun({ id, lease, root: { leased: true } })));
    const batch = (seq: number): Parameters<Store["commit"]>[0] =>
      ids.map((run) => transition({ run, fiber: ROOT_FIBER, lease, seq }, { event: newEvent(seq) }));
    await store.commit(batch(0));
    expect(await commandsOf(async () => store.commit(batch(1)))).toEqual(["update"]);
  });

  test("finds out which of a hundred was lost", async () => {
    await using opened = await openScene();
    await using other = await openScene(opened.database, opened.clock);
    const lease = await opened.scene.worker();
    const ids = Array.from({ length: 100 }, (_, i) => runId(`run-${i}`));
    const { store } = opened.scene;
    await store.createRuns(ids.map((id) => newRun({ id, lease, root: { leased: true } })));
    await store.commit(ids.map((run) => transition({ run, fiber: ROOT_FIBER, lease, seq: 0 })));
    await other.scene.store.release(lease.worker, lease.epoch, { only: [{ run: runId("run-42"), fiber: ROOT_FIBER }] });
    await other.scene.store.signal(newMessage({ run: runId("run-43") }));
    const outcomes = await store.commit(ids.map((run) => transition({ run, fiber: ROOT_FIBER, lease, seq: 1 })));
    expect(outcomes.flatMap(({ status }, i) => (status === "committed" ? [] : [[i, status]]))).toEqual([[42, "lost"]]);
  });

  test.each(["drop-before", "drop-after"] as const)(
    "passes a step of a hundred runs once when the connection breaks (%s)",
    async (fate) => {
      await using opened = await openScene();
      const lease = await opened.scene.worker();
      const ids = Array.from({ length: 100 }, (_, i) => runId(`run-${i}`));
      const { store } = opened.scene;
      await store.createRuns(ids.map((id) => newRun({ id, lease, root: { leased: true } })));
      double.intercept = ({ name }) => {
        if (name !== "update") return "pass";
        double.intercept = () => "pass";
        return fate;
      };
      const outcomes = await store.commit(ids.map((run) => transition({ run, fiber: ROOT_FIBER, lease, seq: 0 })));
      expect(outcomes.filter(({ status }) => status !== "committed")).toEqual([]);
      for (const run of ids) expect((await opened.scene.fiber(run, ROOT_FIBER))?.seq).toBe(1);
    },
  );

  test("keeps the document of a run small however many children it has", async () => {
    await using opened = await openScene();
    const { scene, database } = opened;
    const held = await scene.hold(await scene.worker());
    const spawn = Array.from({ length: 2_000 }, (_, i) => newChild(i + 1, { value: "x".repeat(500) }));
    await scene.pass(park(held, { names: ["join"], wait: { kind: "join" }, spawn }));
    const [run] = documentsOf(database, "runs", { _id: RUN });
    expect(run === undefined ? 0 : sizeOf(run)).toBeLessThan(4_000);
    const claimed = await scene.claim(held.lease, { limit: 2_000 });
    expect(claimed.length).toBe(2_000);
    const ends = claimed.map(({ key, ordinal = 0 }) => endChild(sibling(held, key), { value: ordinal }));
    for (let from = 0; from < ends.length; from += 500) await scene.store.commit(ends.slice(from, from + 500));
    const results = await scene.store.children(RUN, ROOT_FIBER, 1);
    expect(results.map(({ value }) => value)).toEqual(Array.from({ length: 2_000 }, (_, i) => i + 1));
  });

  test("keeps a blob of 40 MB in parts, and prunes all of them", async () => {
    await using opened = await openScene();
    const { scene, database } = opened;
    const blob = blobOf("ä🙂".repeat(6_700_000));
    const held = await scene.hold(await scene.worker());
    await scene.pass(transition(held, { value: { $blob: blob.hash }, blobs: [blob] }));
    expect((await scene.store.blob(blob.hash)) === blob.text).toBe(true);
    await scene.pass(endRun(next(held)));
    await scene.store.prune({ endedBefore: START_MS + 1 });
    for (const name of ["runs", "blobs", "references", "events", "received"])
      expect(documentsOf(database, name)).toEqual([]);
  });

  test("refuses a message that no longer fits into the mailbox, and goes on", async () => {
    await using opened = await openScene();
    const { scene } = opened;
    const held = await scene.hold(await scene.worker());
    const data = "x".repeat(130_000); // just not large enough to be kept apart
    let refused: unknown;
    for (let i = 0; i < 200 && refused === undefined; i++) {
      await scene.signal({ id: `m${i}`, data }).catch((error: unknown) => (refused = error));
    }
    expect(refused).toMatchObject({ code: "VALUE_TOO_LARGE" });
    const messages = await scene.store.messages(RUN);
    await scene.pass(transition(held, { consume: messages.map(({ seq }) => seq) }));
    expect(await scene.signal({ id: "late", data })).toBe("delivered");
  });

  test("knows an id after hundreds of others were consumed", async () => {
    await using opened = await openScene();
    const { scene, database } = opened;
    let held = await scene.hold(await scene.worker());
    for (let i = 0; i < 250; i++) {
      await scene.signal({ id: `m${i}` });
      held = await scene.pass(transition(held, { consume: [await scene.messageSeq(`m${i}`)] }));
    }
    expect(documentsOf(database, "received").length).toBeGreaterThan(100);
    for (const i of [0, 99, 150, 249]) expect(await scene.signal({ id: `m${i}` })).toBe("duplicate");
    expect(await scene.signal({ id: "m250" })).toBe("delivered");
  });
});

describe("several processes on one mongodb database (double)", () => {
  test("start a run once", async () => {
    await using first = await openScene();
    await using second = await openScene(first.database, first.clock);
    const starts = Array.from({ length: 10 }, async (_, i) =>
      (i % 2 === 0 ? first : second).scene.store.createRuns([newRun({ input: i })]),
    );
    const outcomes = (await Promise.all(starts)).flat();
    expect(outcomes.filter(({ status }) => status === "created").length).toBe(1);
  });

  test("lease each fiber once", async () => {
    await using first = await openScene();
    await using second = await openScene(first.database, first.clock);
    const ids = Array.from({ length: 60 }, (_, i) => runId(`run-${i}`));
    await first.scene.store.createRuns(ids.map((id) => newRun({ id })));
    const [one, two] = [await first.scene.worker(), await second.scene.worker(OTHER_WORKER)];
    const claims = Array.from({ length: 12 }, async (_, i) =>
      i % 2 === 0 ? first.scene.claim(one, { limit: 7 }) : second.scene.claim(two, { limit: 7 }),
    );
    const claimed = (await Promise.all(claims)).flat().map(({ run }) => run);
    expect(claimed.toSorted()).toEqual(ids.toSorted());
  });

  test("deliver all messages to one run, each under a number of its own", async () => {
    await using first = await openScene();
    await using second = await openScene(first.database, first.clock);
    await first.scene.start();
    const sends = Array.from({ length: 40 }, async (_, i) =>
      (i % 2 === 0 ? first : second).scene.signal({ id: `m${i}` }),
    );
    expect(new Set(await Promise.all(sends))).toEqual(new Set(["delivered"]));
    const seqs = (await second.scene.store.messages(RUN)).map(({ seq }) => seq);
    expect(seqs).toEqual(Array.from({ length: 40 }, (_, i) => i + 1));
  });

  test("end the children of one fork, and tell the parent of each", async () => {
    await using first = await openScene();
    await using second = await openScene(first.database, first.clock);
    const held = await first.scene.hold(await first.scene.worker());
    const spawn = Array.from({ length: 30 }, (_, i) => newChild(i + 1, { leased: true }));
    await first.scene.pass(park(held, { names: ["join"], wait: { kind: "join" }, spawn }));
    const ends = spawn.map(async ({ key }, i) => {
      const send = [{ run: RUN, name: "join", data: i, sentAt: START_MS }];
      return (i % 2 === 0 ? first : second).scene.pass(endChild(sibling(held, key), { send, event: newEvent(i) }));
    });
    await Promise.all(ends);
    const { fiber } = await second.scene.claimOne(await second.scene.worker(OTHER_WORKER));
    expect(new Set(fiber.messages.map(({ data }) => data))).toEqual(new Set(spawn.keys()));
    expect(fiber.messages.length).toBe(30);
    const seqs = (await first.scene.store.history(RUN)).map(({ seq }) => seq);
    expect(seqs).toEqual(Array.from({ length: 31 }, (_, i) => i + 1));
    expect((await first.scene.fiber(RUN, child(30)))?.position).toBe("ended");
  });

  test("never hold more places of a queue than its rules say", async () => {
    await using first = await openScene();
    await using second = await openScene(first.database, first.clock);
    const ids = Array.from({ length: 40 }, (_, i) => runId(`run-${i}`));
    await first.scene.store.putQueueRules([{ queue: QUEUE, concurrency: 3 }]);
    await first.scene.store.createRuns(ids.map((id) => newRun({ id })));
    const leases = [await first.scene.worker(), await second.scene.worker(OTHER_WORKER)];
    const done: string[] = [];
    for (let round = 0; done.length < ids.length && round < 100; round++) {
      const claims = [first, second, first, second].map(async ({ scene }, i) =>
        scene.claim(leases[i % 2] ?? { worker: WORKER, epoch: 0 }, { limit: 5 }),
      );
      const claimed = (await Promise.all(claims)).flat();
      const places = documentsOf(first.database, "runs", { lease: { $exists: true } });
      expect(places.length).toBeLessThanOrEqual(3);
      for (const { run, owner, seq } of claimed) {
        if (owner !== undefined) await first.scene.pass(endRun({ run, fiber: ROOT_FIBER, lease: owner, seq }));
        done.push(run);
      }
    }
    expect(done.toSorted()).toEqual(ids.toSorted());
    expect(documentsOf(first.database, "queues")).toMatchObject([{ grants: [] }]);
  });

  test("hand back what a claim took under a worker that was swept meanwhile", async () => {
    await using first = await openScene();
    await using second = await openScene(first.database, first.clock);
    await first.scene.start();
    await first.scene.start({ id: OTHER_RUN });
    const lease = await first.scene.worker(workerId("slow"));
    let release = (): void => undefined;
    const gate = new Promise<void>((resolve) => (release = resolve));
    let reached = (): void => undefined;
    const atGate = new Promise<void>((resolve) => (reached = resolve));
    double.intercept = ({ name }) => {
      if (name !== "update") return "pass";
      double.intercept = () => "pass";
      reached();
      return { delay: gate };
    };
    const claiming = first.scene.claim(lease, { queues: [QUEUE], fingerprints: [FINGERPRINT] });
    await atGate; // it is about to write its leases
    second.clock.advance(LEASE_MS + 1);
    expect(await second.scene.store.sweep()).toEqual({ workers: ["slow"], fibers: 0 });
    release();
    expect((await claiming).length).toBe(2);
    expect(await second.scene.store.sweep()).toEqual({ workers: [], fibers: 2 });
    expect((await second.scene.claim(await second.scene.worker(OTHER_WORKER))).length).toBe(2);
  });
});
