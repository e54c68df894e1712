import type { FiberKey } from "../../domain/ids.ts";
import { unsendable } from "../../ports/new-message.ts";
import type { ShardTransition } from "../../ports/shard.ts";
import type { CommitOutcome, NewFiber, Position, Scheduling, Transition } from "../../ports/store.ts";
import type { FiberRow, RunRow, WorkerRow } from "./rows.ts";
import { NO_NAMES, type Tables } from "./tables.ts";

type Committed = Extract<CommitOutcome, { readonly status: "committed" }>;

/**
 * One transition, all or nothing: everything that can refuse it is asked before the first write.
 * The class is open in three places for the simulator's mutants, which break one promise each.
 */
export class Commit {
  protected readonly tables: Tables;
  /** Fibers of the transition under way that had to be queued instead of leased. */
  #queued: FiberKey[] = [];

  constructor(tables: Tables) {
    this.tables = tables;
  }

  run(transition: ShardTransition, now: number): CommitOutcome {
    const run = this.tables.runs.get(transition.run);
    const row = run?.fibers.get(transition.fiber);
    if (run === undefined || row === undefined || !this.fenceHolds(row, transition)) return { status: "lost" };
    if (transition.consume.length > 0 && !this.#consumable(run, transition.consume)) return { status: "conflict" };
    const { unless } = transition;
    if (unless !== undefined && run.messages.some(({ name }) => unless.includes(name))) return { status: "conflict" };
    for (const message of transition.send) {
      const error = unsendable(message);
      if (error !== undefined) return { status: "rejected", error };
    }
    const owner = this.tables.currentWorker(transition.lease);
    this.#writeFiber(row, transition, now);
    this.applyEffects(row, transition, owner, now);
    for (const entry of transition.outbox ?? []) this.tables.outbox.set(entry.id, entry);
    return this.#outcome(row, now);
  }

  /** I2: a worker that lost its lease changes nothing. */
  protected fenceHolds(row: FiberRow, { lease, expectedSeq }: Transition): boolean {
    return (
      row.owner !== undefined &&
      row.owner.id === lease.worker &&
      row.owner.epoch === lease.epoch &&
      row.seq === expectedSeq
    );
  }

  /** I5: parking looks into the mailbox in the same step. */
  protected mailboxHolds(row: FiberRow): boolean {
    return row.run.messages.some(({ name }) => row.names.includes(name));
  }

  #consumable(run: RunRow, seqs: readonly number[]): boolean {
    const waiting = new Set(run.messages.map(({ seq }) => seq));
    return seqs.every((seq) => waiting.has(seq));
  }

  #writeFiber(row: FiberRow, t: Transition, now: number): void {
    row.seq += 1;
    row.deliveries = 0;
    row.state = t.state;
    if (t.value !== undefined) row.value = t.value;
    if (t.context !== undefined) row.context = t.context;
    if (t.aside !== undefined) row.aside = t.aside;
    if (t.acknowledgeCancel === true) row.cancel = undefined;
    if (t.scheduling !== undefined) this.#move(row, t.scheduling);
    if (t.consume.length > 0) row.run.messages = row.run.messages.filter(({ seq }) => !t.consume.includes(seq));
    if (t.position.kind === "parked") this.tables.setWait(row, t.wait, t.position.names);
    else if (row.wait !== undefined) this.tables.setWait(row, undefined, NO_NAMES);
    if (t.position.kind !== "held") this.#leave(row, t.position, now);
    else if (t.scheduling !== undefined && this.tables.ready.isGoverned(row.queue)) {
      this.#leave(row, { kind: "ready", at: now }, now);
      this.#queued.push(row.key);
    }
  }

  #move(row: FiberRow, { queue, priority, lane }: Scheduling): void {
    this.tables.freePlace(row);
    row.queue = queue;
    row.priority = priority;
    row.lane = lane;
  }

  #leave(row: FiberRow, position: Position, now: number): void {
    this.tables.giveUp(row);
    this.tables.noteRun(row.run.id);
    switch (position.kind) {
      case "held":
        return;
      case "ended":
        row.ended = position.outcome;
        row.readyAt = undefined;
        row.cancel = undefined;
        return;
      case "ready":
        row.readyAt = row.cancel === undefined ? position.at : Math.min(position.at, now);
        this.tables.enqueue(row, now);
        return;
      case "parked":
        row.readyAt = row.cancel !== undefined || this.mailboxHolds(row) ? now : position.until;
        this.tables.enqueue(row, now);
        return;
    }
  }

  protected applyEffects(row: FiberRow, t: Transition, owner: WorkerRow | undefined, now: number): void {
    const { tables } = this;
    const { run } = row;
    if (t.event !== undefined) tables.addEvent(run, t.fiber, t.event, t.lease.worker);
    if (t.blobs.length > 0) tables.addBlobs(run, t.blobs);
    for (const fiber of t.spawn) this.#spawn(run, fiber, owner, now);
    for (const child of t.startRuns) if (!tables.runs.has(child.id)) tables.insertRun(child, now);
    for (const message of t.send) tables.deliver(message, now);
    if (t.cancelFork !== undefined || t.dropFork !== undefined) this.#touchChildren(run, row, t, now);
    for (const { run: id, reason } of t.cancelRuns) tables.cancelRun(id, reason, now);
    if (t.endRun !== undefined) tables.endRun(run, t.endRun);
  }

  /** Nothing is born leased into a governed queue. */
  #spawn(run: RunRow, fiber: NewFiber, owner: WorkerRow | undefined, now: number): void {
    const { tables } = this;
    if (!fiber.leased || !tables.ready.isGoverned(fiber.queue)) {
      tables.insertFiber(run, fiber, fiber.leased ? owner : undefined, now);
    } else if (!run.fibers.has(fiber.key)) {
      tables.insertFiber(run, { ...fiber, readyAt: now }, undefined, now);
      this.#queued.push(fiber.key);
    }
  }

  #touchChildren(run: RunRow, parent: FiberRow, { cancelFork, dropFork }: Transition, now: number): void {
    for (const child of [...run.fibers.values()]) {
      if (child.parent !== parent.key) continue;
      if (cancelFork !== undefined && child.fork === cancelFork.fork)
        this.tables.requestCancel(child, cancelFork.reason, now);
      if (dropFork !== undefined && child.fork === dropFork && child.ended !== undefined)
        this.tables.removeFiber(child);
    }
  }

  #outcome(row: FiberRow, now: number): CommitOutcome {
    const outcome = this.#rowOutcome(row, now);
    if (this.#queued.length === 0) return outcome;
    const queued = this.#queued.filter((key) => row.run.fibers.has(key)); // the run may have ended
    this.#queued = [];
    return queued.length === 0 ? outcome : { ...outcome, queued };
  }

  #rowOutcome(row: FiberRow, now: number): Committed {
    if (row.owner === undefined && row.wait !== undefined && row.readyAt !== undefined && row.readyAt <= now) {
      return row.cancel === undefined ? WOKEN : { status: "committed", woken: true, cancel: row.cancel };
    }
    return row.cancel === undefined ? COMMITTED : { status: "committed", woken: false, cancel: row.cancel };
  }
}

const COMMITTED: Committed = Object.freeze({ status: "committed", woken: false });
const WOKEN: Committed = Object.freeze({ status: "committed", woken: true });
