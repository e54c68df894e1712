import { type FiberKey, type Fingerprint, ROOT_FIBER, type RunId, type WorkerId } from "../../domain/ids.ts";
import type {
  NewEvent,
  NewFiber,
  NewMessage,
  NewRun,
  RunEnd,
  SignalOutcome,
  StoredDefinition,
  WakeHint,
} from "../../ports/store.ts";
import type { OutboxEntry } from "../../ports/shard.ts";
import { checkRules, type QueueRules } from "../../ports/queue-rules.ts";
import { Items } from "./items.ts";
import { Ledger } from "./ledger.ts";
import { ReadyQueue } from "./ready.ts";
import type { FiberRow, RunRow, WorkerRow } from "./rows.ts";
import { Schedules } from "./schedules.ts";

/** The tables and the small moves on them that several operations share. */
export class Tables {
  readonly runs: Map<RunId, RunRow> = new Map();
  readonly workers: Map<WorkerId, WorkerRow> = new Map();
  readonly ready: ReadyQueue = new ReadyQueue();
  readonly definitions: Map<string, StoredDefinition> = new Map();
  readonly blobs: Map<string, { readonly text: string; readonly runs: Set<RunId> }> = new Map();
  readonly schedules: Schedules = new Schedules();
  readonly items: Items = new Items();
  readonly ledger: Ledger = new Ledger();
  /** Effects on other shards that are still to be applied there, oldest first. */
  readonly outbox: Map<string, OutboxEntry> = new Map();
  readonly marks: Map<string, string> = new Map();
  readonly #listeners = new Set<(hint: WakeHint) => void>();
  readonly #keepsHistory: (flow: Fingerprint) => boolean;
  #nextEpoch = 1;
  #nextEvent = 1;
  #nextMessage = 1;
  #nextRun = 1;
  #hintReady = false;
  #hintRuns = new Set<RunId>();

  constructor(keepsHistory: (flow: Fingerprint) => boolean) {
    this.#keepsHistory = keepsHistory;
  }

  newEpoch(): number {
    return this.#nextEpoch++;
  }

  currentWorker(lease: { readonly worker: WorkerId; readonly epoch: number } | undefined): WorkerRow | undefined {
    const row = lease && this.workers.get(lease.worker);
    return row?.epoch === lease?.epoch ? row : undefined;
  }

  insertRun(run: NewRun, now: number): boolean {
    const refused = run.root.leased && this.ready.isGoverned(run.root.queue);
    const owner = run.root.leased && !refused ? this.currentWorker(run.lease) : undefined;
    const root = refused ? { ...run.root, readyAt: now } : run.root;
    const row: RunRow = {
      id: run.id,
      flow: run.flow,
      version: run.version,
      fingerprint: run.fingerprint,
      keepsHistory: this.#keepsHistory(run.fingerprint),
      input: run.input,
      metadata: run.metadata,
      parent: run.parent,
      createdAt: run.createdAt,
      ordinal: this.#nextRun++,
      status: owner === undefined ? "pending" : "running",
      output: undefined,
      failure: undefined,
      cancelReason: undefined,
      startedAt: owner === undefined ? undefined : now,
      endedAt: undefined,
      fibers: new Map(),
      events: [],
      messages: [],
      waiting: new Map(),
      messageIds: new Set(),
      onces: undefined,
    };
    this.runs.set(run.id, row);
    this.insertFiber(row, root, owner, now);
    for (const { fiber, ...event } of run.continued?.events ?? []) this.addEvent(row, fiber, event, undefined);
    for (const fiber of run.continued?.fibers ?? []) this.insertFiber(row, fiber, undefined, now);
    for (const message of run.continued?.messages ?? []) this.deliver(message, now);
    this.addEvent(row, ROOT_FIBER, run.event, owner?.id);
    this.addBlobs(row, run.blobs);
    return owner !== undefined;
  }

  /** A key that exists is left alone. */
  insertFiber(run: RunRow, fiber: NewFiber, owner: WorkerRow | undefined, now: number): void {
    if (run.fibers.has(fiber.key)) return;
    const row: FiberRow = {
      run,
      key: fiber.key,
      parent: fiber.parent,
      fork: fiber.fork,
      ordinal: fiber.ordinal,
      seq: 0,
      state: fiber.state,
      value: fiber.value,
      context: fiber.context,
      aside: fiber.aside,
      queue: fiber.queue,
      priority: fiber.priority,
      lane: fiber.lane,
      owner,
      readyAt: owner === undefined && fiber.ended === undefined ? fiber.readyAt : undefined,
      wait: undefined,
      names: NO_NAMES,
      ended: fiber.ended,
      cancel: undefined,
      deliveries: 0,
      entry: undefined,
      place: undefined,
    };
    run.fibers.set(fiber.key, row);
    if (row.ended !== undefined) return;
    if (owner === undefined) this.enqueue(row, now);
    else owner.held.add(row);
  }

  /** A row without owner takes its place in the queue. */
  enqueue(row: FiberRow, now: number): void {
    this.ready.add(row, now);
    if (row.readyAt !== undefined) this.#hintReady = true;
  }

  /** The row leaves its place in a governed queue: somebody may wait for it. */
  freePlace(row: FiberRow): void {
    if (this.ready.free(row)) this.#hintReady = true;
  }

  giveUp(row: FiberRow): void {
    this.freePlace(row);
    row.owner?.held.delete(row);
    row.owner = undefined;
  }

  /** Makes a fiber that nobody holds due now. */
  wake(row: FiberRow, now: number): void {
    if (row.owner !== undefined || row.ended !== undefined || (row.readyAt !== undefined && row.readyAt <= now)) return;
    row.readyAt = now;
    this.enqueue(row, now);
  }

  addEvent(run: RunRow, fiber: FiberKey, event: NewEvent, worker: WorkerId | undefined): void {
    if (!run.keepsHistory) return;
    run.events.push({
      seq: this.#nextEvent++,
      fiber,
      at: event.at,
      facts: event.facts,
      ...(worker !== undefined && { worker }),
    });
  }

  addBlobs(run: RunRow, blobs: readonly { readonly hash: string; readonly text: string }[]): void {
    for (const { hash, text } of blobs) {
      const known = this.blobs.get(hash);
      if (known === undefined) this.blobs.set(hash, { text, runs: new Set([run.id]) });
      else known.runs.add(run.id);
    }
  }

  /** Blobs of runs that are gone. */
  dropBlobs(): void {
    for (const [hash, blob] of this.blobs) {
      for (const id of blob.runs) if (!this.runs.has(id)) blob.runs.delete(id);
      if (blob.runs.size === 0) this.blobs.delete(hash);
    }
  }

  /** Whether a parent that goes on waits for this run: its output is still to be collected. */
  isAwaited({ parent }: RunRow): boolean {
    if (parent === undefined || parent.reply === "") return false;
    const caller = this.runs.get(parent.run);
    return caller !== undefined && caller.endedAt === undefined;
  }

  deliver(message: NewMessage, now: number): SignalOutcome {
    const run = this.runs.get(message.run);
    if (run === undefined) return "unknown";
    const { id, once, blobs, ...content } = message;
    if (id !== undefined && run.messageIds.has(id)) return "duplicate";
    if (once !== undefined && run.onces?.has(once) === true) return "duplicate";
    if (run.endedAt !== undefined) return "ended";
    if (id !== undefined) run.messageIds.add(id);
    if (once !== undefined) (run.onces ??= new Set()).add(once);
    if (blobs !== undefined) this.addBlobs(run, blobs);
    run.messages.push({
      ...content,
      ...(id !== undefined && { id }),
      ...(once !== undefined && { once }),
      seq: this.#nextMessage++,
    });
    for (const row of run.waiting.get(message.name) ?? []) this.wake(row, now);
    return "delivered";
  }

  requestCancel(row: FiberRow, reason: string, now: number): void {
    if (row.ended !== undefined) return;
    row.cancel ??= reason;
    this.wake(row, now);
    if (this.ready.hurry(row, now)) this.#hintReady = true;
    this.#hintRuns.add(row.run.id);
  }

  cancelRun(id: RunId, reason: string, now: number): "requested" | "ended" | "unknown" {
    const run = this.runs.get(id);
    if (run === undefined) return "unknown";
    if (run.endedAt !== undefined) return "ended";
    run.cancelReason ??= reason;
    const root = run.fibers.get(ROOT_FIBER);
    if (root !== undefined) this.requestCancel(root, reason, now);
    return "requested";
  }

  /** Changes what a fiber waits for: nothing, or an open wait with its names. */
  setWait(row: FiberRow, wait: FiberRow["wait"], names: readonly string[]): void {
    const { waiting } = row.run;
    for (const name of row.names) {
      const others = waiting.get(name);
      others?.delete(row);
      if (others?.size === 0) waiting.delete(name);
    }
    row.wait = wait;
    row.names = names;
    if (wait === undefined) return;
    for (const name of names) {
      const others = waiting.get(name);
      if (others === undefined) waiting.set(name, new Set([row]));
      else others.add(row);
    }
  }

  removeFiber(row: FiberRow): void {
    this.setWait(row, undefined, NO_NAMES);
    this.giveUp(row);
    this.ready.remove(row);
    row.run.fibers.delete(row.key);
  }

  endRun(run: RunRow, end: RunEnd): void {
    for (const row of [...run.fibers.values()]) this.removeFiber(row);
    run.messages = run.messages.filter(({ id }) => id !== undefined); // whoever sent them was told that they arrived
    run.status = end.status;
    run.output = end.output;
    run.failure = end.failure;
    run.endedAt = end.at;
    this.noteRun(run.id);
  }

  govern(rules: readonly QueueRules[], now: number): void {
    for (const one of checkRules(rules)) {
      const held = [...this.workers.values()].flatMap((worker) => [...worker.held]);
      this.ready.govern(one, held, now);
    }
    this.#hintReady = true;
  }

  noteRun(id: RunId): void {
    this.#hintRuns.add(id);
  }

  subscribe(wake: (hint: WakeHint) => void): () => void {
    this.#listeners.add(wake);
    return () => this.#listeners.delete(wake);
  }

  /** Tells what has gathered since the last call, once per operation and not once per row. */
  hint(): void {
    if (!this.#hintReady && this.#hintRuns.size === 0) return;
    const hint: WakeHint = { ready: this.#hintReady, runs: [...this.#hintRuns] };
    this.#hintReady = false;
    if (this.#hintRuns.size > 0) this.#hintRuns = new Set();
    for (const listener of this.#listeners) listener(hint);
  }
}

export const NO_NAMES: readonly string[] = [];
