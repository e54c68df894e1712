import { describe, expect, it } from "vitest";
import type { ClaimRequest } from "../../src/ports/queue.ts";
import type { Lease, Store } from "../../src/ports/store.ts";
import {
  anonymousMessage,
  FINGERPRINT,
  newRun,
  OTHER_WORKER,
  QUEUE,
  START_MS,
  WORKER,
} from "../../src/testing/conformance/records.ts";
import { rejection } from "../../src/testing/conformance/scene.ts";
import { endRun, transition } from "../../src/testing/conformance/transitions.ts";
import { eventually } from "../engine/reading.ts";
import { Cluster, hold, type Link, register, start } from "./sharded-cases.ts";

const wanted = { fingerprints: [FINGERPRINT], queues: [QUEUE] };
const claim = async (store: Store, lease: Lease, given: Partial<ClaimRequest> = {}): Promise<readonly string[]> =>
  (await store.claim({ ...lease, ...wanted, limit: 100, ...given })).map(({ run }) => run).toSorted();

function cut(link: Link | undefined): { readonly mend: () => void } {
  if (link === undefined) throw new Error("expected a line to cut");
  link.trouble = () => "before";
  return {
    mend: () => {
      link.trouble = () => undefined;
    },
  };
}

const beat = async (store: Store, { worker, epoch }: Lease): Promise<string> =>
  (await store.heartbeat(worker, epoch, 3_000)).status;

describe("a sharded store of which one shard is away", () => {
  it("serves the runs of the others, and refuses its own", async () => {
    await using cluster = new Cluster(2);
    const { store, links } = await cluster.router();
    const [here, there] = [cluster.id(0), cluster.id(1)];
    const lease = await register(store);
    const held = await hold(store, lease, here);
    await start(store, there);
    cut(links[1]);
    expect(await store.commit([transition(held)])).toMatchObject([{ status: "committed" }]);
    expect(await store.signal(anonymousMessage({ run: here }))).toBe("delivered");
    expect(await store.load(here)).toMatchObject({ id: here });
    const refused = [
      store.load(there),
      store.cancel(there, "why"),
      store.signal(anonymousMessage({ run: there })),
      store.createRuns([newRun({ id: cluster.id(1, 1) })]),
      store.list({}), // half a list would look like a whole one
    ];
    for (const one of refused) expect((await rejection(one)).code).toBe("STORE_UNAVAILABLE");
  });

  it("keeps what the others committed when a batch fails", async () => {
    await using cluster = new Cluster(2);
    const { store, links } = await cluster.router();
    const lease = await register(store);
    const [here, there] = [await hold(store, lease, cluster.id(0)), await hold(store, lease, cluster.id(1))];
    const line = cut(links[1]);
    expect((await rejection(store.commit([transition(here), transition(there)]))).code).toBe("STORE_UNAVAILABLE");
    line.mend();
    expect((await store.fibers(here.run))[0]?.seq).toBe(1);
    expect(await store.commit([transition(there)])).toMatchObject([{ status: "committed" }]);
    expect([store.partitionOf?.(here.run), store.partitionOf?.(there.run)]).toEqual([0, 1]);
  });

  it("hands out and times the work of the others", async () => {
    await using cluster = new Cluster(3);
    const { store, links } = await cluster.router();
    const lease = await register(store);
    await start(store, cluster.id(0), cluster.id(1), cluster.id(2));
    const line = cut(links[1]);
    expect(await store.nextDue(wanted)).toBe(START_MS);
    expect(await claim(store, lease)).toEqual([cluster.id(0), cluster.id(2)].toSorted());
    expect(await store.sweep()).toEqual({ workers: [], fibers: 0 });
    line.mend();
    await store.load(cluster.id(1)); // it answers: so it is there
    expect(await claim(store, lease)).toEqual([cluster.id(1)]);
  });

  it("says that it cannot be reached when no shard can", async () => {
    await using cluster = new Cluster(2);
    const { store, links } = await cluster.router();
    const lease = await register(store);
    for (const link of links) cut(link);
    for (let i = 0; i < 2; i++) {
      expect((await rejection(claim(store, lease))).code).toBe("STORE_UNAVAILABLE");
      expect((await rejection(store.nextDue(wanted))).code).toBe("STORE_UNAVAILABLE");
      expect((await rejection(store.sweep())).code).toBe("STORE_UNAVAILABLE");
    }
  });

  it("fails heartbeats of workers that it knows, while the leases of the others are renewed", async () => {
    await using cluster = new Cluster(2);
    const { store, links } = await cluster.router();
    const lease = await register(store);
    cut(links[1]);
    cluster.clock.advance(1_000);
    expect((await rejection(beat(store, lease))).code).toBe("STORE_UNAVAILABLE");
    const leases = await Promise.all(cluster.shards.map(async (shard) => (await shard.workers())[0]?.leaseUntil));
    expect(leases).toEqual([START_MS + 4_000, START_MS + 3_000]);
  });

  it("lets a worker register and go on without it, and admits the worker when it is back", async () => {
    await using cluster = new Cluster(2);
    const { store, links } = await cluster.router();
    const before = await register(store);
    await hold(store, before, cluster.id(1));
    await start(store, cluster.id(0));
    const line = cut(links[1]);
    await rejection(beat(store, before));
    const lease = await register(store);
    expect(await beat(store, lease)).toBe("alive");
    expect(await claim(store, lease)).toEqual([cluster.id(0)]);
    line.mend();
    // What the worker held there under its old epoch comes back as soon as the shard hears of the new one.
    const back = await eventually("the shard to admit the worker", async () => {
      await beat(store, lease);
      const claimed = await claim(store, lease);
      return claimed.length > 0 && claimed;
    });
    expect(back).toEqual([cluster.id(1)]);
    expect(await store.workers()).toMatchObject([{ worker: WORKER, epoch: lease.epoch, held: 2 }]);
  });

  it("asks a shard that is away once at a time, and waits for nobody", async () => {
    await using cluster = new Cluster(2);
    const { store, links } = await cluster.router();
    const line = cut(links[1]);
    await rejection(store.load(cluster.id(1)));
    const lease = await register(store);
    line.mend();
    let answer = (): void => {};
    const silent = new Promise<void>((resolve) => {
      answer = resolve;
    });
    const shard = cluster.shards[1];
    if (shard === undefined) return;
    const admit = shard.admit.bind(shard);
    let asked = 0;
    shard.admit = async (...given) => {
      asked += 1;
      await silent;
      return admit(...given);
    };
    for (let i = 0; i < 3; i++) expect(await beat(store, lease)).toBe("alive");
    expect(asked).toBe(1);
    answer();
    await eventually("the worker to be admitted", async () => (await shard.workers()).length === 1);
  });

  it("loses the lease of a worker that any shard has swept", async () => {
    await using cluster = new Cluster(2);
    const { store } = await cluster.router();
    const lease = await register(store);
    await cluster.shards[1]?.register(OTHER_WORKER, 100_000);
    await cluster.shards[1]?.admit(WORKER, lease.epoch + 1, 3_000); // as if the worker had gone on elsewhere
    expect(await beat(store, lease)).toBe("lost");
  });

  it("has no worker register while its first shard is away", async () => {
    await using cluster = new Cluster(2);
    const { store, links } = await cluster.router();
    cut(links[0]);
    expect((await rejection(register(store))).code).toBe("STORE_UNAVAILABLE");
  });

  it("keeps a child run whose parent cannot be asked, and prunes it later", async () => {
    await using cluster = new Cluster(2);
    const { store, links } = await cluster.router();
    const lease = await register(store);
    const parent = await hold(store, lease, cluster.id(1));
    const child = await hold(store, lease, cluster.id(0), {
      parent: { run: parent.run, fiber: parent.fiber, reply: "reply" },
    });
    await store.commit([endRun(child)]);
    const line = cut(links[1]);
    const options = { endedBefore: START_MS + 1 };
    expect((await rejection(store.prune(options))).code).toBe("STORE_UNAVAILABLE");
    line.mend();
    expect(await store.prune(options)).toBe(0);
    await store.commit([endRun(parent)]);
    expect(await store.prune(options)).toBe(2);
    expect(await store.list({})).toEqual({ items: [] });
  });
});
