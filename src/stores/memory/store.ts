import type { Clock } from "../../domain/ambient.ts";
import { FlujoError } from "../../domain/errors.ts";
import type { FiberKey, Fingerprint, RunId, WorkerId } from "../../domain/ids.ts";
import type { RunRecord } from "../../domain/run.ts";
import type { Wire } from "../../domain/wire.ts";
import { type Capabilities, MEMORY } from "../../ports/capabilities.ts";
import type { Item, ItemQuery, ItemRef, NewItem, PutItemOutcome } from "../../ports/items.ts";
import type { Balance, Hold, HoldOutcome, Settlement } from "../../ports/ledger.ts";
import { type MigrateOptions, type MigrationReport, versionToReach } from "../../ports/migration.ts";
import { refuseUnsendable } from "../../ports/new-message.ts";
import { unplaceable } from "../../ports/new-run.ts";
import type { QueueRules } from "../../ports/queue-rules.ts";
import type {
  ClaimRequest,
  HeartbeatOutcome,
  LeasedFiber,
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
  WakeHint,
} from "../../ports/store.ts";
import { Commit } from "./commit.ts";
import { admit, announce, heartbeat, release, sweep } from "./leases.ts";
import { listRuns } from "./list.ts";
import { type EndedBefore, ended, forget, forgetFamily, prune } from "./retention.ts";
import { fiberRecord, leasedFiber, runRecord, workerRecord } from "./rows.ts";
import { Tables } from "./tables.ts";

/** Nothing outlives the process, so there is one schema. */
const VERSION = 1;

export interface MemoryStoreOptions {
  /** The store's clock; tests and the simulator bring their own. Default: the system's. */
  readonly clock?: Pick<Clock, "now">;
  /** Whose events are kept: of all runs (true, the default), of none, or of the flows with these fingerprints. */
  readonly history?: boolean | ((flow: Fingerprint) => boolean);
  /** @internal The simulator's mutants replace the commit. */
  readonly commit?: (tables: Tables) => Commit;
}

/**
 * The whole contract in one process's memory: fast, not durable, gone with the process.
 * Every operation happens in one synchronous step, which is what makes it atomic.
 * Source: Fluxo, in-memory store and queue.
 */
export class MemoryStore implements ShardStore {
  readonly capabilities: Capabilities = MEMORY;
  readonly #tables: Tables;
  readonly #commit: Commit;
  readonly #now: () => number;
  #closed = false;

  constructor({ clock = { now: Date.now }, history = true, commit }: MemoryStoreOptions = {}) {
    this.#tables = new Tables(typeof history === "function" ? history : () => history);
    this.#commit = commit?.(this.#tables) ?? new Commit(this.#tables);
    this.#now = () => clock.now();
  }

  /** Runs one operation against the tables, then tells subscribers what it changed. */
  async #do<T>(operation: (tables: Tables, now: number) => T): Promise<T> {
    if (this.#closed) throw new FlujoError("STORE_CLOSED", "the memory store was closed");
    const result = operation(this.#tables, this.#now());
    this.#tables.hint();
    return result;
  }

  migrate(options: MigrateOptions = {}): Promise<MigrationReport> {
    return this.#do(() => {
      versionToReach(options, { from: VERSION, newest: VERSION });
      return { from: VERSION, to: VERSION, steps: [] };
    });
  }

  createRuns(runs: readonly NewRun[]): Promise<readonly CreateOutcome[]> {
    return this.#do((tables, now) =>
      runs.map((run): CreateOutcome => {
        const known = tables.runs.get(run.id);
        if (known !== undefined) return { status: "exists", run: runRecord(known, now) };
        const error = unplaceable(run);
        return error === undefined
          ? { status: "created", leased: tables.insertRun(run, now) }
          : { status: "rejected", error };
      }),
    );
  }

  commit(batch: readonly ShardTransition[]): Promise<readonly CommitOutcome[]> {
    return this.#do((_, now) => batch.map((transition) => this.#commit.run(transition, now)));
  }

  signal(message: NewMessage): Promise<SignalOutcome> {
    return this.#do((tables, now) => {
      refuseUnsendable(message);
      return tables.deliver(message, now);
    });
  }

  cancel(run: RunId, reason: string): Promise<"requested" | "ended" | "unknown"> {
    return this.#do((tables, now) => tables.cancelRun(run, reason, now));
  }

  load(run: RunId): Promise<RunRecord | undefined> {
    return this.#do((tables, now) => {
      const row = tables.runs.get(run);
      return row && runRecord(row, now);
    });
  }

  list(query: ListQuery): Promise<Page<RunRecord>> {
    return this.#do((tables, now) => listRuns(tables.runs.values(), query, now));
  }

  history(
    run: RunId,
    { after = 0, limit = Number.POSITIVE_INFINITY }: { readonly after?: number; readonly limit?: number } = {},
  ): Promise<readonly EventRecord[]> {
    return this.#do((tables) => (tables.runs.get(run)?.events ?? []).filter(({ seq }) => seq > after).slice(0, limit));
  }

  fibers(run: RunId): Promise<readonly FiberRecord[]> {
    return this.#do((tables) =>
      [...(tables.runs.get(run)?.fibers.values() ?? [])].map(fiberRecord).sort((a, b) => (a.key < b.key ? -1 : 1)),
    );
  }

  children(run: RunId, parent: FiberKey, fork: number): Promise<readonly ChildResult[]> {
    return this.#do((tables) => {
      const results: ChildResult[] = [];
      for (const { parent: above, fork: of, ordinal = 0, ended, state, value, context, aside } of tables.runs
        .get(run)
        ?.fibers.values() ?? []) {
        if (above === parent && of === fork && ended !== undefined)
          results.push({ ordinal, outcome: ended, state, value, context, aside });
      }
      return results.sort((a, b) => a.ordinal - b.ordinal);
    });
  }

  messages(run: RunId): Promise<readonly MessageRecord[]> {
    return this.#do((tables) => [...(tables.runs.get(run)?.messages ?? [])]);
  }

  revive(revival: Revival): Promise<"revived" | "not-ended" | "unknown"> {
    return this.#do((tables, now) => {
      const run = tables.runs.get(revival.run);
      if (run === undefined) return "unknown";
      if (run.endedAt === undefined) return "not-ended";
      revival.messages.forEach(refuseUnsendable);
      run.status = "running";
      run.output = run.failure = run.endedAt = run.cancelReason = undefined;
      tables.addBlobs(run, revival.blobs);
      for (const fiber of revival.fibers) tables.insertFiber(run, fiber, undefined, now);
      for (const message of revival.messages) tables.deliver(message, now);
      tables.addEvent(run, revival.fibers[0]?.key ?? ("0" as FiberKey), revival.event, undefined);
      tables.noteRun(run.id);
      return "revived";
    });
  }

  prune(options: EndedBefore): Promise<number> {
    return this.#do((tables, now) => {
      tables.items.dropExpired(now);
      return prune(tables, options);
    });
  }

  ended(
    options: EndedBefore & { readonly limit: number },
  ): Promise<readonly { readonly run: RunId; readonly awaitedBy?: RunId }[]> {
    return this.#do((tables) => ended(tables, options));
  }

  forget(runs: readonly RunId[]): Promise<number> {
    return this.#do((tables) => forget(tables, runs));
  }

  /** Deletes one ended run, and all ended runs whose parent is gone. For runs that are not persisted. */
  forgetFamily(id: RunId): Promise<void> {
    return this.#do((tables) => forgetFamily(tables, id));
  }

  putDefinitions(definitions: readonly StoredDefinition[]): Promise<void> {
    return this.#do((tables) => {
      for (const one of definitions)
        if (!tables.definitions.has(one.fingerprint)) tables.definitions.set(one.fingerprint, one);
    });
  }

  definition(fingerprint: Fingerprint): Promise<StoredDefinition | undefined> {
    return this.#do((tables) => tables.definitions.get(fingerprint));
  }

  blob(hash: string): Promise<string | undefined> {
    return this.#do((tables) => tables.blobs.get(hash)?.text);
  }

  register(worker: WorkerId, leaseMs: number, about: Wire = null): Promise<{ readonly epoch: number }> {
    return this.#do((tables, now) => {
      const epoch = tables.newEpoch();
      announce(tables, { id: worker, epoch, leaseUntil: now + leaseMs, held: new Set(), about }, now);
      return { epoch };
    });
  }

  admit(worker: WorkerId, epoch: number, leaseMs: number): Promise<void> {
    return this.#do((tables, now) => admit(tables, { worker, epoch, leaseMs }, now));
  }

  workers(): Promise<readonly WorkerRecord[]> {
    return this.#do((tables) =>
      [...tables.workers.values()].map(workerRecord).sort((a, b) => (a.worker < b.worker ? -1 : 1)),
    );
  }

  putQueueRules(rules: readonly QueueRules[]): Promise<void> {
    return this.#do((tables, now) => tables.govern(rules, now));
  }

  queueRules(): Promise<readonly QueueRules[]> {
    return this.#do((tables) => tables.ready.rules());
  }

  claim({ worker, epoch, fingerprints, queues, limit }: ClaimRequest): Promise<readonly LeasedFiber[]> {
    return this.#do((tables, now) => {
      const owner = tables.currentWorker({ worker, epoch });
      if (owner === undefined || limit <= 0) return [];
      return tables.ready.take({ queues, fingerprints }, now, limit).map((row) => {
        row.owner = owner;
        row.readyAt = undefined;
        row.deliveries += 1;
        owner.held.add(row);
        if (row.run.status === "pending") {
          row.run.status = "running";
          row.run.startedAt = now;
        }
        return leasedFiber(row, now);
      });
    });
  }

  heartbeat(worker: WorkerId, epoch: number, leaseMs: number, about?: Wire): Promise<HeartbeatOutcome> {
    return this.#do((tables, now) => heartbeat(tables, { worker, epoch, leaseMs, about }, now));
  }

  sweep(): Promise<SweepOutcome> {
    return this.#do(sweep);
  }

  release(worker: WorkerId, epoch: number, which?: Which): Promise<number> {
    return this.#do((tables, now) => release(tables, { worker, epoch, which }, now));
  }

  putSchedule(schedule: ScheduleRecord): Promise<void> {
    return this.#do(({ schedules }) => schedules.put(schedule));
  }

  schedules(): Promise<readonly ScheduleRecord[]> {
    return this.#do(({ schedules }) => schedules.all());
  }

  removeSchedule(id: string): Promise<boolean> {
    return this.#do(({ schedules }) => schedules.remove(id));
  }

  moveSchedule(seen: ScheduleRecord, next: Pick<ScheduleRecord, "nextAt" | "lastAt" | "lastRun">): Promise<boolean> {
    return this.#do(({ schedules }) => schedules.move(seen, next));
  }

  getItems(refs: readonly ItemRef[]): Promise<readonly (Item | undefined)[]> {
    return this.#do(({ items }, now) => refs.map((ref) => items.get(ref, now)));
  }

  putItems(given: readonly NewItem[]): Promise<readonly PutItemOutcome[]> {
    return this.#do(({ items }, now) => given.map((item) => items.put(item, now)));
  }

  removeItems(refs: readonly ItemRef[]): Promise<number> {
    return this.#do(({ items }, now) => refs.filter((ref) => items.remove(ref, now)).length);
  }

  listItems(query: ItemQuery): Promise<readonly Item[]> {
    return this.#do(({ items }, now) => items.list(query, now));
  }

  hold(holds: readonly Hold[]): Promise<readonly HoldOutcome[]> {
    return this.#do(({ ledger }, now) => ledger.hold(holds, now));
  }

  settleHolds(holds: readonly Settlement[]): Promise<number> {
    return this.#do(({ ledger }, now) => ledger.settle(holds, now));
  }

  balances(prefix = ""): Promise<readonly Balance[]> {
    return this.#do(({ ledger }) => ledger.balances(prefix));
  }

  pruneAccounts(untouchedSince: number): Promise<number> {
    return this.#do(({ ledger }) => ledger.prune(untouchedSince));
  }

  outbox(limit: number, to?: number): Promise<readonly OutboxEntry[]> {
    return this.#do(({ outbox }) =>
      [...outbox.values()].filter((entry) => to === undefined || entry.to === to).slice(0, limit),
    );
  }

  outboxDone(ids: readonly string[]): Promise<void> {
    return this.#do(({ outbox }) => {
      for (const id of ids) outbox.delete(id);
    });
  }

  mark(key: string, value: string): Promise<string> {
    return this.#do(({ marks }) => {
      const kept = marks.get(key) ?? value;
      marks.set(key, kept);
      return kept;
    });
  }

  nextDue(wanted: Pick<ClaimRequest, "queues" | "fingerprints">): Promise<number | undefined> {
    return this.#do((tables, now) => tables.ready.nextDue(wanted, now));
  }

  subscribe(wake: (hint: WakeHint) => void): () => void {
    return this.#tables.subscribe(wake);
  }

  close(): Promise<void> {
    this.#closed = true;
    return Promise.resolve();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

/** A store in memory. Source: Fluxo, in-memory backend. */
export const memoryStore = (options?: MemoryStoreOptions): ShardStore => new MemoryStore(options);
