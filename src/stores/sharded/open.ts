import { randomUUID } from "node:crypto";
import { FlujoError } from "../../domain/errors.ts";
import type { Capabilities } from "../../ports/capabilities.ts";
import type { ShardStore } from "../../ports/shard.ts";
import type { Store } from "../../ports/store.ts";
import { ShardedStore } from "./store.ts";

export interface ShardedStoreOptions {
  /**
   * The shards, open or being opened, in an order that stays the same for ever, as does their number. They belong to the sharded
   * store from then on, which closes them.
   */
  readonly shards: readonly (ShardStore | Promise<ShardStore>)[];
  /** What `capabilities.name` says. Default `sharded`. */
  readonly name?: string;
  /** Whether missing tables are made, and the shards marked, at once. False: `migrate` does it. Default true. */
  readonly migrate?: boolean;
}

/**
 * Several stores as one: runs are spread over them by their ids, so that they share the load. Each run lives whole on one shard
 * and keeps every promise of a single store; what crosses runs (messages, child runs, cancel requests) arrives once, in order,
 * and survives every crash, but other observers may see the moment between its sending and its arrival.
 *
 * When a shard is away, operations on its runs fail with STORE_UNAVAILABLE and the others go on. Workers give up what they hold
 * when a shard they know stops answering their heartbeats, and go on without it at once. The first shard gives workers their
 * epochs and keeps the schedules: while it is away no worker can register.
 *
 * What a single store has and this has not: rules of queues (`capabilities.queueRules`), and an order of claims over all runs.
 *
 * Throws OPTION_INVALID, SHARDS_CHANGED (another number or order than the first time), and what the shards throw.
 *
 *   await using store = await shardedStore({ shards: [postgresStore({ url: a }), postgresStore({ url: b })] });
 */
export async function shardedStore({ shards, name = "sharded", migrate = true }: ShardedStoreOptions): Promise<Store> {
  const opened = await allOpened(shards);
  try {
    const [first, ...others] = opened;
    if (first === undefined) throw new FlujoError("OPTION_INVALID", "shards: expected at least one but found none");
    opened.forEach(refuseOthers);
    const store = new ShardedStore([first, ...others], capabilitiesOf(name, opened), () => markAll([first, ...others]));
    if (migrate) await store.migrate();
    return store;
  } catch (error) {
    await Promise.allSettled(opened.map(async (one) => one.close()));
    throw error;
  }
}

/** All or none: those that did open are closed again. */
async function allOpened(shards: ShardedStoreOptions["shards"]): Promise<readonly ShardStore[]> {
  const results = await Promise.allSettled(shards.map(async (shard) => shard));
  const opened = results.flatMap((result) => (result.status === "fulfilled" ? [result.value] : []));
  const failed = results.find((result) => result.status === "rejected");
  if (failed === undefined) return opened;
  await Promise.allSettled(opened.map(async (one) => one.close()));
  throw failed.reason;
}

const OPERATIONS = ["outbox", "outboxDone", "admit", "ended", "forget", "mark"] as const;

function refuseOthers(shard: ShardStore, index: number): void {
  const lacking = OPERATIONS.filter((operation) => typeof shard[operation] !== "function");
  if (lacking.length === 0) return;
  const { name } = shard.capabilities;
  throw new FlujoError(
    "OPTION_INVALID",
    `shards[${index}]: the store ${name} cannot be a shard: no ${lacking.join(", ")}`,
  );
}

function capabilitiesOf(name: string, shards: readonly ShardStore[]): Capabilities {
  const all = shards.map(({ capabilities }) => capabilities);
  return {
    name,
    durable: all.every(({ durable }) => durable),
    shared: all.every(({ shared }) => shared),
    gather: all.every(({ gather }) => gather === "microtask") ? "microtask" : "turn",
    inFlight: all.some(({ inFlight }) => inFlight === 2) ? 2 : 1,
    eventsInOrder: all.every(({ eventsInOrder }) => eventsInOrder),
    transactions: all.every(({ transactions }) => transactions),
    hints: all.every(({ hints }) => hints === "push") ? "push" : "none",
    queueRules: false,
  };
}

/** Each shard remembers which one of how many it is, and with which others it belongs together. */
async function markAll(shards: readonly [ShardStore, ...ShardStore[]]): Promise<void> {
  for (const [index, shard] of shards.entries()) {
    await expectMark(shard, "shard", { value: `${index} of ${shards.length}`, index });
  }
  const family = await shards[0].mark("family", randomUUID());
  for (const [index, shard] of shards.entries()) await expectMark(shard, "family", { value: family, index });
}

async function expectMark(
  shard: ShardStore,
  key: string,
  { value, index }: { readonly value: string; readonly index: number },
): Promise<void> {
  const found = await shard.mark(key, value);
  if (found === value) return;
  throw new FlujoError("SHARDS_CHANGED", `shards[${index}]: expected the ${key} ${value} but found ${found}`);
}
