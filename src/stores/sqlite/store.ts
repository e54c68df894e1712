import { resolve } from "node:path";
import type { Clock } from "../../domain/ambient.ts";
import { FlujoError } from "../../domain/errors.ts";
import type { FiberKey, Fingerprint, RunId, WorkerId } from "../../domain/ids.ts";
import type { EndStatus, RunRecord } from "../../domain/run.ts";
import { type Capabilities, SQLITE } from "../../ports/capabilities.ts";
import type { Wire } from "../../domain/wire.ts";
import type { Item, ItemQuery, ItemRef, NewItem, PutItemOutcome } from "../../ports/items.ts";
import type { Balance, Hold, HoldOutcome, Settlement } from "../../ports/ledger.ts";
import type { MigrateOptions, MigrationReport } from "../../ports/migration.ts";
import { refuseUnsendable } from "../../ports/new-message.ts";
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
import { ofRun } from "../../ports/transact.ts";
import { insertDefinition, readBlob, readDefinition } from "./blobs.ts";
import { cancelRun } from "./cancel.ts";
import { anyDue, claim, markAll, mustMark, nextDue } from "./claim.ts";
import { Batch } from "./commit.ts";
import type { Connection } from "./driver.ts";
import { history } from "./events.ts";
import { guardLease } from "./guard.ts";
import { Hints } from "./hints.ts";
import { dropExpired, EXPIRED_CHUNK, getItems, listItems, putItems, removeItems } from "./items.ts";
import { ACCOUNTS_CHUNK, balances, hold, pruneAccounts, settleHolds } from "./ledger.ts";
import { listRuns } from "./list.ts";
import { allMessages, deliver } from "./messages.ts";
import { migrate } from "./migrations.ts";
import { checkRules, type QueueRules } from "../../ports/queue-rules.ts";
import { allGoverned, putRules } from "./rules.ts";
import { PRUNE_CHUNK, pruneChunk } from "./prune.ts";
import { childrenOf, createRun, fibersOf, loadRun, revive } from "./runs.ts";
import { allSchedules, moveSchedule, putSchedule, removeSchedule } from "./schedules.ts";
import { transaction } from "./transaction.ts";
import { otherTurn, takeTurn } from "./turns.ts";
import { allWorkers, anyExpired, heartbeat, register, release, sweep } from "./workers.ts";
import { Work } from "./work.ts";

/** The contract on one SQLite file. Each operation is synchronous inside, so a process never waits for itself. */
export class SqliteStore implements Store {
  readonly capabilities: Capabilities = SQLITE;
  readonly #db: Connection;
  readonly #now: () => number;
  readonly #hints: Hints;
  /** What names the database among all stores of this process. */
  readonly #name: unknown;
  #closed = false;

  readonly guard?: (request: GuardRequest) => LeaseGuard;

  /** With a clock of its own (tests) there is no guard: its thread only knows the system's. */
  constructor(db: Connection, clock: Pick<Clock, "now"> | undefined) {
    this.#db = db;
    const { path, driver } = db;
    this.#name = path === undefined ? driver : resolve(path);
    if (clock === undefined && path !== undefined) this.guard = (request) => guardLease(path, request);
    const time = clock ?? Date;
    this.#now = () => time.now();
    this.#hints = new Hints(db);
  }

  #open(): void {
    if (this.#closed) throw new FlujoError("STORE_CLOSED", `the store ${this.#db.path ?? ""} was closed`);
  }

  /** One transaction; what it made ready is told only once it is durable. */
  #write<T>(operation: (work: Work) => T): Promise<T> {
    return this.#inTurn(() => this.#tell((inside) => this.#db.write(inside), operation));
  }

  /** Leases need no sync of their own. */
  #writeLease<T>(operation: (work: Work) => T): Promise<T> {
    return this.#inTurn(() => this.#tell((inside) => this.#db.writeLease(inside), operation));
  }

  /** At once, unless a transaction is open. */
  async #inTurn<T>(operation: () => T | Promise<T>): Promise<T> {
    for (let other = otherTurn(this.#name); other !== undefined; other = otherTurn(this.#name)) await other;
    this.#open();
    return operation();
  }

  /** The instant of an operation is when it has the lock: another process may have had it for long, and charged its own to a rate. */
  #tell<T>(write: (inside: () => T) => T, operation: (work: Work) => T): T {
    let work: Work | undefined;
    const result = write(() => operation((work = new Work(this.#db, this.#now()))));
    this.#hints.tell(work?.hint());
    return result;
  }

  #read<T>(operation: (db: Connection) => T): Promise<T> {
    return this.#inTurn(() => this.#db.read(() => operation(this.#db)));
  }

  migrate(options?: MigrateOptions): Promise<MigrationReport> {
    return this.#read((db) => migrate(db, this.#now, options));
  }

  async createRuns(runs: readonly NewRun[]): Promise<readonly CreateOutcome[]> {
    if (runs.length === 0) return [];
    return this.#write((work) => runs.map((run) => createRun(work, run)));
  }

  async commit(batch: readonly Transition[]): Promise<readonly CommitOutcome[]> {
    return batch.length === 0 ? [] : this.#write((work) => new Batch(work).commit(batch));
  }

  /**
   * `tx` is the driver's own database: run statements with it, and leave COMMIT and ROLLBACK to the store. While the
   * transaction is open the file stands still for everybody, the heartbeats of this process included: work that lasts nearly
   * as long as a lease makes the worker give its fibers up, this one too.
   */
  transact(run: RunId, work: (tx: unknown) => Promise<Transition | undefined>): Promise<CommitOutcome | undefined> {
    const checked = async (tx: unknown): Promise<Transition | undefined> => {
      const transition = await work(tx);
      this.#open();
      return ofRun(run, transition);
    };
    return this.#inTurn(() =>
      takeTurn(this.#name, async () => {
        let told: Work | undefined;
        const outcome = await transaction(this.#db, checked, () => (told = new Work(this.#db, this.#now())));
        if (outcome?.status === "committed") this.#hints.tell(told?.hint());
        return outcome;
      }),
    );
  }

  async signal(message: NewMessage): Promise<SignalOutcome> {
    refuseUnsendable(message);
    return this.#write((work) => deliver(work, message));
  }

  cancel(run: RunId, reason: string): Promise<"requested" | "ended" | "unknown"> {
    return this.#write((work) => cancelRun(work, run, reason));
  }

  load(run: RunId): Promise<RunRecord | undefined> {
    return this.#read((db) => loadRun(db, this.#now(), run));
  }

  list(query: ListQuery): Promise<Page<RunRecord>> {
    return this.#read((db) => listRuns(db, this.#now(), query));
  }

  history(
    run: RunId,
    { after = 0, limit }: { readonly after?: number; readonly limit?: number } = {},
  ): Promise<readonly EventRecord[]> {
    return this.#read((db) => history(db, run, after, limit));
  }

  fibers(run: RunId): Promise<readonly FiberRecord[]> {
    return this.#read((db) => fibersOf(db, run));
  }

  children(run: RunId, parent: FiberKey, fork: number): Promise<readonly ChildResult[]> {
    return this.#read((db) => childrenOf(db, run, parent, fork));
  }

  messages(run: RunId): Promise<readonly MessageRecord[]> {
    return this.#read((db) => allMessages(db, run));
  }

  async revive(revival: Revival): Promise<"revived" | "not-ended" | "unknown"> {
    revival.messages.forEach(refuseUnsendable);
    return this.#write((work) => revive(work, revival));
  }

  async prune({
    endedBefore,
    limit,
    statuses,
  }: {
    readonly endedBefore: number;
    readonly limit?: number;
    readonly statuses?: readonly EndStatus[];
  }): Promise<number> {
    await this.#inChunks(EXPIRED_CHUNK, ({ db, now }, chunk) => dropExpired(db, now, chunk));
    return this.#inChunks(PRUNE_CHUNK, ({ db }, chunk) => pruneChunk(db, endedBefore, chunk, statuses), limit);
  }

  /** A long deletion in several transactions, until one of them finds less than it may take. Answers how many there were. */
  async #inChunks(
    size: number,
    operation: (work: Work, chunk: number) => number,
    limit: number = Number.POSITIVE_INFINITY,
  ): Promise<number> {
    for (let deleted = 0; ; ) {
      const chunk = Math.min(size, limit - deleted);
      const found = chunk <= 0 ? 0 : await this.#write((work) => operation(work, chunk));
      deleted += found;
      if (found < size) return deleted;
      await nextTurn();
    }
  }

  async putDefinitions(definitions: readonly StoredDefinition[]): Promise<void> {
    if (definitions.length === 0) return;
    await this.#write(({ db }) => {
      for (const definition of definitions) insertDefinition(db, definition);
    });
  }

  definition(fingerprint: Fingerprint): Promise<StoredDefinition | undefined> {
    return this.#read((db) => readDefinition(db, fingerprint));
  }

  blob(hash: string): Promise<string | undefined> {
    return this.#read((db) => readBlob(db, hash));
  }

  async register(worker: WorkerId, leaseMs: number, about: Wire = null): Promise<{ readonly epoch: number }> {
    return { epoch: await this.#write((work) => register(work, worker, leaseMs, about)) };
  }

  workers(): Promise<readonly WorkerRecord[]> {
    return this.#read(allWorkers);
  }

  /** Looks without the write lock first: an idle worker that polls stands in nobody's way. */
  async claim(request: ClaimRequest): Promise<readonly LeasedFiber[]> {
    const due = request.limit >= 1 && (await this.#read((db) => anyDue(db, request, this.#now())));
    if (!due) return [];
    for (;;) {
      const { fibers, more } = await this.#writeLease((work) => claim(work, request));
      if (fibers.length > 0 || !more) return fibers;
      await nextTurn();
    }
  }

  heartbeat(worker: WorkerId, epoch: number, leaseMs: number, about?: Wire): Promise<HeartbeatOutcome> {
    return this.#writeLease((work) => heartbeat(work, { worker, epoch, leaseMs, about }));
  }

  /** Looks without the write lock first: in a healthy cluster there is nothing to sweep. */
  async sweep(): Promise<SweepOutcome> {
    const expired = await this.#read((db) => anyExpired(db, this.#now()));
    return expired ? this.#writeLease(sweep) : { workers: [], fibers: 0 };
  }

  release(worker: WorkerId, epoch: number, which?: Which): Promise<number> {
    return this.#writeLease((work) => release(work, worker, epoch, which));
  }

  async nextDue(wanted: Pick<ClaimRequest, "queues" | "fingerprints">): Promise<number | undefined> {
    while (await this.#read((db) => mustMark(db, wanted, this.#now()))) {
      await this.#writeLease((work) => markAll(work, wanted));
      await nextTurn();
    }
    return this.#read((db) => nextDue(db, wanted, this.#now()));
  }

  async putQueueRules(rules: readonly QueueRules[]): Promise<void> {
    const checked = checkRules(rules);
    if (checked.length > 0) await this.#write((work) => putRules(work, checked));
  }

  queueRules(): Promise<readonly QueueRules[]> {
    return this.#read((db) => allGoverned(db).map(({ rules }) => rules));
  }

  putSchedule(schedule: ScheduleRecord): Promise<void> {
    return this.#write(({ db }) => putSchedule(db, schedule));
  }

  schedules(): Promise<readonly ScheduleRecord[]> {
    return this.#read(allSchedules);
  }

  removeSchedule(id: string): Promise<boolean> {
    return this.#write(({ db }) => removeSchedule(db, id));
  }

  moveSchedule(seen: ScheduleRecord, next: Pick<ScheduleRecord, "nextAt" | "lastAt" | "lastRun">): Promise<boolean> {
    return this.#write(({ db }) => moveSchedule(db, seen, next));
  }

  getItems(refs: readonly ItemRef[]): Promise<readonly (Item | undefined)[]> {
    return this.#read((db) => getItems(db, refs, this.#now()));
  }

  async putItems(items: readonly NewItem[]): Promise<readonly PutItemOutcome[]> {
    return items.length === 0 ? [] : this.#write(({ db, now }) => putItems(db, items, now));
  }

  async removeItems(refs: readonly ItemRef[]): Promise<number> {
    return refs.length === 0 ? 0 : this.#write(({ db, now }) => removeItems(db, refs, now));
  }

  listItems(query: ItemQuery): Promise<readonly Item[]> {
    return this.#read((db) => listItems(db, query, this.#now()));
  }

  async hold(holds: readonly Hold[]): Promise<readonly HoldOutcome[]> {
    return holds.length === 0 ? [] : this.#write(({ db, now }) => hold(db, holds, now));
  }

  async settleHolds(holds: readonly Settlement[]): Promise<number> {
    return holds.length === 0 ? 0 : this.#write(({ db, now }) => settleHolds(db, holds, now));
  }

  balances(prefix = ""): Promise<readonly Balance[]> {
    return this.#read((db) => balances(db, prefix));
  }

  pruneAccounts(untouchedSince: number): Promise<number> {
    return this.#inChunks(ACCOUNTS_CHUNK, ({ db }, chunk) => pruneAccounts(db, untouchedSince, chunk));
  }

  subscribe(wake: (hint: WakeHint) => void): () => void {
    this.#open();
    return this.#hints.subscribe(wake);
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#hints.close();
    if (otherTurn(this.#name) !== undefined) this.#db.rollback(); // libsql would keep the lock beyond the close
    try {
      this.#db.checkpoint();
    } finally {
      this.#db.close();
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

/** Between two parts of a long operation: neither other processes nor this one stand still. */
const nextTurn = async (): Promise<void> => new Promise((resolve) => void setImmediate(resolve));
