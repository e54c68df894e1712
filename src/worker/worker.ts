import type { Ambient } from "../domain/ambient.ts";
import { FlujoError } from "../domain/errors.ts";
import { failure, failureFrom } from "../domain/failure.ts";
import type { RunId, WorkerId } from "../domain/ids.ts";
import type { Wire } from "../domain/wire.ts";
import type { Definition } from "../definition/definition.ts";
import { type Advance, ExecutionManager } from "../engine/execution-manager.ts";
import { fiberOf } from "../engine/fiber-codec.ts";
import type { Payloads } from "../engine/payloads.ts";
import type { Registry } from "../engine/registry.ts";
import type { Resident } from "../engine/resident.ts";
import type { Happened } from "../planner/planning.ts";
import type { PolicyRegistry } from "../policies/registry.ts";
import type { Observation } from "../ports/observer.ts";
import type { FiberRef, LeasedFiber } from "../ports/queue.ts";
import type { CommitOutcome, FiberData, Lease, NewRun, RunEnd, Store } from "../ports/store.ts";
import { adoptionEvent } from "./adoption.ts";
import { Committer } from "./committer.ts";
import { LeaseKeeper } from "./lease-keeper.ts";
import { type WorkerOptions, type WorkerSettings, workerSettings } from "./options.ts";
import { Poller } from "./poller.ts";
import { StepCoordinator } from "./step-coordinator.ts";
import type { StepHost } from "./step-context.ts";

export interface WorkerDeps {
  readonly store: Store;
  readonly registry: Registry;
  readonly payloads: Payloads;
  readonly policies: PolicyRegistry;
  readonly host: StepHost;
  readonly ambient: Ambient;
  readonly id: WorkerId;
  readonly options?: WorkerOptions;
  /** Whether to look for dead workers. Default: where several processes share the store. */
  readonly sweeps?: boolean;
  readonly observe?: (observation: Observation) => void;
  /** Told at once, without a read, when a run ends here. */
  readonly onRunEnd?: (run: RunId, end: RunEnd, value: Wire) => void;
  /** Told when a fiber of a run waits for somebody outside: the run may be paused now. */
  readonly onPark?: (run: RunId) => void;
  /** A named point in a fiber's life, for fault injection; see `flujo/testing`. */
  readonly at?: (point: FaultPoint, where: { readonly run: string; readonly path: string }) => void | Promise<void>;
}

/** Where a process may die. Each has its test: a kill there loses nothing and repeats no recorded step. */
export const FAULT_POINTS = [
  "after-claim",
  "before-step",
  "after-step",
  "before-commit",
  "after-commit",
  "after-park",
  "before-end",
  "after-end",
] as const;
export type FaultPoint = (typeof FAULT_POINTS)[number];

/** Adoptions beyond the limit after which a fiber is ended without asking the planner, whose failing may be what is wrong. */
const GIVE_UP_AFTER = 3;

/** After this many commits the event loop gets a turn: fibers of a memory store would otherwise starve timers and I/O. */
const COMMITS_PER_TURN = 256;

/**
 * Claims ready fibers and advances them: execute a step through its policies → plan → commit → go on with the same fiber, or
 * let it go. A fiber stays resident while there is something to do: no re-queue, no re-read, no replay between its steps.
 */
export class Worker implements AsyncDisposable {
  readonly id: WorkerId;
  readonly #deps: WorkerDeps;
  readonly #settings: WorkerSettings;
  readonly #residents = new Map<string, Resident>();
  readonly #driving = new Set<Promise<void>>();
  readonly #manager: ExecutionManager;
  readonly #coordinator: StepCoordinator;
  readonly #committer: Committer;
  readonly #keeper: LeaseKeeper;
  readonly #poller: Poller;
  readonly #idle: (() => void)[] = [];
  readonly #faults = new Map<string, number>();
  #commits = 0;
  #starting: Promise<void> | undefined;
  #stopping: Promise<void> | undefined;
  #draining = false;
  /** Answers that gave leases and were lost: what the store thinks we hold must be compared with what we hold. */
  #doubt = false;
  #leasing = 0;

  constructor(deps: WorkerDeps) {
    const {
      store,
      ambient,
      registry,
      payloads,
      policies,
      host,
      options = {},
      sweeps = store.capabilities.shared,
    } = deps;
    this.#deps = deps;
    this.id = deps.id;
    const settings = (this.#settings = workerSettings(options));
    this.#manager = new ExecutionManager({
      store,
      payloads,
      registry,
      ambient,
      queues: new Set(settings.queues),
      freeSlots: () => this.freeSlots,
    });
    this.#coordinator = new StepCoordinator(policies, host, deps.observe);
    this.#committer = new Committer(store, ambient, (error) => this.#storeFailed("commit", error));
    this.#keeper = new LeaseKeeper(store, deps.id, {
      settings,
      ambient,
      sweeps,
      events: {
        cancelled: (fibers) => this.#cancelled(fibers),
        lost: () => this.#loseAll(),
        swept: (fibers) => {
          deps.observe?.({ kind: "worker.swept", at: ambient.clock.now(), worker: deps.id, fibers });
          this.#poller.wake();
        },
        failed: (operation, error) => this.#storeFailed(operation, error),
      },
    });
    this.#poller = new Poller(store, {
      ambient,
      pollMs: settings.pollMs,
      request: () => ({
        worker: this.id,
        epoch: this.#keeper.epoch,
        fingerprints: registry.fingerprints,
        queues: settings.queues,
        limit: this.#keeper.held && !this.#draining ? Math.min(this.freeSlots, settings.batchSize) : 0,
      }),
      claim: (request) => this.#claim(request),
      failed: (error) => this.#storeFailed("claim", error),
    });
  }

  get freeSlots(): number {
    return this.#draining ? 0 : Math.max(0, this.#settings.concurrency - this.#residents.size);
  }

  /** The lease under which a run may be born here; undefined when this worker takes no more. */
  get lease(): Lease | undefined {
    return this.#keeper.held && this.freeSlots > 0 ? { worker: this.id, epoch: this.#keeper.epoch } : undefined;
  }

  /** Registers with the store and begins to look for work. Idempotent. */
  start(): Promise<void> {
    return (this.#starting ??= this.#start());
  }

  async #start(): Promise<void> {
    await this.#keeper.start();
    const { ambient, observe } = this.#deps;
    observe?.({ kind: "worker.started", at: ambient.clock.now(), worker: this.id });
    this.#poller.start();
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
    await this.#starting?.catch(() => undefined); // whoever started it has been told
    await this.#poller.stop();
    const { ambient, store, observe } = this.#deps;
    if (!(await this.#drained(this.#settings.drainMs))) {
      for (const resident of this.#residents.values())
        resident.abort?.(new FlujoError("CLOSED", "the worker is stopping"));
      await this.#drained(Math.min(1_000, this.#settings.drainMs));
      this.#dropAll();
    }
    await this.#keeper.stop();
    this.#committer.close();
    if (this.#starting !== undefined) {
      await store.release(this.id, this.#keeper.epoch).catch((error: unknown) => this.#storeFailed("release", error));
      observe?.({ kind: "worker.stopped", at: ambient.clock.now(), worker: this.id });
    }
  }

  /** True when nothing is driven any more; false when the time is up first. */
  async #drained(withinMs: number): Promise<boolean> {
    if (this.#driving.size === 0) return true;
    return new Promise((resolve) => {
      const cancel = this.#deps.ambient.clock.after(withinMs, () => resolve(false));
      this.#idle.push(() => {
        cancel();
        resolve(true);
      });
    });
  }

  /** Takes over a run that was born leased to this worker. */
  adoptNew(run: NewRun, definition: Definition): void {
    const { lease, root, metadata, parent, id, fingerprint } = run;
    if (lease === undefined) return;
    const keep = (fiber: Resident["fiber"]): void =>
      this.#keep(
        {
          run: id,
          key: root.key,
          definition,
          fingerprint,
          metadata,
          parentRun: parent,
          parent: undefined,
          fork: undefined,
          ordinal: undefined,
          lease,
          seq: 0,
          fiber,
          deliveries: 0,
          messages: [],
          cancel: undefined,
          dropped: false,
          abort: undefined,
        },
        { type: "began" },
      );
    if (isWhole(root)) return keep(fiberOf(root, id));
    void this.leasing(() => this.#manager.inflate(root, id).then(keep)).catch((error: unknown) => {
      this.#storeFailed("adopt", error);
      this.#giveBack({ run: id, fiber: root.key });
    });
  }

  /** Looks for work now: something may have become ready. */
  wake(): void {
    this.#poller.wake();
  }

  /** Stops a fiber that runs here without waiting for the next heartbeat. */
  cancelHere(run: RunId, reason: string): void {
    this.#cancelled([{ run, fiber: "0" as LeasedFiber["key"], reason }]);
  }

  /** Runs an operation whose answer may give this worker leases; when the answer is lost, what is held is compared later. */
  async leasing<T>(operation: () => Promise<T>): Promise<T> {
    this.#leasing += 1;
    try {
      return await operation();
    } catch (error) {
      this.#doubt = true;
      throw error;
    } finally {
      this.#leasing -= 1;
    }
  }

  async #claim(request: Parameters<Store["claim"]>[0]): Promise<number> {
    if (this.#doubt) await this.#settleDoubt();
    const claimed = await this.leasing(() => this.#deps.store.claim(request));
    for (const row of claimed) this.#adopt(row, { worker: this.id, epoch: request.epoch });
    return claimed.length;
  }

  /** Gives back what the store thinks we hold and we do not. Only while no other answer is on its way. */
  async #settleDoubt(): Promise<void> {
    if (this.#leasing > 0 || !this.#keeper.held) return;
    const except: FiberRef[] = [...this.#residents.values()].map(({ run, key }) => ({ run, fiber: key }));
    await this.#deps.store.release(this.id, this.#keeper.epoch, { except });
    this.#doubt = false;
  }

  #adopt(row: LeasedFiber, lease: Lease): void {
    const definition = this.#deps.registry.byFingerprint(row.fingerprint);
    if (definition === undefined) return this.#giveBack({ run: row.run, fiber: row.key });
    void this.leasing(() => this.#revive(row, lease, definition)).catch((error: unknown) => {
      this.#storeFailed("adopt", error);
      this.#giveBack({ run: row.run, fiber: row.key });
    });
  }

  async #revive(row: LeasedFiber, lease: Lease, definition: Definition): Promise<void> {
    const where = `${row.run}/${row.key}`;
    let fiber: Resident["fiber"];
    try {
      fiber = isWhole(row) ? fiberOf(row, where) : await this.#manager.inflate(row, where);
    } catch (error) {
      if (!(error instanceof FlujoError) || (error.code !== "BLOB_MISSING" && error.code !== "RECORD_UNDECODABLE"))
        throw error;
      await this.#committer.commit(this.#manager.condemn(row, lease, failureFrom(error)));
      return;
    }
    const { run, key, fingerprint, metadata, parentRun, parent, fork, ordinal, seq, messages, cancel } = row;
    const deliveries = row.deliveries + (this.#faults.get(placeOf(row)) ?? 0);
    const resident: Resident = {
      run,
      key,
      definition,
      fingerprint,
      metadata,
      parentRun,
      parent,
      fork,
      ordinal,
      lease,
      seq,
      fiber,
      deliveries,
      messages,
      cancel,
      dropped: false,
      abort: undefined,
    };
    const { maxDeliveries } = this.#settings;
    const lost = failure(
      "WORKER_LOST",
      `${deliveries - 1} workers in a row took this up and were lost without progress`,
    );
    if (deliveries > maxDeliveries + GIVE_UP_AFTER)
      await this.#committer.commit(this.#manager.condemn(row, lease, lost));
    else this.#keep(resident, deliveries > maxDeliveries ? { type: "broken", failure: lost } : undefined);
  }

  #keep(resident: Resident, first: Happened | undefined): void {
    if (!this.#keeper.held || resident.lease.epoch !== this.#keeper.epoch) return; // it was lost while it was being read
    this.#residents.set(placeOf(resident), resident);
    const drive: Promise<void> = this.#drive(resident, first)
      .catch((error: unknown) => this.#faulted(resident, error))
      .finally(() => {
        this.#driving.delete(drive);
        if (this.#residents.get(placeOf(resident)) === resident) this.#residents.delete(placeOf(resident));
        if (this.#driving.size === 0) for (const done of this.#idle.splice(0)) done();
        this.#poller.slotFreed();
      });
    this.#driving.add(drive);
  }

  /** Advances one fiber until it parks, ends, is lost, or the worker drains. */
  async #drive(resident: Resident, first: Happened | undefined): Promise<void> {
    const { at } = this.#deps;
    if (at !== undefined) await at("after-claim", pointOf(resident));
    let happened = first ?? (await adoptionEvent(resident, this.#deps.ambient.clock.now()));
    for (;;) {
      if (resident.cancel !== undefined && resident.fiber.cancelling === undefined && happened?.type !== "broken") {
        happened = { type: "cancelled", reason: resident.cancel };
      }
      if (happened === undefined) {
        if (this.#draining) return;
        happened = await this.#execute(resident);
        if (resident.dropped) return;
      }
      if (happened.type === "began" && this.#beginQuietly(resident, happened)) {
        happened = undefined;
        continue;
      }
      const go = await this.#advance(resident, happened);
      if (go === "leave") return;
      happened = go === "again" ? { type: "due" } : undefined;
    }
  }

  /** Going down to the first step is structure: when nothing was asked, nothing needs to be recorded before the step runs. */
  #beginQuietly(resident: Resident, happened: Happened): boolean {
    const { after, facts } = this.#manager.plan(resident, happened);
    if (facts.length > 0 || after.doing.kind !== "step") return false;
    const node = resident.definition.nodes.get(after.doing.path);
    if (node?.kind === "step" && node.config.queue !== undefined && !this.#settings.queues.includes(node.config.queue))
      return false;
    resident.fiber = after;
    return true;
  }

  async #execute(resident: Resident): Promise<Happened> {
    const { at } = this.#deps;
    if (at !== undefined) await at("before-step", pointOf(resident));
    const outcome = await this.#coordinator.execute(resident);
    if (at !== undefined) await at("after-step", pointOf(resident));
    // An attempt that failed because it was told to stop has not failed by itself.
    if (outcome.type === "step.failed" && resident.cancel !== undefined && resident.fiber.cancelling === undefined) {
      return { type: "cancelled", reason: resident.cancel };
    }
    return outcome;
  }

  async #advance(resident: Resident, happened: Happened): Promise<"go on" | "again" | "leave"> {
    const { at } = this.#deps;
    const pending = this.#manager.advance(resident, happened);
    const advance = pending instanceof Promise ? await pending : pending;
    if (at !== undefined) await at(advance.transition.endRun ? "before-end" : "before-commit", pointOf(resident));
    const outcome = await (advance.children.length === 0
      ? this.#committer.commit(advance.transition)
      : this.leasing(() => this.#committer.commit(advance.transition)));
    if (at !== undefined) await at(advance.transition.endRun ? "after-end" : "after-commit", pointOf(resident));
    if (++this.#commits % COMMITS_PER_TURN === 0) await this.#deps.ambient.yieldTurn();
    return this.#settle(resident, advance, outcome);
  }

  async #settle(resident: Resident, advance: Advance, outcome: CommitOutcome): Promise<"go on" | "again" | "leave"> {
    switch (outcome.status) {
      case "committed": {
        resident.seq += 1;
        resident.fiber = advance.after;
        resident.messages = [];
        if (this.#faults.size > 0) this.#faults.delete(placeOf(resident));
        if (outcome.cancel !== undefined) resident.cancel ??= outcome.cancel;
        return this.#committed(resident, advance, outcome.woken);
      }
      case "lost":
        this.#lost(resident);
        // Maybe only the answer was lost: then the fiber is still ours in the store, and nobody else would ever take it.
        if (advance.children.length > 0) this.#doubt = true;
        this.#giveBack({ run: resident.run, fiber: resident.key });
        return "leave";
      case "conflict":
        resident.messages = [];
        return "again"; // parks again; what is left in the mailbox wakes it
      case "rejected": {
        const why = failureFrom(outcome.error, "VALUE_NOT_SERIALIZABLE");
        const retry = await this.#manager.advance(resident, { type: "broken", failure: why });
        const second = await this.#committer.commit(retry.transition);
        if (second.status === "committed") return this.#settle(resident, retry, second);
        throw outcome.error;
      }
    }
  }

  async #committed(
    resident: Resident,
    { transition, children, after }: Advance,
    woken: boolean,
  ): Promise<"go on" | "leave"> {
    const { position, endRun, wait, startRuns } = transition;
    for (const child of children) this.#keep(child, { type: "began" });
    if (startRuns.length > 0 || children.length < transition.spawn.length) this.#poller.wake();
    if (position.kind === "held") return "go on";
    this.#residents.delete(placeOf(resident));
    if (endRun !== undefined) this.#ended(resident, endRun, after);
    else if (wait !== undefined) this.#parked(resident, wait);
    if (position.kind === "ready") this.#poller.wakeAt(position.at);
    if (position.kind === "parked" && position.until !== undefined) this.#poller.wakeAt(position.until);
    if (woken) this.#poller.wake();
    if (this.#deps.at !== undefined && position.kind === "parked") await this.#deps.at("after-park", pointOf(resident));
    return "leave";
  }

  #ended({ run, definition }: Resident, end: RunEnd, { value }: Resident["fiber"]): void {
    this.#deps.onRunEnd?.(run, end, value);
    this.#deps.observe?.({
      kind: "run.ended",
      at: end.at,
      run,
      flow: definition.name,
      status: end.status,
      ...(end.failure && { failure: end.failure }),
    });
  }

  #parked({ run, definition }: Resident, { kind, path, visit }: NonNullable<Advance["transition"]["wait"]>): void {
    if (kind === "human" || kind === "signal") this.#deps.onPark?.(run);
    this.#deps.observe?.({
      kind: "fiber.parked",
      at: this.#deps.ambient.clock.now(),
      run,
      flow: definition.name,
      path,
      visit,
      wait: kind,
    });
  }

  #lost(resident: Resident): void {
    resident.dropped = true;
    this.#residents.delete(placeOf(resident));
    const { ambient, observe } = this.#deps;
    observe?.({
      kind: "lease.lost",
      at: ambient.clock.now(),
      run: resident.run,
      flow: resident.definition.name,
      worker: this.id,
    });
  }

  /** The drive itself broke: a store that cannot be read, or a defect. The fiber goes back; its deliveries are counted. */
  #faulted(resident: Resident, error: unknown): void {
    this.#storeFailed("advance", error);
    if (resident.dropped) return;
    resident.dropped = true;
    this.#residents.delete(placeOf(resident));
    // A release takes its delivery back, so repeated faults are counted here: what fails every time must end some time.
    const faults = (this.#faults.get(placeOf(resident)) ?? 0) + 1;
    this.#faults.set(placeOf(resident), faults);
    this.#deps.ambient.clock.after(
      Math.min(50 * 2 ** faults, 2_000),
      () => this.#giveBack({ run: resident.run, fiber: resident.key }),
      { idle: true },
    );
  }

  #giveBack(ref: FiberRef): void {
    const { store, ambient } = this.#deps;
    const epoch = this.#keeper.epoch;
    const attempt = (delayMs: number): void => {
      if (epoch !== this.#keeper.epoch || !this.#keeper.held) return; // the sweep has it, or will
      store.release(this.id, epoch, { only: [ref] }).then(
        () => this.#poller.wake(),
        () => ambient.clock.after(delayMs, () => attempt(Math.min(delayMs * 2, 2_000)), { idle: true }),
      );
    };
    attempt(100);
  }

  #cancelled(fibers: readonly (FiberRef & { readonly reason: string })[]): void {
    for (const { run, fiber, reason } of fibers) {
      const resident = this.#residents.get(`${run}/${fiber}`);
      if (resident === undefined || resident.cancel !== undefined) continue;
      resident.cancel = reason;
      resident.abort?.(new FlujoError("RUN_CANCELLED", reason));
    }
  }

  #loseAll(): void {
    const { ambient, observe } = this.#deps;
    for (const { run, definition } of this.#residents.values()) {
      observe?.({ kind: "lease.lost", at: ambient.clock.now(), run, flow: definition.name, worker: this.id });
    }
    this.#dropAll();
  }

  #dropAll(): void {
    for (const resident of this.#residents.values()) {
      resident.dropped = true;
      resident.abort?.(new FlujoError("LEASE_LOST", "this worker no longer holds the run"));
    }
    this.#residents.clear();
  }

  #storeFailed(operation: string, error: unknown): void {
    this.#deps.observe?.({
      kind: "store.failed",
      at: this.#deps.ambient.clock.now(),
      operation,
      failure: failureFrom(error, "STORE_UNAVAILABLE"),
    });
  }
}

const placeOf = ({ run, key }: Pick<Resident, "run" | "key">): string => `${run}/${key}`;

const pointOf = ({ run, fiber: { doing } }: Resident): { readonly run: string; readonly path: string } => ({
  run,
  path: "path" in doing ? doing.path : "",
});

const isRef = (wire: unknown): boolean => typeof wire === "object" && wire !== null && "$blob" in wire;
const isWhole = ({ value, context, aside }: FiberData): boolean => !isRef(value) && !isRef(context) && !isRef(aside);
