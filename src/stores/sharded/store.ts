import { FlujoError } from "../../domain/errors.ts";
import type { FiberKey, Fingerprint, RunId, WorkerId } from "../../domain/ids.ts";
import type { RunRecord } from "../../domain/run.ts";
import type { Wire } from "../../domain/wire.ts";
import type { Capabilities } from "../../ports/capabilities.ts";
import { checkQuery, cursorAfter } from "../../ports/list-query.ts";
import type { Item, ItemQuery, ItemRef, NewItem, PutItemOutcome } from "../../ports/items.ts";
import type { Balance, Hold, HoldOutcome, Settlement } from "../../ports/ledger.ts";
import type { MigrateOptions, MigrationReport } from "../../ports/migration.ts";
import type {
  ClaimRequest,
  GuardRequest,
  HeartbeatOutcome,
  LeasedFiber,
  LeaseGuard,
  SweepOutcome,
  Which,
  WorkerRecord,
} from "../../ports/queue.ts";
import type { QueueRules } from "../../ports/queue-rules.ts";
import type { ScheduleRecord } from "../../ports/schedule.ts";
import type { ShardStore } from "../../ports/shard.ts";
import type {
  ChildResult,
  CommitOutcome,
  CreateOutcome,
  EventRecord,
  FiberRecord,
  ListQuery,
  MessageRecord,
  NewMessage,
  NewRun,
  Page,
  Revival,
  SignalOutcome,
  Store,
  StoredDefinition,
  Transition,
  WakeHint,
} from "../../ports/store.ts";
import { Carrier } from "./carrier.ts";
import { claimAround } from "./claim.ts";
import { ShardedCommit } from "./commit.ts";
import { Kept } from "./kept.ts";
import { guardAll, Leases } from "./leases.ts";
import { askAll, askReachable, Member } from "./member.ts";
import { shardOf } from "./place.ts";
import { type PruneOptions, pruneShard } from "./prune.ts";
import { Relay } from "./relay.ts";
import { scatterEach } from "./scatter.ts";
import { Sweeper } from "./sweeper.ts";

/**
 * Several shards as one store. A run lives whole on one of them, which its id names; what one run does to another crosses by
 * the outbox (`Relay`). The first shard also gives the epochs and keeps the schedules.
 */
export class ShardedStore implements Store {
  readonly capabilities: Capabilities;
  readonly guard?: (request: GuardRequest) => LeaseGuard;
  readonly transact?: (
    run: RunId,
    work: (tx: unknown) => Promise<Transition | undefined>,
  ) => Promise<CommitOutcome | undefined>;
  readonly #members: readonly Member[];
  readonly #first: Member;
  readonly #carrier: Carrier;
  readonly #commit: ShardedCommit;
  readonly #leases: Leases;
  readonly #relay: Relay;
  readonly #sweeper: Sweeper;
  readonly #kept: Kept;
  readonly #migrated: () => Promise<void>;
  #claims = 0;

  /** `migrated` is called when the tables of all shards are there. */
  constructor(
    shards: readonly [ShardStore, ...ShardStore[]],
    capabilities: Capabilities,
    migrated: () => Promise<void>,
  ) {
    this.capabilities = capabilities;
    this.#members = shards.map((store, index) => new Member(index, store));
    this.#first = this.#members[0] ?? new Member(0, shards[0]);
    this.#carrier = new Carrier(this.#members);
    this.#relay = new Relay(this.#members, this.#carrier);
    this.#leases = new Leases(this.#members, this.#first);
    this.#sweeper = new Sweeper(this.#members, this.#relay);
    this.#kept = new Kept(this.#members);
    this.#migrated = migrated;
    const commit = new ShardedCommit(
      (run) => this.partitionOf(run),
      (run) => this.#home(run),
      this.#relay,
    );
    this.#commit = commit;
    if (shards.some((shard) => shard.guard !== undefined)) this.guard = (request) => guardAll(this.#members, request);
    if (capabilities.transactions) this.transact = (run, work) => commit.transact(run, work);
  }

  partitionOf(run: RunId): number {
    return shardOf(run, this.#members.length);
  }

  #home(run: RunId): Member {
    return this.#members[this.partitionOf(run)] ?? this.#first;
  }

  #at<T>(run: RunId, operation: (store: ShardStore) => Promise<T>): Promise<T> {
    return this.#home(run).ask(operation);
  }

  /** The report of the first shard; the others are brought to the same version. */
  async migrate(options?: MigrateOptions): Promise<MigrationReport> {
    const [report] = await askAll(this.#members, async (store) => store.migrate(options));
    if (report === undefined) throw new Error("expected a report of the first shard");
    if (options?.dryRun !== true) await this.#migrated();
    return report;
  }

  createRuns(runs: readonly NewRun[]): Promise<readonly CreateOutcome[]> {
    return scatterEach(this.#members, runs, {
      place: ({ id }) => this.partitionOf(id),
      ask: async (member, share) => {
        const carried = await Promise.all(share.map(async (run) => this.#carrier.run(run)));
        return member.ask((store) => store.createRuns(carried));
      },
    });
  }

  commit(batch: readonly Transition[]): Promise<readonly CommitOutcome[]> {
    return this.#commit.commit(batch);
  }

  async signal(message: NewMessage): Promise<SignalOutcome> {
    const carried = await this.#carrier.message(message);
    return this.#at(message.run, (store) => store.signal(carried));
  }

  cancel(run: RunId, reason: string): Promise<"requested" | "ended" | "unknown"> {
    return this.#at(run, (store) => store.cancel(run, reason));
  }

  load(run: RunId): Promise<RunRecord | undefined> {
    return this.#at(run, (store) => store.load(run));
  }

  /** A cursor names a place in the order of the list, so it means the same on every shard. */
  async list(query: ListQuery): Promise<Page<RunRecord>> {
    const { limit, order } = checkQuery(query);
    const sign = order === "newest" ? -1 : 1;
    const pages = await askAll(this.#members, (store) => store.list(query));
    const merged = pages
      .flatMap(({ items }) => items)
      .sort((a, b) => sign * (a.createdAt - b.createdAt || (a.id < b.id ? -1 : 1)));
    const items = merged.slice(0, limit);
    const last = items.at(-1);
    const more = merged.length > limit || pages.some(({ next }) => next !== undefined);
    return { items, ...(more && last !== undefined && { next: cursorAfter(last) }) };
  }

  history(run: RunId, options?: { readonly after?: number; readonly limit?: number }): Promise<readonly EventRecord[]> {
    return this.#at(run, (store) => store.history(run, options));
  }

  fibers(run: RunId): Promise<readonly FiberRecord[]> {
    return this.#at(run, (store) => store.fibers(run));
  }

  children(run: RunId, parent: FiberKey, fork: number): Promise<readonly ChildResult[]> {
    return this.#at(run, (store) => store.children(run, parent, fork));
  }

  messages(run: RunId): Promise<readonly MessageRecord[]> {
    return this.#at(run, (store) => store.messages(run));
  }

  async revive(revival: Revival): Promise<"revived" | "not-ended" | "unknown"> {
    return this.#at(revival.run, (store) => store.revive(revival));
  }

  async prune({ limit = Number.POSITIVE_INFINITY, ...options }: PruneOptions): Promise<number> {
    const goesOn = async (run: RunId): Promise<boolean> => {
      const record = await this.load(run);
      return record !== undefined && record.endedAt === undefined;
    };
    await askAll(this.#members, (store) => store.prune({ endedBefore: 0, limit: 0 })); // expired items, and no runs
    let pruned = 0;
    for (const member of this.#members) {
      pruned += await pruneShard(member, { ...options, limit: limit - pruned }, { relay: this.#relay, goesOn });
    }
    return pruned;
  }

  async putDefinitions(definitions: readonly StoredDefinition[]): Promise<void> {
    await askAll(this.#members, (store) => store.putDefinitions(definitions));
  }

  async definition(fingerprint: Fingerprint): Promise<StoredDefinition | undefined> {
    const found = await askReachable(this.#members, (store) => store.definition(fingerprint));
    return found.find((definition) => definition !== undefined);
  }

  blob(hash: string): Promise<string | undefined> {
    return this.#carrier.find(hash);
  }

  register(worker: WorkerId, leaseMs: number, about?: Wire): Promise<{ readonly epoch: number }> {
    return this.#leases.register(worker, leaseMs, about);
  }

  workers(): Promise<readonly WorkerRecord[]> {
    return this.#leases.workers();
  }

  /** Rules hold over a whole queue, and a queue is spread over all shards: none of them could count its places. */
  async putQueueRules(): Promise<void> {
    throw new FlujoError(
      "QUEUE_RULES_UNSUPPORTED",
      `expected a store in one place but found ${this.#members.length} shards, over which each queue is spread`,
    );
  }

  async queueRules(): Promise<readonly QueueRules[]> {
    return [];
  }

  /** Begins with another shard each time. Priority and due time order what comes from one shard. */
  claim(request: ClaimRequest): Promise<readonly LeasedFiber[]> {
    const from = this.#claims++ % this.#members.length;
    return claimAround([...this.#members.slice(from), ...this.#members.slice(0, from)], request);
  }

  async heartbeat(worker: WorkerId, epoch: number, leaseMs: number, about?: Wire): Promise<HeartbeatOutcome> {
    return this.#sweeper.due(await this.#leases.heartbeat(worker, epoch, leaseMs, about));
  }

  sweep(): Promise<SweepOutcome> {
    return this.#sweeper.sweep();
  }

  async release(worker: WorkerId, epoch: number, which?: Which): Promise<number> {
    const released = await askAll(this.#members, (store, index) => {
      const mine = which && narrowed(which, (run) => this.partitionOf(run) === index);
      return store.release(worker, epoch, mine);
    });
    return released.reduce((sum, fibers) => sum + fibers, 0);
  }

  async nextDue(request: Pick<ClaimRequest, "queues" | "fingerprints">): Promise<number | undefined> {
    const times = await askReachable(this.#members, (store) => store.nextDue(request));
    const known = times.flatMap((time) => time ?? []);
    return known.length === 0 ? undefined : Math.min(...known);
  }

  putSchedule(schedule: ScheduleRecord): Promise<void> {
    return this.#first.ask((store) => store.putSchedule(schedule));
  }

  schedules(): Promise<readonly ScheduleRecord[]> {
    return this.#first.ask((store) => store.schedules());
  }

  removeSchedule(id: string): Promise<boolean> {
    return this.#first.ask((store) => store.removeSchedule(id));
  }

  moveSchedule(seen: ScheduleRecord, next: Pick<ScheduleRecord, "nextAt" | "lastAt" | "lastRun">): Promise<boolean> {
    return this.#first.ask((store) => store.moveSchedule(seen, next));
  }

  getItems(refs: readonly ItemRef[]): Promise<readonly (Item | undefined)[]> {
    return this.#kept.getItems(refs);
  }

  putItems(items: readonly NewItem[]): Promise<readonly PutItemOutcome[]> {
    return this.#kept.putItems(items);
  }

  removeItems(refs: readonly ItemRef[]): Promise<number> {
    return this.#kept.removeItems(refs);
  }

  listItems(query: ItemQuery): Promise<readonly Item[]> {
    return this.#kept.listItems(query);
  }

  hold(holds: readonly Hold[]): Promise<readonly HoldOutcome[]> {
    return this.#kept.hold(holds);
  }

  settleHolds(holds: readonly Settlement[]): Promise<number> {
    return this.#kept.settleHolds(holds);
  }

  balances(prefix?: string): Promise<readonly Balance[]> {
    return this.#kept.balances(prefix);
  }

  pruneAccounts(untouchedSince: number): Promise<number> {
    return this.#kept.pruneAccounts(untouchedSince);
  }

  subscribe(wake: (hint: WakeHint) => void): () => void {
    const stops = this.#members.map(({ store }) => store.subscribe(wake));
    return () => {
      for (const stop of stops) stop();
    };
  }

  async close(): Promise<void> {
    await askAll(this.#members, (store) => store.close());
    await this.#leases.settled();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

const narrowed = (which: Which, keep: (run: RunId) => boolean): Which =>
  "only" in which
    ? { only: which.only.filter(({ run }) => keep(run)) }
    : { except: which.except.filter(({ run }) => keep(run)) };
