import type { FiberKey, Fingerprint, RunId, WorkerId } from "../../domain/ids.ts";
import type { EndStatus, RunRecord } from "../../domain/run.ts";
import type { Wire } from "../../domain/wire.ts";
import type { Capabilities } from "../../ports/capabilities.ts";
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
  WakeHint,
} from "../../ports/store.ts";
import { json, original, storable } from "../../ports/stored-text.ts";
import { commitBatch } from "./commit.ts";
import { createRuns } from "./create.ts";
import { message, revival } from "./encode.ts";
import { childrenOf, fibersOf, historyOf, mailboxOf } from "./fibers.ts";
import type { Hints } from "./hints.ts";
import { getItems, listItems, putItems, removeItems } from "./items.ts";
import { announce, heartbeat, release, sweep, workers } from "./leases.ts";
import { balances, hold, pruneAccounts, settleHolds } from "./ledger.ts";
import { listRuns } from "./list.ts";
import { migrate } from "./migrations.ts";
import { mark, outbox, outboxDone } from "./outbox.ts";
import type { Partition } from "./partition.ts";
import { claim, nextDue, putQueueRules, queueRules } from "./queues.ts";
import { ended, forget, prune, type Retention } from "./retention.ts";
import { runRecord, storedDefinition, textOrNull } from "./rows.ts";
import { moveSchedule, putSchedule, removeSchedule, schedules } from "./schedules.ts";
import { Session } from "./session.ts";

export interface RedisStoreParts {
  readonly partition: Partition;
  readonly capabilities: Capabilities;
  readonly hints: Hints;
  /** Lets go of what the store opened itself. */
  readonly release: (() => void) | undefined;
  readonly guard: ((request: GuardRequest) => LeaseGuard) | undefined;
}

/**
 * The contract on one partition of a Redis: each operation is one script, or a few bounded ones.
 *
 * Somebody who flushes the database takes everything with it: runs are unknown then, and workers learn from the next answer that
 * they are `lost`, and register again.
 */
export class RedisStore implements ShardStore {
  readonly capabilities: Capabilities;
  readonly guard?: (request: GuardRequest) => LeaseGuard;
  readonly #session: Session;
  readonly #release: (() => void) | undefined;

  constructor({ partition, capabilities, hints, release: letGo, guard }: RedisStoreParts) {
    this.#session = new Session(partition, hints);
    this.#release = letGo;
    this.capabilities = capabilities;
    if (guard !== undefined) this.guard = guard;
  }

  async migrate(options: MigrateOptions = {}): Promise<MigrationReport> {
    return migrate(this.#session.open.partition, options);
  }

  async createRuns(runs: readonly NewRun[]): Promise<readonly CreateOutcome[]> {
    return createRuns(this.#session.open, runs);
  }

  async commit(batch: readonly ShardTransition[]): Promise<readonly CommitOutcome[]> {
    return commitBatch(this.#session.open, batch);
  }

  async signal(given: NewMessage): Promise<SignalOutcome> {
    return (await this.#session.write("signal", json(message(given)))).result as SignalOutcome;
  }

  async cancel(run: RunId, reason: string): Promise<"requested" | "ended" | "unknown"> {
    return (await this.#session.write("cancel", run, storable(reason))).result as "requested" | "ended" | "unknown";
  }

  async load(run: RunId): Promise<RunRecord | undefined> {
    const answer = await this.#session.read("load", run);
    return answer === null ? undefined : runRecord(answer);
  }

  async list(query: ListQuery): Promise<Page<RunRecord>> {
    return listRuns(this.#session.open, query);
  }

  async history(
    run: RunId,
    options: { readonly after?: number; readonly limit?: number } = {},
  ): Promise<readonly EventRecord[]> {
    return historyOf(this.#session.open, run, options);
  }

  async fibers(run: RunId): Promise<readonly FiberRecord[]> {
    return fibersOf(this.#session.open, run);
  }

  async children(run: RunId, parent: FiberKey, fork: number): Promise<readonly ChildResult[]> {
    return childrenOf(this.#session.open, run, { parent, fork });
  }

  async messages(run: RunId): Promise<readonly MessageRecord[]> {
    return mailboxOf(this.#session.open, run);
  }

  async revive(given: Revival): Promise<"revived" | "not-ended" | "unknown"> {
    const { result } = await this.#session.write("revive", given.run, revival(given));
    return result as "revived" | "not-ended" | "unknown";
  }

  async prune(wanted: Retention): Promise<number> {
    return prune(this.#session.open, wanted);
  }

  async ended(wanted: {
    readonly endedBefore: number;
    readonly limit: number;
    readonly statuses?: readonly EndStatus[];
  }): Promise<readonly { readonly run: RunId; readonly awaitedBy?: RunId }[]> {
    return ended(this.#session.open, wanted);
  }

  async forget(runs: readonly RunId[]): Promise<number> {
    return forget(this.#session.open, runs);
  }

  async putDefinitions(definitions: readonly StoredDefinition[]): Promise<void> {
    for (const { fingerprint, ...rest } of definitions) {
      await this.#session.send("HSETNX", "D", fingerprint, json(rest));
    }
  }

  async definition(fingerprint: Fingerprint): Promise<StoredDefinition | undefined> {
    const text = textOrNull(await this.#session.send("HGET", "D", fingerprint));
    return text === null ? undefined : storedDefinition(fingerprint, text);
  }

  async blob(hash: string): Promise<string | undefined> {
    const text = textOrNull(await this.#session.send("GET", `B:${hash}`));
    return text === null ? undefined : original(text);
  }

  async register(worker: WorkerId, leaseMs: number, about: Wire = null): Promise<{ readonly epoch: number }> {
    return { epoch: await announce(this.#session.open, { worker, leaseMs, about }) };
  }

  async admit(worker: WorkerId, epoch: number, leaseMs: number): Promise<void> {
    await announce(this.#session.open, { worker, leaseMs, epoch });
  }

  async workers(): Promise<readonly WorkerRecord[]> {
    return workers(this.#session.open);
  }

  async claim(request: ClaimRequest): Promise<readonly LeasedFiber[]> {
    return claim(this.#session.open, request);
  }

  async heartbeat(worker: WorkerId, epoch: number, leaseMs: number, about?: Wire): Promise<HeartbeatOutcome> {
    return heartbeat(this.#session.open, { worker, epoch }, { leaseMs, about });
  }

  async sweep(): Promise<SweepOutcome> {
    return sweep(this.#session.open);
  }

  async release(worker: WorkerId, epoch: number, which?: Which): Promise<number> {
    return release(this.#session.open, { worker, epoch }, which);
  }

  async nextDue(wanted: Pick<ClaimRequest, "queues" | "fingerprints">): Promise<number | undefined> {
    return nextDue(this.#session.open, wanted);
  }

  async putQueueRules(rules: readonly QueueRules[]): Promise<void> {
    return putQueueRules(this.#session.open, rules);
  }

  async queueRules(): Promise<readonly QueueRules[]> {
    return queueRules(this.#session.open);
  }

  async putSchedule(schedule: ScheduleRecord): Promise<void> {
    return putSchedule(this.#session.open, schedule);
  }

  async schedules(): Promise<readonly ScheduleRecord[]> {
    return schedules(this.#session.open);
  }

  async removeSchedule(id: string): Promise<boolean> {
    return removeSchedule(this.#session.open, id);
  }

  async moveSchedule(
    seen: ScheduleRecord,
    next: Pick<ScheduleRecord, "nextAt" | "lastAt" | "lastRun">,
  ): Promise<boolean> {
    return moveSchedule(this.#session.open, seen, next);
  }

  async getItems(refs: readonly ItemRef[]): Promise<readonly (Item | undefined)[]> {
    return getItems(this.#session.open, refs);
  }

  async putItems(items: readonly NewItem[]): Promise<readonly PutItemOutcome[]> {
    return putItems(this.#session.open, items);
  }

  async removeItems(refs: readonly ItemRef[]): Promise<number> {
    return removeItems(this.#session.open, refs);
  }

  async listItems(query: ItemQuery): Promise<readonly Item[]> {
    return listItems(this.#session.open, query);
  }

  async hold(holds: readonly Hold[]): Promise<readonly HoldOutcome[]> {
    return hold(this.#session.open, holds);
  }

  async settleHolds(holds: readonly Settlement[]): Promise<number> {
    return settleHolds(this.#session.open, holds);
  }

  async balances(prefix = ""): Promise<readonly Balance[]> {
    return balances(this.#session.open, prefix);
  }

  async pruneAccounts(untouchedSince: number): Promise<number> {
    return pruneAccounts(this.#session.open, untouchedSince);
  }

  async outbox(limit: number, to?: number): Promise<readonly OutboxEntry[]> {
    return outbox(this.#session.open, limit, to);
  }

  async outboxDone(ids: readonly string[]): Promise<void> {
    return outboxDone(this.#session.open, ids);
  }

  async mark(key: string, value: string): Promise<string> {
    return mark(this.#session.open, key, value);
  }

  subscribe(wake: (hint: WakeHint) => void): () => void {
    return this.#session.open.subscribe(wake);
  }

  async close(): Promise<void> {
    if (this.#session.close()) this.#release?.();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
