import type { OutboxEntry, ShardStore, ShardTransition } from "../../ports/shard.ts";
import type { Store } from "../../ports/store.ts";
import { runId } from "../../domain/ids.ts";
import { ROOT_FIBER } from "../../domain/ids.ts";
import {
  anonymousMessage,
  blobOf,
  LEASE_MS,
  newMessage,
  newRun,
  OTHER_RUN,
  OTHER_WORKER,
  RUN,
  START_MS,
  WORKER,
} from "./records.ts";
import type { Scene } from "./scene.ts";
import type { AspectSuite } from "./suite.ts";
import { endRun, type Held, transition } from "./transitions.ts";

const isShard = (store: Store): store is ShardStore => "outbox" in store && "admit" in store && "mark" in store;

function shardOf({ store }: Scene): ShardStore {
  if (isShard(store)) return store;
  throw new Error("expected a store that can be one of several shards");
}

const ELSEWHERE = runId("elsewhere");
const AWAY = runId("run-away");

const ENTRIES: readonly OutboxEntry[] = [
  { id: "e-3", to: 1, effect: { kind: "start", run: newRun({ id: ELSEWHERE, blobs: [blobOf("large")] }) } },
  {
    id: "e-1",
    to: 2,
    effect: { kind: "send", message: anonymousMessage({ run: AWAY, once: "e-1", data: "a\0b", blobs: [blobOf("x")] }) },
  },
  { id: "e-2", to: 1, effect: { kind: "cancel", run: ELSEWHERE, reason: "why" } },
];
const ids = (entries: readonly OutboxEntry[]): readonly string[] => entries.map(({ id }) => id);

export const shard: AspectSuite = {
  aspect: "shard",
  title: "can be one of several that are one store",
  define({ it, expect }) {
    const sending = (held: Held, given: Partial<ShardTransition> = {}): ShardTransition => ({
      ...transition(held),
      outbox: ENTRIES,
      ...given,
    });

    it("keeps effects on other shards with their transition, in order and as they were", async (scene) => {
      const store = shardOf(scene);
      const held = await scene.hold(await scene.worker());
      expect(await store.outbox(10)).toEqual([]);
      await scene.pass(sending(held));
      expect(await store.outbox(10)).toEqual(ENTRIES);
    });

    it("applies none of them itself", async (scene) => {
      const held = await scene.hold(await scene.worker());
      await scene.pass(sending(held));
      expect(await scene.store.load(ELSEWHERE)).toBe(undefined);
      expect((await scene.store.list({})).items.map(({ id }) => id)).toEqual([RUN]);
    });

    it("keeps them with a transition of each kind", async (scene) => {
      const lease = await scene.worker();
      const [first, second, third] = ENTRIES;
      if (first === undefined || second === undefined || third === undefined) return;
      const held = await scene.pass(
        sending(await scene.hold(lease), { outbox: [first], event: { at: START_MS, facts: 1 } }),
      );
      await scene.pass({ ...endRun(held), outbox: [second] } as ShardTransition);
      const other = await scene.hold(lease, { id: OTHER_RUN });
      await scene.pass(sending(other, { outbox: [third], position: { kind: "ready", at: START_MS } }));
      expect(ids(await shardOf(scene).outbox(10))).toEqual(["e-3", "e-1", "e-2"]);
    });

    const refused: readonly (readonly [status: string, given: Partial<ShardTransition>])[] = [
      ["lost", { expectedSeq: 7 }],
      ["conflict", { consume: [4_711] }],
      ["rejected", { send: [newMessage({ once: "both" })] }],
    ];
    for (const [status, given] of refused) {
      it(`keeps none of a transition that is ${status}`, async (scene) => {
        const held = await scene.hold(await scene.worker());
        expect(await scene.commit(sending(held, given))).toMatchObject({ status });
        expect(await shardOf(scene).outbox(10)).toEqual([]);
      });
    }

    it("keeps those of the neighbours in a batch", async (scene) => {
      const store = shardOf(scene);
      const lease = await scene.worker();
      const [bad, good] = [await scene.hold(lease), await scene.hold(lease, { id: OTHER_RUN })];
      await store.commit([
        sending({ ...bad, seq: 3 }, { outbox: ENTRIES.slice(0, 1) }),
        sending(good, { outbox: ENTRIES.slice(1) }),
      ]);
      expect(ids(await store.outbox(10))).toEqual(["e-1", "e-2"]);
    });

    it("shows the oldest, up to a limit, and those for one shard", async (scene) => {
      const store = shardOf(scene);
      await scene.pass(sending(await scene.hold(await scene.worker())));
      expect(ids(await store.outbox(2))).toEqual(["e-3", "e-1"]);
      expect(ids(await store.outbox(10, 1))).toEqual(["e-3", "e-2"]);
      expect(ids(await store.outbox(1, 1))).toEqual(["e-3"]);
      expect(ids(await store.outbox(10, 2))).toEqual(["e-1"]);
      expect(await store.outbox(10, 0)).toEqual([]);
    });

    it("forgets those that are done, and ignores unknown ones", async (scene) => {
      const store = shardOf(scene);
      await scene.pass(sending(await scene.hold(await scene.worker())));
      await store.outboxDone(["e-1", "unknown"]);
      expect(ids(await store.outbox(10))).toEqual(["e-3", "e-2"]);
      await store.outboxDone(["e-1", "e-2", "e-3"]);
      await store.outboxDone([]);
      expect(await store.outbox(10)).toEqual([]);
    });

    it("keeps them beyond the end of their run, until they are done", async (scene) => {
      const store = shardOf(scene);
      const held = await scene.pass(sending(await scene.hold(await scene.worker())));
      await scene.pass(endRun(held));
      await store.forget([RUN]);
      expect(await store.outbox(10)).toEqual(ENTRIES);
    });

    it("announces a worker under the epoch of another shard", async (scene) => {
      await shardOf(scene).admit(WORKER, 77, LEASE_MS);
      const lease = { worker: WORKER, epoch: 77 };
      expect(await scene.store.workers()).toMatchObject([
        { worker: WORKER, epoch: 77, leaseUntil: START_MS + LEASE_MS, held: 0 },
      ]);
      await scene.start();
      await scene.pass(transition((await scene.claimOne(lease)).held));
      expect(await scene.store.heartbeat(WORKER, 77, LEASE_MS)).toMatchObject({ status: "alive" });
      await scene.pass(endRun(await scene.hold(lease, { id: OTHER_RUN })));
    });

    it("gives back what a worker held when it comes under a larger epoch", async (scene) => {
      const store = shardOf(scene);
      await store.admit(WORKER, 5, LEASE_MS);
      const held = await scene.hold({ worker: WORKER, epoch: 5 });
      await store.admit(WORKER, 6, LEASE_MS);
      expect(await scene.commit(transition(held))).toEqual({ status: "lost" });
      expect(await scene.claimedKeys({ worker: WORKER, epoch: 6 })).toEqual([`${RUN}/${ROOT_FIBER}`]);
    });

    it("ignores an epoch smaller than the one it knows", async (scene) => {
      const store = shardOf(scene);
      await store.admit(WORKER, 6, LEASE_MS);
      const held = await scene.hold({ worker: WORKER, epoch: 6 });
      await store.admit(WORKER, 5, 10 * LEASE_MS);
      expect(await store.workers()).toMatchObject([{ epoch: 6, leaseUntil: START_MS + LEASE_MS, held: 1 }]);
      await scene.pass(transition(held));
    });

    it("renews the lease of a worker that is admitted again, which keeps what it holds", async (scene) => {
      const store = shardOf(scene);
      await store.admit(WORKER, 6, LEASE_MS);
      const held = await scene.hold({ worker: WORKER, epoch: 6 });
      scene.clock.advance(500);
      await store.admit(WORKER, 6, LEASE_MS);
      expect(await store.workers()).toMatchObject([{ epoch: 6, leaseUntil: START_MS + 500 + LEASE_MS, held: 1 }]);
      await scene.pass(transition(held));
    });

    it("sweeps a worker that was admitted and fell silent", async (scene) => {
      await shardOf(scene).admit(WORKER, 3, LEASE_MS);
      await scene.hold({ worker: WORKER, epoch: 3 });
      scene.clock.advance(LEASE_MS);
      expect(await scene.store.sweep()).toEqual({ workers: [WORKER], fibers: 1 });
      await scene.claimOne(await scene.worker(OTHER_WORKER));
    });

    /** Ends runs one millisecond apart, in this order. */
    const endAll = async (scene: Scene, ...given: readonly Parameters<Scene["hold"]>[1][]): Promise<void> => {
      const lease = await scene.worker();
      for (const [i, one] of given.entries()) {
        const status = (["completed", "failed", "cancelled"] as const)[i % 3] ?? "completed";
        await scene.pass(endRun(await scene.hold(lease, one), { status, at: START_MS + i }));
      }
    };

    it("lists runs that ended, oldest end first, with who awaits them, wherever that is", async (scene) => {
      const awaited = { run: AWAY, fiber: ROOT_FIBER, reply: "reply" };
      const detached = { run: AWAY, fiber: ROOT_FIBER, reply: "" };
      await endAll(
        scene,
        { id: runId("z") },
        { id: runId("a"), parent: awaited },
        { id: runId("m"), parent: detached },
        { id: runId("b") },
      );
      await scene.start();
      const store = shardOf(scene);
      expect(await store.ended({ endedBefore: START_MS + 3, limit: 10 })).toEqual([
        { run: runId("z") },
        { run: runId("a"), awaitedBy: AWAY },
        { run: runId("m") },
      ]);
      expect(await store.ended({ endedBefore: START_MS + 9, limit: 2 })).toMatchObject([{ run: "z" }, { run: "a" }]);
      expect(await store.ended({ endedBefore: START_MS + 9, limit: 9, statuses: ["failed"] })).toMatchObject([
        { run: "a" },
      ]);
      expect(await store.ended({ endedBefore: START_MS, limit: 9 })).toEqual([]);
    });

    it("forgets runs that ended, with all that belongs to them, and no others", async (scene) => {
      const blob = blobOf("large");
      await endAll(scene, { blobs: [blob], metadata: { a: 1 } }, { id: OTHER_RUN });
      await scene.start({ id: AWAY });
      expect(await shardOf(scene).forget([RUN, AWAY, ELSEWHERE])).toBe(1);
      expect((await scene.store.list({ order: "oldest" })).items.map(({ id }) => id)).toEqual([OTHER_RUN, AWAY]);
      expect(await scene.store.list({ metadata: { a: 1 } })).toEqual({ items: [] });
      expect(await scene.store.history(RUN)).toEqual([]);
      expect(await scene.store.blob(blob.hash)).toBe(undefined);
      expect(await shardOf(scene).forget([])).toBe(0);
    });

    it("keeps the first value under a mark", async (scene) => {
      const store = shardOf(scene);
      expect(await store.mark("shard", "0 of 2")).toBe("0 of 2");
      expect(await store.mark("shard", "1 of 2")).toBe("0 of 2");
      expect(await store.mark("other", "x")).toBe("x");
    });

    it("lets one of many win that set a mark at once", async (scene) => {
      const store = shardOf(scene);
      const kept = await Promise.all(Array.from({ length: 8 }, async (_, i) => store.mark("shard", `${i}`)));
      expect(new Set(kept).size).toBe(1);
    });
  },
};
