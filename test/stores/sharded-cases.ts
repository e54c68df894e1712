import { FlujoError } from "../../src/domain/errors.ts";
import { type RunId, runId } from "../../src/domain/ids.ts";
import type { ShardStore } from "../../src/ports/shard.ts";
import type { Lease, NewRun, Store } from "../../src/ports/store.ts";
import { memoryStore } from "../../src/stores/memory/store.ts";
import { shardOf } from "../../src/stores/sharded/place.ts";
import { shardedStore } from "../../src/sharded.ts";
import { ManualClock } from "../../src/testing/conformance/clock.ts";
import { newRun, START_MS, WORKER } from "../../src/testing/conformance/records.ts";
import type { Held } from "../../src/testing/conformance/transitions.ts";

/** The n-th id that lives on this shard. */
export function idOn(shard: number, shards: number, n = 0): RunId {
  for (let i = 0, found = 0; ; i++) {
    const id = runId(`run-${i}`);
    if (shardOf(id, shards) === shard && found++ === n) return id;
  }
}

/** What happens to one call of a shard: `before` = it never arrives, `after` = its answer is lost. */
export type Trouble = "before" | "after" | undefined;

export interface Link {
  readonly shard: ShardStore;
  /** Asked at each call. */
  trouble: (operation: string) => Trouble;
  readonly calls: string[];
}

/** A shard behind a line that can break. Closing the line leaves the shard open. */
export function link(shard: ShardStore): Link {
  const made: Link = { shard: shard, trouble: () => undefined, calls: [] };
  const away = (): FlujoError => new FlujoError("STORE_UNAVAILABLE", "the line is broken");
  const proxy = new Proxy(shard, {
    get: (target, name) => {
      const value: unknown = Reflect.get(target, name);
      if (name === "close") return async () => undefined;
      if (typeof value !== "function" || typeof name !== "string" || name === "subscribe") {
        return typeof value === "function" ? value.bind(target) : value;
      }
      return async (...given: readonly unknown[]): Promise<unknown> => {
        made.calls.push(name);
        const trouble = made.trouble(name);
        if (trouble === "before") throw away();
        const answer: unknown = await Reflect.apply(value, target, given);
        if (trouble === "after") throw away();
        return answer;
      };
    },
  });
  return {
    ...made,
    shard: proxy,
    get trouble() {
      return made.trouble;
    },
    set trouble(next) {
      made.trouble = next;
    },
  };
}

/** Shards in memory, and routers to them that share nothing but the shards. */
export class Cluster implements AsyncDisposable {
  readonly clock: ManualClock = new ManualClock(START_MS);
  readonly shards: readonly ShardStore[];
  readonly #routers: Store[] = [];

  constructor(count: number) {
    this.shards = Array.from({ length: count }, () => memoryStore({ clock: this.clock }));
  }

  async router(): Promise<{ readonly store: Store; readonly links: readonly Link[] }> {
    const links = this.shards.map(link);
    const store = await shardedStore({ shards: links.map(({ shard }) => shard) });
    this.#routers.push(store);
    return { store, links };
  }

  id(shard: number, n = 0): RunId {
    return idOn(shard, this.shards.length, n);
  }

  async outboxes(): Promise<number> {
    const all = await Promise.all(this.shards.map(async (shard) => shard.outbox(1_000)));
    return all.flat().length;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const router of this.#routers) await router.close();
    for (const shard of this.shards) await shard.close();
  }
}

export async function register(store: Store, worker: typeof WORKER = WORKER, leaseMs = 3_000): Promise<Lease> {
  return { worker, epoch: (await store.register(worker, leaseMs)).epoch };
}

/** Creates a run in the hands of the worker. */
export async function hold(store: Store, lease: Lease, id: RunId, given: Partial<NewRun> = {}): Promise<Held> {
  const { root, ...run } = newRun({ id, lease, root: { leased: true } });
  const [outcome] = await store.createRuns([{ ...run, root, ...given }]);
  if (outcome?.status !== "created" || !outcome.leased) throw new Error(`expected to hold ${id}`);
  return { run: id, fiber: root.key, lease, seq: 0 };
}

export async function start(store: Store, ...ids: readonly RunId[]): Promise<void> {
  await store.createRuns(ids.map((id) => newRun({ id })));
}

/** What runs look like from outside, without the numbers and names that stores give. */
export async function picture(store: Store, ids: readonly RunId[]): Promise<unknown> {
  return Promise.all(
    ids.map(async (id) => ({
      run: await store.load(id),
      fibers: (await store.fibers(id)).map(({ key, seq, state, position, cancel }) => ({
        key,
        seq,
        state,
        position,
        cancel,
      })),
      messages: (await store.messages(id)).map(({ name, data }) => ({ name, data })),
      history: (await store.history(id)).map(({ facts }) => facts),
    })),
  );
}
