import { describe, expect, it } from "vitest";
import type { RunId } from "../../src/domain/ids.ts";
import type { NewMessage, Store, Transition } from "../../src/ports/store.ts";
import {
  anonymousMessage,
  blobOf,
  newRun,
  OTHER_WORKER,
  START_MS,
  WORKER,
} from "../../src/testing/conformance/records.ts";
import { endRun, type Held, newEvent, next, transition } from "../../src/testing/conformance/transitions.ts";
import { Cluster, hold, type Link, picture, register, start, type Trouble } from "./sharded-cases.ts";

const say = (run: RunId, data: NewMessage["data"]): NewMessage => anonymousMessage({ run, name: "word", data });

const heard = async (store: Store, run: RunId): Promise<readonly unknown[]> =>
  (await store.messages(run)).map(({ data }) => data);

/** One transition with every effect on every other shard, one of each kind, and some at home. */
function effects(cluster: Cluster, held: Held): Transition {
  const [home, second, third] = [cluster.id(0, 1), cluster.id(1), cluster.id(2)];
  const large = blobOf("large");
  return transition(held, {
    event: newEvent("spoken"),
    blobs: [large],
    send: [say(second, 1), say(home, 2), say(third, 3), say(second, { $blob: large.hash })],
    startRuns: [newRun({ id: cluster.id(1, 1) }), newRun({ id: cluster.id(2, 1), input: { $blob: large.hash } })],
    cancelRuns: [
      { run: cluster.id(2, 2), reason: "why" },
      { run: cluster.id(1, 1), reason: "at once" },
    ],
  });
}

const concerned = (cluster: Cluster): readonly RunId[] =>
  [0, 1, 2].flatMap((shard) => [0, 1, 2].map((n) => cluster.id(shard, n)));

async function stage(): Promise<{
  readonly cluster: Cluster;
  readonly store: Store;
  readonly links: readonly Link[];
  readonly held: Held;
}> {
  const cluster = new Cluster(3);
  const { store, links } = await cluster.router();
  const held = await hold(store, await register(store), cluster.id(0));
  await start(store, cluster.id(0, 1), cluster.id(1), cluster.id(2), cluster.id(2, 2));
  for (const { calls } of links) calls.length = 0;
  return { cluster, store, links, held };
}

/** Lets the process die at its n-th call from now on: that call, and every later one, goes as told. Answers how many there were. */
function dieAt(links: readonly Link[], fatal: number, how: Trouble): () => number {
  let count = 0;
  for (const link of links) {
    link.trouble = () => {
      count += 1;
      if (count < fatal) return undefined;
      return count === fatal ? how : "before";
    };
  }
  return () => count;
}

/** The state after a process died at its n-th call and another one swept; undefined when it made fewer calls. */
async function afterDeath(
  fatal: number,
  how: Trouble,
): Promise<{ readonly seen: unknown; readonly answer: string } | undefined> {
  const { cluster, store, links, held } = await stage();
  await using _ = cluster;
  const calls = dieAt(links, fatal, how);
  const answer = await store.commit([effects(cluster, held)]).then(
    ([outcome]) => outcome?.status ?? "nothing",
    () => "failed",
  );
  if (calls() < fatal) return undefined;
  const { store: survivor } = await cluster.router();
  await survivor.sweep();
  expect(await cluster.outboxes()).toBe(0);
  const seen = await picture(survivor, concerned(cluster));
  expect(await survivor.blob(blobOf("large").hash)).toBe(
    (await survivor.history(cluster.id(0))).length > 1 ? "large" : undefined,
  );
  await survivor.sweep();
  expect(await picture(survivor, concerned(cluster))).toEqual(seen);
  return { seen, answer };
}

describe("effects between shards", () => {
  it("have arrived when the commit is answered, and nothing is left to do", async () => {
    const { cluster, store, held } = await stage();
    await using _ = cluster;
    expect(await store.commit([effects(cluster, held)])).toMatchObject([{ status: "committed" }]);
    expect(await cluster.outboxes()).toBe(0);
    expect(await heard(store, cluster.id(1))).toEqual([1, { $blob: blobOf("large").hash }]);
    expect(await heard(store, cluster.id(2))).toEqual([3]);
    expect(await store.load(cluster.id(1, 1))).toMatchObject({ status: "pending", cancelReason: "at once" });
    expect(await store.load(cluster.id(2, 2))).toMatchObject({ cancelReason: "why" });
  });

  it.each(["before", "after"] as const)(
    "happen all or not at all, wherever the process dies: %s the call",
    async (how) => {
      const { cluster, store, held } = await stage();
      const nothing = await picture(store, concerned(cluster));
      await store.commit([effects(cluster, held)]);
      const all = await picture(store, concerned(cluster));
      await cluster[Symbol.asyncDispose]();
      const ends = { nothing: 0, all: 0 };
      for (let fatal = 1; ; fatal++) {
        const result = await afterDeath(fatal, how);
        if (result === undefined) break;
        const happened = result.answer === "committed" || JSON.stringify(result.seen) !== JSON.stringify(nothing);
        expect(result.seen).toEqual(happened ? all : nothing);
        ends[happened ? "all" : "nothing"] += 1;
      }
      expect(ends.nothing).toBe(how === "before" ? 1 : 0); // only the commit itself can fail to arrive
      expect(ends.all).toBeGreaterThan(6);
    },
  );

  it("are not kept with a transition that is lost", async () => {
    const { cluster, store, held } = await stage();
    await using _ = cluster;
    const before = await picture(store, concerned(cluster));
    expect(await store.commit([effects(cluster, next(held))])).toEqual([{ status: "lost" }]);
    expect(await cluster.outboxes()).toBe(0);
    expect(await picture(store, concerned(cluster))).toEqual(before);
  });

  it("refuse the whole transition when another shard could not store them", async () => {
    const { cluster, store, held } = await stage();
    await using _ = cluster;
    const before = await picture(store, concerned(cluster));
    const both = { ...say(cluster.id(1), 1), id: "a", once: "a" };
    const nowhere = newRun({ id: cluster.id(1, 1), root: { priority: Number.NaN } });
    const outcomes = await store.commit([
      transition(held, { send: [both] }),
      transition(held, { startRuns: [nowhere] }),
    ]);
    expect(outcomes).toMatchObject([
      { status: "rejected", error: { code: "OPTION_INVALID" } },
      { status: "rejected", error: { code: "VALUE_NOT_SERIALIZABLE" } },
    ]);
    expect(await picture(store, concerned(cluster))).toEqual(before);
  });

  it("wait for a shard that is away, hold up nobody, and arrive in order", async () => {
    const { cluster, store, links, held } = await stage();
    await using _ = cluster;
    const [second, third] = [cluster.id(1), cluster.id(2)];
    const away = links[1];
    if (away === undefined) throw new Error("expected a second shard");
    away.trouble = () => "before";
    const words = (n: number): Transition["send"] => [say(second, n), say(third, n)];
    expect(await store.commit([transition(held, { send: words(1) })])).toMatchObject([{ status: "committed" }]);
    away.trouble = () => undefined;
    expect(await store.commit([transition(next(held), { send: words(2) })])).toMatchObject([{ status: "committed" }]);
    expect(await heard(store, third)).toEqual([1, 2]);
    expect(await heard(store, second)).toEqual([]); // the second word may not overtake the first
    await store.sweep();
    expect(await heard(store, second)).toEqual([1, 2]);
    expect(await cluster.outboxes()).toBe(0);
    await store.commit([transition(next(next(held)), { send: words(3) })]);
    expect(await heard(store, second)).toEqual([1, 2, 3]);
  });

  it("ask for a sweep with the heartbeat as long as some wait", async () => {
    const { cluster, store, links, held } = await stage();
    await using _ = cluster;
    const { worker, epoch } = held.lease;
    const expiry = async (): Promise<unknown> => {
      const beat = await store.heartbeat(worker, epoch, 3_000);
      return beat.status === "alive" ? beat.nextExpiryMs : undefined;
    };
    await store.sweep();
    expect(await expiry()).toBe(Number.POSITIVE_INFINITY);
    for (const link of links) link.trouble = (operation) => (operation === "outbox" ? "before" : undefined);
    await store.commit([transition(held, { send: [say(cluster.id(1), 1)] })]);
    expect(await expiry()).toBe(0);
    for (const link of links) link.trouble = () => undefined;
    await store.sweep();
    expect(await expiry()).toBe(Number.POSITIVE_INFINITY);
    expect(await heard(store, cluster.id(1))).toEqual([1]);
  });

  it("are looked for when nobody knows whether they were kept", async () => {
    const { cluster, store, links, held } = await stage();
    await using _ = cluster;
    await store.sweep();
    for (const link of links) link.trouble = (operation) => (operation === "commit" ? "after" : undefined);
    const unanswered = store.commit([transition(held, { send: [say(cluster.id(1), 1)] })]);
    await expect(unanswered).rejects.toMatchObject({ code: "STORE_UNAVAILABLE" });
    expect(await heard(store, cluster.id(1))).toEqual([]);
    expect(await store.heartbeat(held.lease.worker, held.lease.epoch, 3_000)).toMatchObject({ nextExpiryMs: 0 });
    await store.sweep();
    expect(await heard(store, cluster.id(1))).toEqual([1]);
  });

  it("are looked for now and then, also when nothing points to them", async () => {
    const { cluster, store, held } = await stage();
    await using _ = cluster;
    await store.sweep();
    const entry = {
      id: "left",
      to: 1,
      effect: { kind: "send", message: { ...say(cluster.id(1), 1), once: "left" } },
    } as const;
    await cluster.shards[0]?.commit([{ ...transition(held), outbox: [entry] }]); // by somebody who died
    for (let beat = 0; (await heard(store, cluster.id(1))).length === 0; beat++) {
      expect(beat).toBeLessThan(12);
      const outcome = await store.heartbeat(held.lease.worker, held.lease.epoch, 3_000);
      if (outcome.status === "alive" && outcome.nextExpiryMs === 0) await store.sweep();
    }
  });

  it("keep the order when another process goes on after a death", async () => {
    const { cluster, store, links, held } = await stage();
    await using _ = cluster;
    const second = cluster.id(1);
    dieAt(links, 2, "before"); // committed, not relayed
    await store.commit([transition(held, { send: [say(second, 1)], position: { kind: "ready", at: START_MS } })]);
    const { store: survivor } = await cluster.router();
    const lease = await register(survivor, OTHER_WORKER);
    const claimed = await cluster.shards[0]?.claim({
      ...lease,
      fingerprints: [newRun().fingerprint],
      queues: ["default"],
      limit: 10,
    });
    const mine = claimed?.find(({ run }) => run === held.run);
    expect(mine?.seq).toBe(1);
    await survivor.commit([transition({ ...next(held), lease }, { send: [say(second, 2)] })]);
    expect(await heard(survivor, second)).toEqual([1, 2]);
  });

  it("pass a full page of those that wait", async () => {
    const { cluster, store, links, held } = await stage();
    await using _ = cluster;
    const [second, other] = [cluster.id(1), cluster.id(1, 2)];
    await start(store, other);
    dieAt(links, 2, "before");
    const many = Array.from({ length: 450 }, (_item, i) => say(second, i));
    await store.commit([transition(held, { send: many })]);
    const { store: survivor } = await cluster.router();
    const { worker, epoch } = await register(survivor, OTHER_WORKER);
    const mine = await hold(survivor, { worker, epoch }, cluster.id(0, 2));
    await survivor.commit([transition(mine, { send: [say(other, "new")] })]);
    expect(await heard(survivor, other)).toEqual(["new"]);
    expect(await heard(survivor, second)).toEqual(many.slice(0, 400).map(({ data }) => data)); // two pages
    await survivor.sweep();
    expect(await heard(survivor, second)).toEqual(many.map(({ data }) => data));
    expect(await cluster.outboxes()).toBe(0);
  });

  it("are dropped for runs that have ended or are unknown, as in one store", async () => {
    const { cluster, store, held } = await stage();
    await using _ = cluster;
    const ended = await hold(store, held.lease, cluster.id(1, 2));
    await store.commit([endRun(ended)]);
    const gone = [say(cluster.id(1, 2), 1), say(cluster.id(2, 5), 2)];
    expect(
      await store.commit([transition(held, { send: gone, cancelRuns: [{ run: cluster.id(1, 2), reason: "late" }] })]),
    ).toMatchObject([{ status: "committed" }]);
    expect(await cluster.outboxes()).toBe(0);
    expect(await store.messages(cluster.id(1, 2))).toEqual([]);
    expect(await store.load(cluster.id(2, 5))).toBe(undefined);
  });

  it("reach the run of a worker that lost its lease only once", async () => {
    const { cluster, store, held } = await stage();
    await using _ = cluster;
    const { store: other } = await cluster.router();
    const send = [say(cluster.id(1), 1)];
    const outcomes = await Promise.all([
      store.commit([transition(held, { send })]),
      other.commit([transition(held, { send })]),
    ]);
    expect(
      outcomes
        .flat()
        .map(({ status }) => status)
        .toSorted(),
    ).toEqual(["committed", "lost"]);
    expect(await heard(store, cluster.id(1))).toEqual([1]);
    expect(held.lease.worker).toBe(WORKER);
  });
});
