import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type RunId, runId } from "../../src/domain/ids.ts";
import type { OutboxEntry, ShardStore } from "../../src/ports/shard.ts";
import type { Store } from "../../src/ports/store.ts";
import { applyAll } from "../../src/stores/sharded/apply.ts";
import { targetOf } from "../../src/stores/sharded/split.ts";
import { memoryStore } from "../../src/stores/memory/store.ts";
import { ManualClock } from "../../src/testing/conformance/clock.ts";
import {
  anonymousMessage,
  blobOf,
  newRun,
  OTHER_WORKER,
  START_MS,
  WORKER,
} from "../../src/testing/conformance/records.ts";
import { endRun, type Held, next, transition } from "../../src/testing/conformance/transitions.ts";
import { Cluster, hold, picture, register, start } from "./sharded-cases.ts";

const RUNS: readonly RunId[] = ["known", "fresh", "ended", "other"].map(runId);

async function target(): Promise<ShardStore> {
  const store = memoryStore({ clock: new ManualClock(START_MS) });
  await start(store, runId("known"), runId("other"));
  await store.commit([endRun(await hold(store, await register(store), runId("ended")))]);
  return store;
}

/** An outbox: any effects on any runs, in the order in which they were committed; a start is the first effect on its run. */
const outbox: fc.Arbitrary<readonly OutboxEntry[]> = fc
  .array(fc.record({ run: fc.constantFrom(...RUNS), kind: fc.constantFrom("send", "send", "cancel", "start") }), {
    maxLength: 12,
  })
  .map((wanted) => {
    const begun = new Set<RunId>();
    return wanted.flatMap(({ run, kind }, i): readonly OutboxEntry[] => {
      const id = `e-${i}`;
      const first = !begun.has(run);
      begun.add(run);
      if (kind === "start") return first ? [{ id, to: 1, effect: { kind, run: newRun({ id: run }) } }] : [];
      if (kind === "cancel") return [{ id, to: 1, effect: { kind, run, reason: `reason ${i}` } }];
      return [{ id, to: 1, effect: { kind: "send", message: anonymousMessage({ run, once: id, data: i }) } }];
    });
  });

/** What relayers do that know nothing of one another: each takes all that is open for some runs, and may not tell that it did. */
const relays = fc.array(fc.record({ runs: fc.subarray([...RUNS]), upTo: fc.nat(12), tells: fc.boolean() }), {
  maxLength: 10,
});

describe("relaying", () => {
  it("comes to the same whoever relays what how often", async () => {
    await fc.assert(
      fc.asyncProperty(outbox, relays, async (entries, passes) => {
        await using once = await target();
        await using often = await target();
        await applyAll(once, entries);
        const open = new Map(entries.map((entry) => [entry.id, entry]));
        for (const { runs, upTo, tells } of passes) {
          const chosen = [...open.values()].slice(0, upTo).filter(({ effect }) => runs.includes(targetOf(effect)));
          const { done, failure } = await applyAll(often, chosen);
          expect(failure).toBe(undefined);
          if (tells) for (const id of done) open.delete(id);
        }
        await applyAll(often, [...open.values()]);
        expect(await picture(often, RUNS)).toEqual(await picture(once, RUNS));
      }),
      { numRuns: 300 },
    );
  });

  it("tells how far it came when an effect cannot be applied, and goes on with other runs", async () => {
    const store = await target();
    const broken = newRun({ id: runId("fresh"), root: { readyAt: Number.NaN } });
    const entries: readonly OutboxEntry[] = [
      { id: "1", to: 1, effect: { kind: "start", run: broken } },
      { id: "2", to: 1, effect: { kind: "send", message: anonymousMessage({ run: runId("fresh"), once: "2" }) } },
      { id: "3", to: 1, effect: { kind: "send", message: anonymousMessage({ run: runId("known"), once: "3" }) } },
    ];
    expect(await applyAll(store, entries)).toMatchObject({ done: ["3"], failure: { code: "VALUE_NOT_SERIALIZABLE" } });
    await store.close();
  });

  it("says in the sweep what no other shard will take, and brings the rest", async () => {
    await using cluster = new Cluster(2);
    const { store } = await cluster.router();
    const held = await hold(store, await register(store), cluster.id(0));
    await start(store, cluster.id(1));
    const broken = newRun({ id: cluster.id(1, 1), root: { readyAt: Number.NaN } });
    const outbox: readonly OutboxEntry[] = [
      { id: "1", to: 1, effect: { kind: "start", run: broken } },
      { id: "2", to: 1, effect: { kind: "send", message: anonymousMessage({ run: cluster.id(1), once: "2" }) } },
    ];
    await cluster.shards[0]?.commit([{ ...transition(held), outbox }]);
    await expect(store.sweep()).rejects.toMatchObject({ code: "VALUE_NOT_SERIALIZABLE" });
    expect(await store.messages(cluster.id(1))).toHaveLength(1);
    expect((await cluster.shards[0]?.outbox(10))?.map(({ id }) => id)).toEqual(["1"]);
  });
});

describe("two routers at work on the same shards", () => {
  it("bring every message once, and those of one run in their order", async () => {
    await using cluster = new Cluster(3);
    const routers = [await cluster.router(), await cluster.router()].map(({ store }) => store);
    const [one, two] = routers;
    if (one === undefined || two === undefined) return;
    const leases = [await register(one, WORKER), await register(two, OTHER_WORKER)];
    const speakers = await Promise.all(
      Array.from({ length: 12 }, async (_item, i) => {
        const [router, lease] = [routers[i % 2], leases[i % 2]];
        if (router === undefined || lease === undefined) throw new Error("expected two routers");
        return { router, held: await hold(router, lease, cluster.id(i % 3, Math.floor(i / 3))), i };
      }),
    );
    const listeners = [0, 1, 2].map((shard) => cluster.id(shard, 9));
    await start(one, ...listeners);
    await Promise.all(
      speakers.map(async ({ router, held, i }) => {
        let now: Held = held;
        for (let n = 0; n < 10; n++) {
          const send = listeners.map((run) => anonymousMessage({ run, data: [i, n] }));
          const [outcome] = await router.commit([transition(now, { send })]);
          expect(outcome?.status).toBe("committed");
          if (n === 5) await router.sweep();
          now = next(now);
        }
      }),
    );
    expect(await cluster.outboxes()).toBe(0);
    for (const run of listeners) {
      const words = (await two.messages(run)).map(({ data }) => data as readonly [number, number]);
      for (const { i } of speakers) {
        const own = words.filter(([speaker]) => speaker === i).map(([, n]) => n);
        expect(own).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
      }
      expect(words).toHaveLength(120);
    }
  });
});

describe("large values of a sharded store", () => {
  const large = blobOf("large");
  const reference = { $blob: large.hash };
  const after = { endedBefore: START_MS + 1 };

  /** A run with a large value, on the first of two shards. */
  async function owner(cluster: Cluster): Promise<{ readonly store: Store; readonly held: Held }> {
    const { store } = await cluster.router();
    const held = await hold(store, await register(store), cluster.id(0), { blobs: [large] });
    return { store, held };
  }

  it("go with a message to another shard, and stay when their first run is pruned", async () => {
    await using cluster = new Cluster(2);
    const { store, held } = await owner(cluster);
    await start(store, cluster.id(1));
    await store.commit([endRun(held, {}, { send: [anonymousMessage({ run: cluster.id(1), data: [reference] })] })]);
    expect(await store.prune(after)).toBe(1);
    expect(await store.blob(large.hash)).toBe("large");
    expect(await cluster.shards[1]?.blob(large.hash)).toBe("large");
  });

  it("go with a run that is started on another shard", async () => {
    await using cluster = new Cluster(2);
    const { store, held } = await owner(cluster);
    const child = newRun({ id: cluster.id(1), input: { deep: [reference] } });
    await store.commit([endRun(held, {}, { startRuns: [child] })]);
    expect(await store.prune(after)).toBe(1);
    expect(await store.blob(large.hash)).toBe("large");
  });

  it("go with a run that continues one of another shard, and with a signal", async () => {
    await using cluster = new Cluster(2);
    const { store, held } = await owner(cluster);
    const { event } = newRun();
    const continued = { events: [{ ...event, facts: [reference], fiber: held.fiber }], fibers: [], messages: [] };
    await store.createRuns([newRun({ id: cluster.id(1), continued })]);
    expect(await cluster.shards[1]?.blob(large.hash)).toBe("large");
    await using second = new Cluster(2);
    const other = await owner(second);
    await start(other.store, second.id(1));
    await other.store.signal(anonymousMessage({ run: second.id(1), data: reference }));
    expect(await second.shards[1]?.blob(large.hash)).toBe("large");
  });

  it("stay as long as an effect that refers to them has not arrived", async () => {
    await using cluster = new Cluster(2);
    const { store, links } = await cluster.router();
    const held = await hold(store, await register(store), cluster.id(0), { blobs: [large] });
    await start(store, cluster.id(1));
    for (const link of links) link.trouble = (operation) => (operation === "signal" ? "before" : undefined);
    await store.commit([endRun(held, {}, { send: [anonymousMessage({ run: cluster.id(1), data: reference })] })]);
    expect(await store.prune(after)).toBe(0);
    for (const link of links) link.trouble = () => undefined;
    expect(await store.prune(after)).toBe(1);
    expect(await cluster.shards[1]?.blob(large.hash)).toBe("large");
  });

  it("are found wherever they are, and missing only when no shard has them", async () => {
    await using cluster = new Cluster(2);
    const { store, links } = await cluster.router();
    await store.createRuns([newRun({ id: cluster.id(0), blobs: [large] })]);
    expect(await store.blob(large.hash)).toBe("large");
    expect(await store.blob(blobOf("none").hash)).toBe(undefined);
    if (links[1] !== undefined) links[1].trouble = () => "before";
    expect(await store.blob(large.hash)).toBe("large");
    await expect(store.blob(blobOf("none").hash)).rejects.toMatchObject({ code: "STORE_UNAVAILABLE" });
  });
});

describe("pruning a sharded store", () => {
  it("passes over children that are awaited, however many, and takes no more than the limit", async () => {
    await using cluster = new Cluster(2);
    const { store } = await cluster.router();
    const lease = await register(store);
    const parent = await hold(store, lease, cluster.id(1));
    const ended = async (n: number, reply: string): Promise<void> => {
      const child = await hold(store, lease, cluster.id(0, n), {
        parent: { run: parent.run, fiber: parent.fiber, reply },
      });
      await store.commit([endRun(child, { at: START_MS + n })]);
    };
    for (let n = 0; n < 130; n++) await ended(n, "reply");
    for (let n = 130; n < 290; n++) await ended(n, "");
    const options = { endedBefore: START_MS + 1_000 };
    expect(await store.prune({ ...options, limit: 7 })).toBe(7);
    expect(await store.prune({ ...options, statuses: ["failed"] })).toBe(0);
    expect(await store.prune(options)).toBe(153);
    expect(await store.prune(options)).toBe(0);
    await store.commit([endRun(parent)]);
    expect(await store.prune(options)).toBe(131);
  });
});
