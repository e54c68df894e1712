import { type FiberKey, ROOT_FIBER, type RunId, type WorkerId } from "../../domain/ids.ts";
import type { EndStatus, RunStatus } from "../../domain/run.ts";
import type { Wire } from "../../domain/wire.ts";
import type { FiberRef, LeasedFiber } from "../../ports/queue.ts";
import type { Lease, NewFiber, NewMessage, NewRun, SignalOutcome, Transition } from "../../ports/store.ts";

/*
 * The contract once more, as a toy: a few maps and no cleverness. What a store does after any sequence of commands must be
 * what this does. Where the contract leaves a choice (which of several due fibers a claim takes, when a fiber that was given
 * back became due) the model says only what may be relied on.
 */

export interface ModelFiber {
  readonly key: FiberKey;
  readonly parent: FiberKey | undefined;
  readonly priority: number;
  state: Wire;
  seq: number;
  deliveries: number;
  owner: Lease | undefined;
  readyAt: number | undefined;
  /** What the open wait is for; a fiber without one waits for nothing. */
  names: readonly string[];
  human: boolean;
  ended: EndStatus | undefined;
  cancel: string | undefined;
}

export interface ModelMessage {
  readonly id: string | undefined;
  readonly name: string;
  /** Given by the store and read back from it. */
  seq: number | undefined;
}

export interface ModelRun {
  readonly id: RunId;
  started: boolean;
  ended: EndStatus | undefined;
  readonly fibers: Map<FiberKey, ModelFiber>;
  messages: ModelMessage[];
  readonly messageIds: Set<string>;
  readonly facts: Wire[];
}

export type ModelOutcome =
  | { readonly status: "lost" | "conflict" }
  | { readonly status: "committed"; readonly woken: boolean; readonly cancel: string | undefined };

const LOST: ModelOutcome = { status: "lost" };
const CONFLICT: ModelOutcome = { status: "conflict" };

export class Model {
  readonly runs: Map<RunId, ModelRun> = new Map();
  readonly workers: Map<WorkerId, { readonly epoch: number; leaseUntil: number }> = new Map();
  readonly #ordered: boolean;
  now: number;

  /** `ordered`: whether claims follow the order over all runs. */
  constructor(now: number, ordered: boolean) {
    this.now = now;
    this.#ordered = ordered;
  }

  isCurrent({ worker, epoch }: Lease): boolean {
    return this.workers.get(worker)?.epoch === epoch;
  }

  /** Whether the run was created, and its root leased; nothing when it existed. */
  create({ id, root, lease, event }: NewRun): { readonly leased: boolean } | undefined {
    if (this.runs.has(id)) return undefined;
    const owner = root.leased && lease !== undefined && this.isCurrent(lease) ? lease : undefined;
    const run: ModelRun = {
      id,
      started: owner !== undefined,
      ended: undefined,
      fibers: new Map(),
      messages: [],
      messageIds: new Set(),
      facts: [event.facts],
    };
    this.runs.set(id, run);
    insert(run, root, owner);
    return { leased: owner !== undefined };
  }

  /** Fibers that a claim may take now. */
  due(): readonly { readonly run: ModelRun; readonly fiber: ModelFiber }[] {
    return [...this.runs.values()].flatMap((run) =>
      [...run.fibers.values()].filter((fiber) => this.isDue(fiber)).map((fiber) => ({ run, fiber })),
    );
  }

  isDue({ owner, ended, readyAt }: ModelFiber): boolean {
    return owner === undefined && ended === undefined && readyAt !== undefined && readyAt <= this.now;
  }

  /** Takes over what the store handed out. Answers what is wrong with it. */
  claimed(lease: Lease, limit: number, taken: readonly LeasedFiber[]): readonly string[] {
    const due = this.isCurrent(lease) ? this.due() : [];
    const best = due.map(({ fiber }) => fiber.priority).toSorted((a, b) => b - a);
    const wrong: string[] = [];
    const priorities = taken.map(({ priority }) => priority);
    if (!this.#ordered) {
      if (taken.length !== Math.min(limit, due.length))
        wrong.push(`claimed ${taken.length} of ${due.length} with limit ${limit}`);
    } else if (priorities.join() !== best.slice(0, limit).join()) {
      wrong.push(`claimed priorities [${priorities.join()}] of [${best.join()}] with limit ${limit}`);
    }
    for (const { run: id, key, messages } of taken) {
      const found = due.find(({ run, fiber }) => run.id === id && fiber.key === key);
      if (found === undefined || !this.isDue(found.fiber)) {
        wrong.push(`claimed ${id}/${key}, which is not due`);
        continue;
      }
      const { run, fiber } = found;
      run.started = true;
      fiber.owner = lease;
      fiber.readyAt = undefined;
      fiber.deliveries += 1;
      const expected = run.messages.filter(({ name }) => fiber.names.includes(name)).map((message) => message.id);
      const handed = messages.map((message) => message.id);
      if (handed.join() !== expected.join())
        wrong.push(`${id}/${key} got messages [${handed.join()}] of [${expected.join()}]`);
    }
    return wrong;
  }

  commit(t: Transition): ModelOutcome {
    const run = this.runs.get(t.run);
    const fiber = run?.fibers.get(t.fiber);
    if (run === undefined || fiber?.owner === undefined || fiber.seq !== t.expectedSeq) return LOST;
    if (fiber.owner.worker !== t.lease.worker || fiber.owner.epoch !== t.lease.epoch) return LOST;
    if (!t.consume.every((seq) => run.messages.some((message) => message.seq === seq))) return CONFLICT;
    if (run.messages.some(({ name }) => t.unless?.includes(name))) return CONFLICT;
    this.#move(run, fiber, t);
    if (t.event !== undefined) run.facts.push(t.event.facts);
    for (const one of t.spawn) if (!run.fibers.has(one.key)) insert(run, one, one.leased ? t.lease : undefined);
    for (const one of t.startRuns) this.create(one);
    for (const message of t.send) this.signal(message);
    for (const other of run.fibers.values()) {
      if (other.parent === fiber.key && t.cancelFork !== undefined) this.#stop(other, t.cancelFork.reason);
    }
    for (const one of t.cancelRuns) this.cancel(one.run, one.reason);
    for (const other of [...run.fibers.values()]) {
      if (other.parent === fiber.key && t.dropFork !== undefined && other.ended !== undefined)
        run.fibers.delete(other.key);
    }
    if (t.endRun !== undefined) end(run, t.endRun.status);
    return { status: "committed", woken: t.position.kind === "parked" && this.isDue(fiber), cancel: fiber.cancel };
  }

  #move(run: ModelRun, fiber: ModelFiber, { position, consume, state, wait, acknowledgeCancel }: Transition): void {
    run.messages = run.messages.filter(({ seq }) => seq === undefined || !consume.includes(seq));
    fiber.seq += 1;
    fiber.deliveries = 0;
    fiber.state = state;
    fiber.names = position.kind === "parked" ? position.names : [];
    fiber.human = wait?.kind === "human";
    if (acknowledgeCancel === true) fiber.cancel = undefined;
    if (position.kind === "held") return;
    fiber.owner = undefined;
    const stopped = fiber.cancel !== undefined;
    if (position.kind === "ready") fiber.readyAt = stopped ? this.now : position.at;
    if (position.kind === "parked") {
      const answered = run.messages.some(({ name }) => position.names.includes(name));
      fiber.readyAt = stopped || answered ? this.now : position.until;
    }
    if (position.kind === "ended") {
      fiber.ended = position.outcome;
      fiber.cancel = undefined;
    }
  }

  signal({ run: id, id: message, name }: NewMessage): SignalOutcome {
    const run = this.runs.get(id);
    if (run === undefined) return "unknown";
    if (run.ended !== undefined) return "ended";
    if (message !== undefined && run.messageIds.has(message)) return "duplicate";
    if (message !== undefined) run.messageIds.add(message);
    run.messages.push({ id: message, name, seq: undefined });
    for (const fiber of run.fibers.values()) if (fiber.names.includes(name)) this.#wake(fiber);
    return "delivered";
  }

  cancel(id: RunId, reason: string): "requested" | "ended" | "unknown" {
    const run = this.runs.get(id);
    if (run === undefined) return "unknown";
    if (run.ended !== undefined) return "ended";
    const root = run.fibers.get(ROOT_FIBER);
    if (root !== undefined) this.#stop(root, reason);
    return "requested";
  }

  #stop(fiber: ModelFiber, reason: string): void {
    if (fiber.ended !== undefined) return;
    fiber.cancel ??= reason;
    this.#wake(fiber);
  }

  #wake(fiber: ModelFiber): void {
    if (fiber.owner === undefined && fiber.ended === undefined && !this.isDue(fiber)) fiber.readyAt = this.now;
  }

  /** Cancel requests that the worker is told of, or nothing when its lease was lost. */
  heartbeat(lease: Lease, leaseMs: number): readonly string[] | undefined {
    const worker = this.workers.get(lease.worker);
    if (worker?.epoch !== lease.epoch) return undefined;
    worker.leaseUntil = this.now + leaseMs;
    const told = this.held(lease).filter(({ fiber }) => fiber.cancel !== undefined);
    return told.map(({ run, fiber }) => `${run.id}/${fiber.key}`).toSorted();
  }

  held({ worker, epoch }: Lease): readonly { readonly run: ModelRun; readonly fiber: ModelFiber }[] {
    return [...this.runs.values()].flatMap((run) =>
      [...run.fibers.values()]
        .filter(({ owner }) => owner?.worker === worker && owner.epoch === epoch)
        .map((fiber) => ({ run, fiber })),
    );
  }

  sweep(): { readonly workers: readonly WorkerId[]; readonly fibers: number } {
    const dead = [...this.workers].filter(([, { leaseUntil }]) => leaseUntil < this.now);
    let fibers = 0;
    for (const [worker, { epoch }] of dead) {
      fibers += this.#free(this.held({ worker, epoch }));
      this.workers.delete(worker);
    }
    return { workers: dead.map(([worker]) => worker).toSorted(), fibers };
  }

  release(lease: Lease, only?: readonly FiberRef[]): number {
    if (!this.isCurrent(lease)) return 0;
    const named = this.held(lease).filter(
      ({ run, fiber }) => only?.some((one) => one.run === run.id && one.fiber === fiber.key) ?? true,
    );
    for (const { fiber } of named) fiber.deliveries = Math.max(0, fiber.deliveries - 1);
    return this.#free(named);
  }

  #free(held: ReturnType<Model["held"]>): number {
    for (const { fiber } of held) {
      fiber.owner = undefined;
      fiber.readyAt = this.now;
    }
    return held.length;
  }

  statusOf(run: ModelRun): RunStatus {
    if (run.ended !== undefined) return run.ended;
    if (!run.started) return "pending";
    const alive = [...run.fibers.values()].filter(({ ended }) => ended === undefined);
    if (alive.some((fiber) => fiber.owner !== undefined || fiber.names.length === 0 || this.isDue(fiber)))
      return "running";
    return alive.some(({ human }) => human) ? "paused" : "waiting";
  }
}

function insert(run: ModelRun, { key, parent, priority, state, readyAt }: NewFiber, owner: Lease | undefined): void {
  run.fibers.set(key, {
    key,
    parent,
    priority,
    state,
    seq: 0,
    deliveries: 0,
    owner,
    readyAt: owner === undefined ? readyAt : undefined,
    names: [],
    human: false,
    ended: undefined,
    cancel: undefined,
  });
}

function end(run: ModelRun, status: EndStatus): void {
  run.ended = status;
  run.fibers.clear();
  run.messages = run.messages.filter(({ id }) => id !== undefined);
}
