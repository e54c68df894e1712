import { FlujoError } from "../domain/errors.ts";
import { type Failure, failure, failureFrom } from "../domain/failure.ts";
import type { RunId, WorkerId } from "../domain/ids.ts";
import type { Definition } from "../definition/definition.ts";
import { ExecutionManager } from "../engine/execution-manager.ts";
import type { Resident } from "../engine/resident.ts";
import { rowOf } from "../engine/scheduling.ts";
import type { Happened } from "../planner/planning.ts";
import type { ClaimRequest, LeasedFiber } from "../ports/queue.ts";
import type { FiberData, Lease, NewRun } from "../ports/store.ts";
import { describer } from "./about.ts";
import { Committer } from "./committer.ts";
import type { WorkerDeps } from "./deps.ts";
import { Driver } from "./driver.ts";
import { Holdings } from "./holdings.ts";
import { LeaseKeeper } from "./lease-keeper.ts";
import { type WorkerSettings, workerSettings } from "./options.ts";
import { Poller } from "./poller.ts";
import { Scheduler } from "./scheduler.ts";
import { StepCoordinator } from "./step-coordinator.ts";

/** Adoptions beyond the limit after which a fiber is ended without asking the planner, whose failing may be what is wrong. */
const GIVE_UP_AFTER = 3;
const ABORT_GRACE_MS = 1_000;
/** What the store may wrongly think is held here is given back by the next claim: as late as this, however idle we are. */
const SETTLE_MS = 1_000;
/** What cannot be ended now is tried again, but not as fast as this process can. */
const CONDEMN_AGAIN_MS = 1_000;

/**
 * Claims ready fibers and advances them. A fiber stays resident while there is something to do: no re-queue, no re-read, no
 * replay between its steps. One `start`, one `stop`; both may be called twice, early, or during each other.
 */
export class Worker implements AsyncDisposable {
  readonly id: WorkerId;
  readonly #deps: WorkerDeps;
  readonly #settings: WorkerSettings;
  readonly #holdings: Holdings;
  readonly #manager: ExecutionManager;
  readonly #driver: Driver;
  readonly #committer: Committer;
  readonly #keeper: LeaseKeeper;
  readonly #poller: Poller;
  readonly #scheduler: Scheduler | undefined;
  readonly #governed = new Set<string>();
  readonly #driving = new Set<Promise<void>>();
  /** Held, and without a slot: a claim and a start on their way at the same time may have filled the same one. */
  readonly #queued: (() => void)[] = [];
  #idle: (() => void)[] = [];
  #starting: Promise<void> | undefined;
  #stopping: Promise<void> | undefined;
  #draining = false;
  #aborting = false;

  constructor(deps: WorkerDeps) {
    const { store, ambient, registry, payloads, policies, host, id, observe } = deps;
    const settings = workerSettings(deps.options ?? {}, store.capabilities);
    this.#deps = deps;
    this.#settings = settings;
    this.id = id;
    this.#keeper = this.#leaseKeeper();
    this.#holdings = new Holdings(store, id, {
      ambient,
      tenure: () => this.#keeper,
      doubted: () => this.#poller.wakeAt(ambient.clock.now() + SETTLE_MS),
    });
    this.#committer = new Committer(store, ambient, (error) => this.#failed("commit", error));
    this.#poller = this.#newPoller();
    this.#scheduler = this.#newScheduler();
    const queues = new Set(settings.queues);
    this.#manager = new ExecutionManager({
      store,
      payloads,
      registry,
      ambient,
      queues,
      takeChildren: (parent, wanted) => this.#takeChildren(parent, wanted),
      ...(deps.limitsOf && { limitsOf: deps.limitsOf }),
      ...(deps.backgroundLimits && { backgroundLimits: deps.backgroundLimits }),
    });
    this.#driver = new Driver({
      worker: deps,
      manager: this.#manager,
      coordinator: new StepCoordinator(policies, host, observe),
      committer: this.#committer,
      holdings: this.#holdings,
      poller: this.#poller,
      store,
      host,
      shared: host.agency?.shared,
      queues: settings.queues,
      governed: this.#governed,
      draining: () => this.#draining,
      aborting: () => this.#aborting,
      keep: (resident, first) => this.#keep(resident, first),
    });
  }

  get freeSlots(): number {
    return this.#draining ? 0 : Math.max(0, this.#settings.concurrency - this.#holdings.size);
  }

  /**
   * The lease under which a run of that queue may be born here, and a slot for it until `redeem`; undefined when it is not for
   * this worker, or it takes no more.
   */
  promise(queue: string): Lease | undefined {
    if (!this.#keeper.held || this.freeSlots === 0 || !this.#settings.queues.includes(queue)) return undefined;
    this.#holdings.promise();
    return { worker: this.id, epoch: this.#keeper.epoch };
  }

  /** The store has answered what became of a run that was promised a slot. */
  redeem(): void {
    this.#holdings.redeem();
  }

  #takeChildren(parent: Resident, wanted: number): number {
    if (this.#draining) return 0;
    const taken = Math.min(wanted, this.freeSlots + 1); // the parent parks, and leaves its own slot
    this.#holdings.promiseChildren(parent, taken - 1);
    return taken;
  }

  /** Registers with the store and begins to look for work. Idempotent. */
  start(): Promise<void> {
    return (this.#starting ??= this.#start());
  }

  async #start(): Promise<void> {
    await this.#keeper.start();
    if (this.#draining) return;
    const { ambient, observe } = this.#deps;
    observe?.({ kind: "worker.started", at: ambient.clock.now(), worker: this.id });
    this.#poller.start();
    this.#scheduler?.nudge();
  }

  /** Stops claiming, lets running steps finish within the drain time, aborts the rest, hands leases back. Idempotent, safe early. */
  stop(): Promise<void> {
    return (this.#stopping ??= this.#stop());
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  async #stop(): Promise<void> {
    this.#draining = true;
    this.#queued.length = 0;
    const started = await this.#starting?.then(
      () => true,
      () => false, // whoever started it has been told why it could not
    );
    const looked = Promise.all([this.#poller.stop(), this.#scheduler?.stop()]).then(() => undefined);
    const quiet = looked.then(() => this.#drained());
    const { drainMs } = this.#settings;
    if (!(await this.#within(drainMs, quiet))) {
      this.#aborting = true;
      this.#holdings.abortAll(new FlujoError("CLOSED", "the worker is stopping"));
      await this.#within(Math.min(ABORT_GRACE_MS, drainMs), quiet);
      this.#holdings.dropAll();
    }
    const { epoch } = this.#keeper;
    await this.#keeper.stop();
    this.#committer.close(); // a look for work may wait for a fork that cannot be committed: that ends here
    await looked;
    await this.#holdings.settled(); // what comes to this worker after it has given all back would be its for ever
    if (started !== true) return;
    const { ambient, store, observe } = this.#deps;
    await store.release(this.id, epoch).catch((error: unknown) => this.#failed("release", error));
    // A lease that ends now: nobody waits for a worker that has left, and others do not take it for one that serves a queue.
    await store.heartbeat(this.id, epoch, 0).catch((error: unknown) => this.#failed("heartbeat", error));
    observe?.({ kind: "worker.stopped", at: ambient.clock.now(), worker: this.id });
  }

  /** Resolves when nothing is driven any more. */
  #drained(): Promise<void> {
    return this.#driving.size === 0 ? Promise.resolve() : new Promise((resolve) => this.#idle.push(resolve));
  }

  /** False when the time is up first. */
  #within(ms: number, done: Promise<void>): Promise<boolean> {
    return new Promise((resolve) => {
      const cancel = this.#deps.ambient.clock.after(ms, () => resolve(false));
      void done.then(() => {
        cancel();
        resolve(true);
      });
    });
  }

  /** These queues have rules: when a place of one of them is left here, this worker looks who may have it. */
  govern(queues: Iterable<string>): void {
    for (const queue of queues) this.#governed.add(queue);
  }

  /** Looks for work now: something may have become ready. */
  wake(): void {
    this.#poller.wake();
  }

  /** Looks at the schedules now: one of them has changed. */
  schedulesChanged(): void {
    this.#scheduler?.nudge();
  }

  /** Stops what a run does here, without waiting for the next heartbeat. */
  cancelHere(run: RunId, reason: string): void {
    this.#holdings.cancel(run, "0", reason);
  }

  /** Runs an operation whose answer may give this worker leases. */
  leasing<T>(operation: () => Promise<T>): Promise<T> {
    return this.#holdings.leasing(operation);
  }

  /** Takes over a run that was born leased to this worker. */
  adoptNew({ id, lease, root, metadata, parent: parentRun, fingerprint }: NewRun, definition: Definition): void {
    if (lease === undefined) return;
    const alone = { parent: undefined, fork: undefined, ordinal: undefined, scheduling: rowOf(root), claimedAt: 0 };
    const born = { seq: 0, deliveries: 0, messages: [], cancel: undefined, dropped: false, abort: undefined };
    this.#adopting({ run: id, key: root.key, epoch: lease.epoch }, root, (fiber) =>
      this.#keep(
        { run: id, key: root.key, definition, fingerprint, metadata, parentRun, ...alone, lease, fiber, ...born },
        { type: "began" },
      ),
    );
  }

  async #claim(request: ClaimRequest): Promise<number> {
    await this.#holdings.settleDoubt();
    const claimed = await this.#holdings.leasing(() => this.#deps.store.claim(request));
    if (claimed.length > 0) this.#keeper.guardFromNow();
    for (const row of claimed) this.#adopt(row, { worker: this.id, epoch: request.epoch });
    return claimed.length;
  }

  #adopt(row: LeasedFiber, lease: Lease): void {
    const definition = this.#deps.registry.byFingerprint(row.fingerprint);
    if (definition === undefined) return this.#holdings.giveBack({ run: row.run, fiber: row.key }, lease.epoch);
    const deliveries = row.deliveries + this.#holdings.faultsOf(row);
    const { maxDeliveries } = this.#settings;
    const lost = failure(
      "WORKER_LOST",
      `${deliveries - 1} workers in a row took this up and were lost without progress`,
    );
    if (deliveries > maxDeliveries + GIVE_UP_AFTER) return void this.#condemn(row, lease, lost);
    const { run, key, fingerprint, metadata, parentRun, parent, fork, ordinal, seq, messages, cancel, claimedAt } = row;
    const rest = { scheduling: rowOf(row), claimedAt, deliveries, messages, cancel, dropped: false, abort: undefined };
    // A reservation is recorded, so the store counts it as progress: who dies after it has progressed nowhere.
    const first = ({ quota }: Resident["fiber"]): Happened | undefined =>
      deliveries + (quota?.lost ?? 0) > maxDeliveries ? { type: "broken", failure: lost } : undefined;
    const condemn = (why: unknown): void => void this.#condemn(row, lease, failureFrom(why));
    this.#adopting(
      { run, key, epoch: lease.epoch },
      row,
      (fiber) =>
        this.#keep(
          { run, key, definition, fingerprint, metadata, parentRun, parent, fork, ordinal, lease, seq, fiber, ...rest },
          first(fiber),
        ),
      condemn,
    );
  }

  /** Ends a fiber that nobody can go on with. Where that is refused it is given back: this worker does not know of it. */
  async #condemn(row: LeasedFiber, lease: Lease, why: Failure): Promise<void> {
    const { status } = await this.#committer.commit(this.#manager.condemn(row, lease, why));
    if (status !== "committed")
      this.#holdings.giveBack({ run: row.run, fiber: row.key }, lease.epoch, CONDEMN_AGAIN_MS);
  }

  /** Brings a fiber's large values back, when it has some, and goes on. What can never be read is condemned; a store in trouble is not. */
  #adopting(
    { run, key, epoch }: Pick<Resident, "run" | "key"> & { readonly epoch: number },
    data: FiberData,
    keep: (fiber: Resident["fiber"]) => void,
    condemn?: (why: unknown) => void,
  ): void {
    const where = `${run}/${key}`;
    const refuse = (error: unknown): void => {
      const unreadable =
        error instanceof FlujoError && (error.code === "BLOB_MISSING" || error.code === "RECORD_UNDECODABLE");
      if (unreadable && condemn !== undefined) return condemn(error);
      this.#failed("adopt", error);
      this.#holdings.giveBack({ run, fiber: key }, epoch);
    };
    try {
      const fiber = this.#manager.inflate(data, where);
      if (!(fiber instanceof Promise)) return keep(fiber);
      void this.#holdings.leasing(() => fiber.then(keep, refuse));
    } catch (error) {
      refuse(error);
    }
  }

  #keep(resident: Resident, first: Happened | undefined): void {
    if (!this.#holdings.add(resident)) return;
    if (this.#driving.size < this.#settings.concurrency) this.#drive(resident, first);
    else if (!this.#draining) this.#queued.push(() => this.#drive(resident, first));
  }

  #drive(resident: Resident, first: Happened | undefined): void {
    const drive: Promise<void> = this.#driver
      .drive(resident, first)
      .catch((error: unknown) => {
        this.#failed("advance", error);
        this.#holdings.faulted(resident);
      })
      .finally(() => {
        this.#driving.delete(drive);
        this.#holdings.remove(resident);
        this.#queued.shift()?.();
        if (this.#driving.size === 0) for (const done of this.#idle.splice(0)) done();
        this.#poller.slotFreed();
      });
    this.#driving.add(drive);
  }

  #leaseKeeper(): LeaseKeeper {
    const { store, ambient, registry, observe, id, sweeps = store.capabilities.shared } = this.#deps;
    return new LeaseKeeper(store, id, {
      settings: this.#settings,
      ambient,
      sweeps,
      about: describer(registry, this.#settings, ambient.clock.now()),
      busy: () => this.#holdings.size > 0,
      events: {
        cancelled: (fibers) => {
          for (const { run, fiber, reason } of fibers) this.#holdings.cancel(run, fiber, reason);
        },
        registered: () => this.#poller.wake(),
        lost: () =>
          this.#holdings.dropAll(({ run, definition }) =>
            observe?.({ kind: "lease.lost", at: ambient.clock.now(), run, flow: definition.name, worker: id }),
          ),
        swept: (fibers) => {
          observe?.({ kind: "worker.swept", at: ambient.clock.now(), worker: id, fibers });
          this.#poller.wake();
        },
        failed: (operation, error) => this.#failed(operation, error),
      },
    });
  }

  #newPoller(): Poller {
    const { store, ambient, registry } = this.#deps;
    const { pollMs, queues, batchSize } = this.#settings;
    return new Poller(store, {
      ambient,
      pollMs,
      request: () => {
        const limit = this.#keeper.held ? Math.min(this.freeSlots, batchSize) : 0;
        return { worker: this.id, epoch: this.#keeper.epoch, fingerprints: registry.fingerprints, queues, limit };
      },
      claim: (request) => this.#claim(request),
      failed: (error) => this.#failed("claim", error),
    });
  }

  #newScheduler(): Scheduler | undefined {
    const { store, ambient, registry, payloads, observe, runsSchedules = true, limitsOf } = this.#deps;
    const { schedulesMs } = this.#settings;
    if (schedulesMs === undefined || !runsSchedules) return undefined;
    return new Scheduler({
      store,
      registry,
      payloads,
      ambient,
      observe,
      everyMs: schedulesMs,
      ...(limitsOf && { limitsOf }),
      failed: (error) => this.#failed("schedules", error),
      started: () => this.#poller.wake(),
    });
  }

  #failed(operation: string, error: unknown): void {
    const { observe, ambient } = this.#deps;
    observe?.({
      kind: "store.failed",
      at: ambient.clock.now(),
      operation,
      failure: failureFrom(error, "STORE_UNAVAILABLE"),
    });
  }
}
