import type { Clock } from "../../domain/ambient.ts";
import type { FiberKey, Fingerprint, RunId, WorkerId } from "../../domain/ids.ts";
import type { RunRecord } from "../../domain/run.ts";
import type { Wire } from "../../domain/wire.ts";
import { type Capabilities, POSTGRES } from "../../ports/capabilities.ts";
import type { Item, ItemStore, NewItem, PutItemOutcome } from "../../ports/items.ts";
import type { Balance, Hold, HoldOutcome, QuotaLedger } from "../../ports/ledger.ts";
import type { MigrateOptions, MigrationReport } from "../../ports/migration.ts";
import type { QueueRules } from "../../ports/queue-rules.ts";
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
import type { ScheduleRecord } from "../../ports/schedule.ts";
import type { OutboxEntry, ShardStore, ShardTransition } from "../../ports/shard.ts";
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
  StoredDefinition,
  Transition,
  WakeHint,
} from "../../ports/store.ts";
import { Known } from "./calm.ts";
import { ofRun } from "../../ports/transact.ts";
import { claim } from "./claim.ts";
import { commitBatch } from "./commit.ts";
import { createRuns } from "./create.ts";
import type { Database } from "./database.ts";
import { claimGoverned } from "./governed.ts";
import { type GuardConnection, guardLease } from "./guard.ts";
import { hintOfBatch, hintOfStarts } from "./hint-of.ts";
import { Hints } from "./hints.ts";
import { getItems, listItems, putItems, removeItems, sweepItems } from "./items.ts";
import { balances, hold, pruneAccounts, settleHolds } from "./ledger.ts";
import { listRuns } from "./list.ts";
import { migrate } from "./migrations.ts";
import { nextDue } from "./next-due.ts";
import { putRules, readRules } from "./queue-rules.ts";
import {
  childrenOf,
  fibersOf,
  history,
  loadRun,
  messagesOf,
  putDefinitions,
  readBlob,
  readDefinition,
} from "./read.ts";
import { ended, type EndedBefore, forget, prune } from "./retention.ts";
import { cancel, revive, signal } from "./runs.ts";
import { moveSchedule, putSchedule, removeSchedule, schedules } from "./schedules.ts";
import { mark, outbox, outboxDone } from "./shards.ts";
import { Statistics } from "./statistics.ts";
import { admit, heartbeat, register, release, sweep, workers } from "./workers.ts";

export interface PostgresStoreParts {
  readonly db: Database;
  /** Tests only: the time of every operation. Otherwise the database's own clock is asked. */
  readonly clock: Pick<Clock, "now"> | undefined;
  /** How a thread reaches the server by itself; absent when only a pool is known. */
  readonly guard: GuardConnection | undefined;
}

/** The contract in one schema of a Postgres database. */
export class PostgresStore implements ShardStore {
  readonly capabilities: Capabilities;
  readonly #db: Database;
  readonly #hints: Hints;
  readonly #statistics: Statistics;
  readonly #clock: Pick<Clock, "now"> | undefined;
  /** As long as there are any, each place that is left may let somebody in. */
  readonly #ruled = new Known();

  readonly guard?: (request: GuardRequest) => LeaseGuard;

  constructor({ db, clock, guard }: PostgresStoreParts) {
    this.#db = db;
    this.#clock = clock;
    this.#hints = new Hints(db);
    this.#statistics = new Statistics(db);
    this.capabilities = { ...POSTGRES, hints: db.flags.noListen ? "none" : "push" };
    if (clock === undefined && guard !== undefined) this.guard = (request) => guardLease(guard, request);
  }

  get #now(): number | null {
    return this.#clock?.now() ?? null;
  }

  migrate(options?: MigrateOptions): Promise<MigrationReport> {
    return migrate(this.#db, options);
  }

  async createRuns(runs: readonly NewRun[]): Promise<readonly CreateOutcome[]> {
    const outcomes = await createRuns(this.#db, runs, this.#now);
    this.#hints.tell(hintOfStarts(outcomes));
    this.#statistics.written(runs.length);
    return outcomes;
  }

  async commit(batch: readonly ShardTransition[]): Promise<readonly CommitOutcome[]> {
    const { outcomes, woke } = await commitBatch((program, values) => this.#db.run(program, values), batch, this.#now);
    this.#hints.tell(hintOfBatch(batch, outcomes, { woke, governed: this.#ruled.hasAny }));
    return outcomes;
  }

  async transact(
    run: RunId,
    work: (tx: unknown) => Promise<Transition | undefined>,
  ): Promise<CommitOutcome | undefined> {
    let done: { readonly transition: Transition; readonly outcome: CommitOutcome; readonly woke: boolean } | undefined;
    await this.#db.transactOnce(work, async (client, made) => {
      const transition = ofRun(run, made);
      if (transition === undefined) return false;
      const { outcomes, woke } = await commitBatch(
        (program, values) => this.#db.runIn(client, program, values),
        [transition],
        this.#now,
      );
      const [outcome] = outcomes;
      if (outcome !== undefined) done = { transition, outcome, woke };
      return outcome?.status === "committed";
    });
    if (done !== undefined)
      this.#hints.tell(
        hintOfBatch([done.transition], [done.outcome], { woke: done.woke, governed: this.#ruled.hasAny }),
      );
    return done?.outcome;
  }

  async signal(message: NewMessage): Promise<SignalOutcome> {
    const { outcome, woke } = await signal(this.#db, message, this.#now);
    this.#hints.tell({ ready: woke, runs: [] });
    return outcome;
  }

  async cancel(run: RunId, reason: string): Promise<"requested" | "ended" | "unknown"> {
    const outcome = await cancel(this.#db, run, reason, this.#now);
    if (outcome === "requested") this.#hints.tell({ ready: true, runs: [run] });
    return outcome;
  }

  load(run: RunId): Promise<RunRecord | undefined> {
    return loadRun(this.#db, this.#now, run);
  }

  list(query: ListQuery): Promise<Page<RunRecord>> {
    return listRuns(this.#db, this.#now, query);
  }

  history(
    run: RunId,
    { after = 0, limit }: { readonly after?: number; readonly limit?: number } = {},
  ): Promise<readonly EventRecord[]> {
    return history(this.#db, run, after, limit);
  }

  fibers(run: RunId): Promise<readonly FiberRecord[]> {
    return fibersOf(this.#db, run);
  }

  children(run: RunId, parent: FiberKey, fork: number): Promise<readonly ChildResult[]> {
    return childrenOf(this.#db, run, parent, fork);
  }

  messages(run: RunId): Promise<readonly MessageRecord[]> {
    return messagesOf(this.#db, run);
  }

  async revive(revival: Revival): Promise<"revived" | "not-ended" | "unknown"> {
    const outcome = await revive(this.#db, revival, this.#now);
    if (outcome === "revived") this.#hints.tell({ ready: true, runs: [revival.run] });
    return outcome;
  }

  async prune(options: EndedBefore): Promise<number> {
    await sweepItems(this.#db, this.#now);
    return prune(this.#db, options);
  }

  ended(
    options: EndedBefore & { readonly limit: number },
  ): Promise<readonly { readonly run: RunId; readonly awaitedBy?: RunId }[]> {
    return ended(this.#db, options);
  }

  forget(runs: readonly RunId[]): Promise<number> {
    return forget(this.#db, runs);
  }

  putDefinitions(definitions: readonly StoredDefinition[]): Promise<void> {
    return putDefinitions(this.#db, definitions);
  }

  definition(fingerprint: Fingerprint): Promise<StoredDefinition | undefined> {
    return readDefinition(this.#db, fingerprint);
  }

  blob(hash: string): Promise<string | undefined> {
    return readBlob(this.#db, hash);
  }

  async register(worker: WorkerId, leaseMs: number, about: Wire = null): Promise<{ readonly epoch: number }> {
    const { epoch, freed } = await register(this.#db, { worker, leaseMs, about, now: this.#now });
    this.#freed(freed);
    return { epoch };
  }

  async admit(worker: WorkerId, epoch: number, leaseMs: number): Promise<void> {
    this.#freed(await admit(this.#db, { worker, epoch, leaseMs, now: this.#now }));
  }

  workers(): Promise<readonly WorkerRecord[]> {
    return workers(this.#db);
  }

  async claim(request: ClaimRequest): Promise<readonly LeasedFiber[]> {
    if (request.limit < 1 || request.queues.length === 0 || request.fingerprints.length === 0) return [];
    for (;;) {
      if (request.queues.some((queue) => this.#ruled.has(queue))) {
        const fibers = await claimGoverned(this.#db, request, { known: this.#ruled, given: this.#now });
        if (fibers !== undefined) return fibers;
      }
      const { fibers, governed } = await claim(this.#db, request, this.#now);
      if (governed.length === 0) return fibers;
      for (const queue of governed) this.#ruled.add(queue);
    }
  }

  heartbeat(worker: WorkerId, epoch: number, leaseMs: number, about?: Wire): Promise<HeartbeatOutcome> {
    return heartbeat(this.#db, { worker, epoch, leaseMs, about, now: this.#now });
  }

  async sweep(): Promise<SweepOutcome> {
    const outcome = await sweep(this.#db, this.#now);
    this.#freed(outcome.fibers);
    return outcome;
  }

  async release(worker: WorkerId, epoch: number, which?: Which): Promise<number> {
    const freed = await release(this.#db, { worker, epoch, which, now: this.#now });
    this.#freed(freed);
    return freed;
  }

  nextDue(wanted: Pick<ClaimRequest, "queues" | "fingerprints">): Promise<number | undefined> {
    return nextDue(this.#db, wanted, this.#now);
  }

  async putQueueRules(rules: readonly QueueRules[]): Promise<void> {
    await putRules(this.#db, rules);
    for (const { queue } of rules) this.#ruled.add(queue);
    this.#hints.tell({ ready: true, runs: [] });
  }

  queueRules(): Promise<readonly QueueRules[]> {
    return readRules(this.#db);
  }

  putSchedule(schedule: ScheduleRecord): Promise<void> {
    return putSchedule(this.#db, schedule);
  }

  schedules(): Promise<readonly ScheduleRecord[]> {
    return schedules(this.#db);
  }

  removeSchedule(id: string): Promise<boolean> {
    return removeSchedule(this.#db, id);
  }

  moveSchedule(seen: ScheduleRecord, next: Pick<ScheduleRecord, "nextAt" | "lastAt" | "lastRun">): Promise<boolean> {
    return moveSchedule(this.#db, seen, next);
  }

  getItems(refs: readonly Pick<Item, "collection" | "key">[]): Promise<readonly (Item | undefined)[]> {
    return getItems(this.#db, refs, this.#now);
  }

  putItems(items: readonly NewItem[]): Promise<readonly PutItemOutcome[]> {
    return putItems(this.#db, items, this.#now);
  }

  removeItems(refs: readonly Pick<Item, "collection" | "key">[]): Promise<number> {
    return removeItems(this.#db, refs, this.#now);
  }

  listItems(query: Parameters<ItemStore["listItems"]>[0]): Promise<readonly Item[]> {
    return listItems(this.#db, query, this.#now);
  }

  hold(holds: readonly Hold[]): Promise<readonly HoldOutcome[]> {
    return hold(this.#db, holds, this.#now);
  }

  settleHolds(holds: Parameters<QuotaLedger["settleHolds"]>[0]): Promise<number> {
    return settleHolds(this.#db, holds, this.#now);
  }

  balances(prefix?: string): Promise<readonly Balance[]> {
    return balances(this.#db, prefix);
  }

  pruneAccounts(untouchedSince: number): Promise<number> {
    return pruneAccounts(this.#db, untouchedSince);
  }

  outbox(limit: number, to?: number): Promise<readonly OutboxEntry[]> {
    return outbox(this.#db, limit, to);
  }

  outboxDone(ids: readonly string[]): Promise<void> {
    return outboxDone(this.#db, ids);
  }

  mark(key: string, value: string): Promise<string> {
    return mark(this.#db, key, value);
  }

  subscribe(wake: (hint: WakeHint) => void): () => void {
    return this.#hints.subscribe(wake);
  }

  /** Resolves once this store hears what other processes make ready, as far as it ever will. */
  listening(): Promise<void> {
    return this.#hints.listening();
  }

  async close(): Promise<void> {
    await Promise.all([this.#hints.close(), this.#statistics.settled()]);
    await this.#db.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #freed(fibers: number): void {
    this.#hints.tell({ ready: fibers > 0, runs: [] });
  }
}
