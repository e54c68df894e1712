import { FlujoError } from "../../domain/errors.ts";
import type { FiberKey, Fingerprint, RunId, WorkerId } from "../../domain/ids.ts";
import type { RunRecord } from "../../domain/run.ts";
import type { Wire } from "../../domain/wire.ts";
import { type Capabilities, MONGODB } from "../../ports/capabilities.ts";
import type { Item, ItemQuery, ItemRef, NewItem, PutItemOutcome } from "../../ports/items.ts";
import type { Balance, Hold, HoldOutcome, Settlement } from "../../ports/ledger.ts";
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
import { type Base, guarded } from "./base.ts";
import { cancelRun } from "./cancel.ts";
import { claim, nextDue } from "./claim.ts";
import type { ServerClock } from "./clock.ts";
import { commit } from "./commit.ts";
import { putDefinitions, readDefinition } from "./definitions.ts";
import type { MongoDatabase, OwnClient } from "./driver.ts";
import { type GuardedPlace, guardLease } from "./guard.ts";
import { getItems, listItems, Puts, removeItems } from "./items.ts";
import { balances, Ledger } from "./ledger.ts";
import { listRuns } from "./list.ts";
import { signal } from "./mailbox.ts";
import { migrate } from "./migrations.ts";
import { prune, type Pruning } from "./prune.ts";
import { pruneAccounts } from "./prune-accounts.ts";
import { putQueueRules, queueRules } from "./queues.ts";
import { childrenOf, fibersOf, history, loadRun, messagesOf } from "./reading.ts";
import { revive } from "./revive.ts";
import { Runs } from "./runs.ts";
import { moveSchedule, putSchedule, removeSchedule, schedules } from "./schedules.ts";
import { createRuns } from "./start.ts";
import { readBlob } from "./texts.ts";
import { sweep } from "./sweep.ts";
import { heartbeat, register, release, workersOf } from "./workers.ts";

export interface Parts {
  readonly base: Base;
  readonly db: MongoDatabase;
  readonly prefix: string;
  /** The client, when the store made it. */
  readonly own: OwnClient | undefined;
  /** The server's, unless tests brought one. */
  readonly clock?: ServerClock;
  readonly guarding?: Omit<GuardedPlace, "offsetMs">;
}

/** The contract on MongoDB; runs.ts says how it is kept. */
export class MongoStore implements Store {
  readonly capabilities: Capabilities = MONGODB;
  readonly guard?: (request: GuardRequest) => LeaseGuard;
  readonly #parts: Parts;
  readonly #base: Base;
  readonly #runs: Runs;
  readonly #puts: Puts;
  readonly #ledger: Ledger;
  #closed = false;
  /** Claims of one process wait for each other: they would look at the same rows. */
  #claiming: Promise<unknown> = Promise.resolve();

  constructor(parts: Parts) {
    this.#parts = parts;
    this.#base = parts.base;
    this.#runs = new Runs(parts.base);
    this.#puts = new Puts(parts.base);
    this.#ledger = new Ledger(parts.base);
    const { guarding } = parts;
    if (guarding !== undefined) {
      this.guard = (request) => guardLease({ ...guarding, offsetMs: parts.base.now() - Date.now() }, request);
    }
  }

  async #do<T>(operation: (base: Base, runs: Runs) => Promise<T>): Promise<T> {
    const { where } = this.#base;
    if (this.#closed) throw new FlujoError("STORE_CLOSED", `${where}: the store was closed`);
    return guarded(where, async () => {
      await this.#parts.clock?.syncIfStale();
      return operation(this.#base, this.#runs);
    });
  }

  migrate(options: MigrateOptions = {}): Promise<MigrationReport> {
    return this.#do((base) => migrate(base, this.#parts, options));
  }

  async createRuns(runs: readonly NewRun[]): Promise<readonly CreateOutcome[]> {
    return this.#do(async (base, all) => (runs.length === 0 ? [] : createRuns(base, all, runs)));
  }

  commit(batch: readonly Transition[]): Promise<readonly CommitOutcome[]> {
    return this.#do((base, runs) => commit(base, runs, batch));
  }

  signal(message: NewMessage): Promise<SignalOutcome> {
    return this.#do((base, runs) => signal(base, runs, message));
  }

  cancel(run: RunId, reason: string): Promise<"requested" | "ended" | "unknown"> {
    return this.#do((base, runs) => cancelRun(base, runs, run, reason));
  }

  load(run: RunId): Promise<RunRecord | undefined> {
    return this.#do((base) => loadRun(base, run));
  }

  list(query: ListQuery): Promise<Page<RunRecord>> {
    return this.#do((base) => listRuns(base, query));
  }

  history(
    run: RunId,
    options: { readonly after?: number; readonly limit?: number } = {},
  ): Promise<readonly EventRecord[]> {
    return this.#do((base) => history(base, run, options));
  }

  fibers(run: RunId): Promise<readonly FiberRecord[]> {
    return this.#do((base) => fibersOf(base, run));
  }

  children(run: RunId, parent: FiberKey, fork: number): Promise<readonly ChildResult[]> {
    return this.#do((base) => childrenOf(base, run, parent, fork));
  }

  messages(run: RunId): Promise<readonly MessageRecord[]> {
    return this.#do((base) => messagesOf(base, run));
  }

  revive(revival: Revival): Promise<"revived" | "not-ended" | "unknown"> {
    return this.#do((base, runs) => revive(base, runs, revival));
  }

  prune(options: Pruning): Promise<number> {
    return this.#do((base) => prune(base, options));
  }

  putDefinitions(definitions: readonly StoredDefinition[]): Promise<void> {
    return this.#do((base) => putDefinitions(base, definitions));
  }

  definition(fingerprint: Fingerprint): Promise<StoredDefinition | undefined> {
    return this.#do((base) => readDefinition(base, fingerprint));
  }

  blob(hash: string): Promise<string | undefined> {
    return this.#do((base) => readBlob(base, hash));
  }

  async register(worker: WorkerId, leaseMs: number, about: Wire = null): Promise<{ readonly epoch: number }> {
    return { epoch: await this.#do((base, runs) => register(base, runs, worker, { leaseMs, about })) };
  }

  workers(): Promise<readonly WorkerRecord[]> {
    return this.#do(workersOf);
  }

  putQueueRules(rules: readonly QueueRules[]): Promise<void> {
    return this.#do((base) => putQueueRules(base, rules));
  }

  queueRules(): Promise<readonly QueueRules[]> {
    return this.#do(queueRules);
  }

  claim(request: ClaimRequest): Promise<readonly LeasedFiber[]> {
    const claimed = this.#claiming.then(() => this.#do((base, runs) => claim(base, runs, request)));
    this.#claiming = claimed.catch(() => undefined); // its caller hears of it; the next claim only waits
    return claimed;
  }

  heartbeat(worker: WorkerId, epoch: number, leaseMs: number, about?: Wire): Promise<HeartbeatOutcome> {
    return this.#do((base) => heartbeat(base, { worker, epoch }, leaseMs, about));
  }

  sweep(): Promise<SweepOutcome> {
    return this.#do(sweep);
  }

  release(worker: WorkerId, epoch: number, which?: Which): Promise<number> {
    return this.#do((base, runs) => release(base, runs, { worker, epoch }, which));
  }

  nextDue(wanted: Pick<ClaimRequest, "queues" | "fingerprints">): Promise<number | undefined> {
    return this.#do((base) => nextDue(base, wanted));
  }

  putSchedule(schedule: ScheduleRecord): Promise<void> {
    return this.#do((base) => putSchedule(base, schedule));
  }

  schedules(): Promise<readonly ScheduleRecord[]> {
    return this.#do(schedules);
  }

  removeSchedule(id: string): Promise<boolean> {
    return this.#do((base) => removeSchedule(base, id));
  }

  moveSchedule(seen: ScheduleRecord, next: Pick<ScheduleRecord, "nextAt" | "lastAt" | "lastRun">): Promise<boolean> {
    return this.#do((base) => moveSchedule(base, seen, next));
  }

  getItems(refs: readonly ItemRef[]): Promise<readonly (Item | undefined)[]> {
    return this.#do((base) => getItems(base, refs));
  }

  putItems(items: readonly NewItem[]): Promise<readonly PutItemOutcome[]> {
    return this.#do(async () => this.#puts.put(items));
  }

  removeItems(refs: readonly ItemRef[]): Promise<number> {
    return this.#do((base) => removeItems(base, refs));
  }

  listItems(query: ItemQuery): Promise<readonly Item[]> {
    return this.#do((base) => listItems(base, query));
  }

  hold(holds: readonly Hold[]): Promise<readonly HoldOutcome[]> {
    return this.#do(async () => this.#ledger.hold(holds));
  }

  settleHolds(holds: readonly Settlement[]): Promise<number> {
    return this.#do(async () => this.#ledger.settle(holds));
  }

  balances(prefix = ""): Promise<readonly Balance[]> {
    return this.#do((base) => balances(base, prefix));
  }

  pruneAccounts(untouchedSince: number): Promise<number> {
    return this.#do((base) => pruneAccounts(base, untouchedSince));
  }

  subscribe(wake: (hint: WakeHint) => void): () => void {
    if (this.#closed) throw new FlujoError("STORE_CLOSED", `${this.#base.where}: the store was closed`);
    return this.#base.hints.subscribe(wake);
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#base.hints.close();
    await this.#parts.own?.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
