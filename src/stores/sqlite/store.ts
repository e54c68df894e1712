import type { Clock } from "../../domain/ambient.ts";
import { FlujoError } from "../../domain/errors.ts";
import type { FiberKey, Fingerprint, RunId, WorkerId } from "../../domain/ids.ts";
import type { EndStatus, RunRecord } from "../../domain/run.ts";
import { type Capabilities, SQLITE } from "../../ports/capabilities.ts";
import type {
  ClaimRequest,
  GuardRequest,
  HeartbeatOutcome,
  LeasedFiber,
  LeaseGuard,
  SweepOutcome,
  Which,
} from "../../ports/queue.ts";
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
import { insertDefinition, readBlob, readDefinition } from "./blobs.ts";
import { cancelRun } from "./cancel.ts";
import { claim, dueFibers, nextDue } from "./claim.ts";
import { Batch } from "./commit.ts";
import type { Connection } from "./driver.ts";
import { history } from "./events.ts";
import { guardLease } from "./guard.ts";
import { Hints } from "./hints.ts";
import { listRuns } from "./list.ts";
import { allMessages, deliver } from "./messages.ts";
import { migrate } from "./migrations.ts";
import { PRUNE_CHUNK, pruneChunk } from "./prune.ts";
import { childrenOf, createRun, fibersOf, loadRun, revive } from "./runs.ts";
import { anyExpired, heartbeat, register, release, sweep } from "./workers.ts";
import { Work } from "./work.ts";

/** The contract on one SQLite file. Each operation is synchronous inside, so a process never waits for itself. */
export class SqliteStore implements Store {
  readonly capabilities: Capabilities = SQLITE;
  readonly #db: Connection;
  readonly #now: () => number;
  readonly #hints: Hints;
  #closed = false;

  readonly guard?: (request: GuardRequest) => LeaseGuard;

  /** With a clock of its own (tests) there is no guard: its thread only knows the system's. */
  constructor(db: Connection, clock: Pick<Clock, "now"> | undefined) {
    this.#db = db;
    const { path } = db;
    if (clock === undefined && path !== undefined) this.guard = (request) => guardLease(path, request);
    const time = clock ?? Date;
    this.#now = () => time.now();
    this.#hints = new Hints(db);
  }

  #open(): void {
    if (this.#closed) throw new FlujoError("STORE_CLOSED", `the store ${this.#db.path ?? ""} was closed`);
  }

  /** One transaction; what it made ready is told only once it is durable. */
  async #write<T>(operation: (work: Work) => T): Promise<T> {
    return this.#tell((work) => this.#db.write(() => operation(work)));
  }

  /** Leases need no sync of their own. */
  async #writeLease<T>(operation: (work: Work) => T): Promise<T> {
    return this.#tell((work) => this.#db.writeLease(() => operation(work)));
  }

  #tell<T>(operation: (work: Work) => T): T {
    this.#open();
    const work = new Work(this.#db, this.#now());
    const result = operation(work);
    this.#hints.tell(work.hint());
    return result;
  }

  async #read<T>(operation: (db: Connection) => T): Promise<T> {
    this.#open();
    return this.#db.read(() => operation(this.#db));
  }

  async migrate(): Promise<void> {
    this.#open();
    this.#db.read(() => migrate(this.#db, this.#now));
  }

  async createRuns(runs: readonly NewRun[]): Promise<readonly CreateOutcome[]> {
    if (runs.length === 0) return [];
    return this.#write((work) => runs.map((run) => createRun(work, run)));
  }

  async commit(batch: readonly Transition[]): Promise<readonly CommitOutcome[]> {
    return batch.length === 0 ? [] : this.#write((work) => new Batch(work).commit(batch));
  }

  signal(message: NewMessage): Promise<SignalOutcome> {
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

  revive(revival: Revival): Promise<"revived" | "not-ended" | "unknown"> {
    return this.#write((work) => revive(work, revival));
  }

  /** In chunks, with a turn of the event loop between them: neither other processes nor this one stand still. */
  async prune({
    endedBefore,
    limit = Number.POSITIVE_INFINITY,
    statuses,
  }: {
    readonly endedBefore: number;
    readonly limit?: number;
    readonly statuses?: readonly EndStatus[];
  }): Promise<number> {
    for (let pruned = 0; ; ) {
      const chunk = Math.min(PRUNE_CHUNK, limit - pruned);
      const deleted = chunk <= 0 ? 0 : await this.#write(({ db }) => pruneChunk(db, endedBefore, chunk, statuses));
      pruned += deleted;
      if (deleted < PRUNE_CHUNK) return pruned;
      await new Promise((resolve) => setImmediate(resolve));
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

  async register(worker: WorkerId, leaseMs: number): Promise<{ readonly epoch: number }> {
    return { epoch: await this.#write((work) => register(work, worker, leaseMs)) };
  }

  /** Looks without the write lock first: an idle worker that polls stands in nobody's way. */
  async claim(request: ClaimRequest): Promise<readonly LeasedFiber[]> {
    const due = await this.#read((db) => (request.limit < 1 ? [] : dueFibers(db, request, this.#now(), 1)));
    return due.length === 0 ? [] : this.#writeLease((work) => claim(work, request));
  }

  heartbeat(worker: WorkerId, epoch: number, leaseMs: number): Promise<HeartbeatOutcome> {
    return this.#writeLease((work) => heartbeat(work, worker, epoch, leaseMs));
  }

  /** Looks without the write lock first: in a healthy cluster there is nothing to sweep. */
  async sweep(): Promise<SweepOutcome> {
    const expired = await this.#read((db) => anyExpired(db, this.#now()));
    return expired ? this.#writeLease(sweep) : { workers: [], fibers: 0 };
  }

  release(worker: WorkerId, epoch: number, which?: Which): Promise<number> {
    return this.#writeLease((work) => release(work, worker, epoch, which));
  }

  nextDue(wanted: Pick<ClaimRequest, "queues" | "fingerprints">): Promise<number | undefined> {
    return this.#read((db) => nextDue(db, wanted));
  }

  subscribe(wake: (hint: WakeHint) => void): () => void {
    this.#open();
    return this.#hints.subscribe(wake);
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#hints.close();
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
