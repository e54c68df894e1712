import type { Ambient } from "../domain/ambient.ts";
import type { WorkerId } from "../domain/ids.ts";
import type { FiberRef, LeaseGuard, TaskQueue } from "../ports/queue.ts";
import type { WorkerSettings } from "./options.ts";

/** A step that blocks the event loop for longer than this is taken for hung, and its fibers go to other workers. */
const GIVE_UP_MS = 60_000;

export interface LeaseEvents {
  readonly cancelled: (fibers: readonly (FiberRef & { readonly reason: string })[]) => void;
  /** The lease is gone, or can no longer be trusted: everything held must be dropped before a new epoch begins. */
  readonly lost: () => void;
  /** A new epoch has begun: what the old one held is there to be claimed. */
  readonly registered: () => void;
  readonly swept: (fibers: number) => void;
  readonly failed: (operation: string, error: unknown) => void;
}

/**
 * Keeps this worker's lease alive, and takes over from workers that did not keep theirs.
 * One write per beat, however many fibers are held. A worker that cannot renew drops its work before its lease ends, so that
 * it has stopped when another begins (self-fencing).
 */
export class LeaseKeeper {
  readonly #queue: TaskQueue;
  readonly #worker: WorkerId;
  readonly #settings: WorkerSettings;
  readonly #ambient: Ambient;
  readonly #events: LeaseEvents;
  readonly #sweeps: boolean;
  #epoch = 0;
  #renewedAt = 0;
  #held = false;
  #stopped = false;
  #ticking = false;
  #cancelTimer: (() => void) | undefined;
  #cancelFence: (() => void) | undefined;
  #guard: LeaseGuard | undefined;
  #beating: Promise<void> = Promise.resolve();

  constructor(
    queue: TaskQueue,
    worker: WorkerId,
    {
      settings,
      ambient,
      events,
      sweeps,
    }: {
      readonly settings: WorkerSettings;
      readonly ambient: Ambient;
      readonly events: LeaseEvents;
      readonly sweeps: boolean;
    },
  ) {
    this.#queue = queue;
    this.#worker = worker;
    this.#settings = settings;
    this.#ambient = ambient;
    this.#events = events;
    this.#sweeps = sweeps;
  }

  get epoch(): number {
    return this.#epoch;
  }

  /** Whether work may be done under the lease right now. */
  get held(): boolean {
    return this.#held;
  }

  /** Registers and starts beating. Rejects when the store cannot be reached at the start. */
  async start(): Promise<void> {
    await this.#register();
    this.#schedule();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#held = false;
    this.#cancelTimer?.();
    this.#cancelFence?.();
    await this.#beating;
    await this.#guard?.stop();
  }

  async #register(): Promise<void> {
    const askedAt = this.#ambient.clock.now();
    const { epoch } = await this.#queue.register(this.#worker, this.#settings.leaseMs);
    await this.#guard?.stop();
    this.#guard = undefined;
    this.#epoch = epoch;
    this.#held = !this.#stopped;
    this.#renewed(askedAt);
    this.#events.registered();
  }

  /** Counts from when we asked, not from when we heard: the store counts from some time in between. */
  #renewed(askedAt: number): void {
    this.#renewedAt = askedAt;
    this.#guard?.beaten();
    this.#cancelFence?.();
    this.#cancelFence = undefined;
    if (this.#stopped) return;
    const { leaseMs, sweepMs } = this.#settings;
    const left = askedAt + leaseMs - Math.min(sweepMs, leaseMs / 4) - this.#ambient.clock.now();
    this.#cancelFence = this.#ambient.clock.after(Math.max(0, left), () => this.#fence(), { idle: true });
  }

  /** No renewal in time, whatever the reason: stop before others begin. Unless the guard kept the lease while we were blocked. */
  #fence(): void {
    const guarded = this.#guard?.renewedAt ?? 0;
    if (guarded > this.#renewedAt) return this.#renewed(guarded);
    if (!this.#held) return;
    this.#lose();
    // A laptop that slept, a process that was stopped: it may go on, under a new epoch, as soon as it knows.
    if (!this.#ticking) this.#schedule(0);
  }

  /** A thread takes tens of milliseconds to start: runs that are over before the first beat never pay for it. */
  #guardFromNow(): void {
    const { leaseMs, heartbeatMs } = this.#settings;
    this.#guard ??= this.#queue.guard?.({
      worker: this.#worker,
      epoch: this.#epoch,
      leaseMs,
      everyMs: heartbeatMs,
      giveUpMs: GIVE_UP_MS,
    });
  }

  #schedule(delayMs = Math.min(this.#settings.sweepMs, this.#settings.heartbeatMs)): void {
    this.#cancelTimer?.();
    if (this.#stopped) return;
    const tick = (): void => {
      this.#ticking = true;
      this.#beating = this.#tick().finally(() => {
        this.#ticking = false;
        this.#schedule();
      });
    };
    this.#cancelTimer = this.#ambient.clock.after(delayMs, tick, { idle: true });
  }

  async #tick(): Promise<void> {
    const { clock } = this.#ambient;
    try {
      if (!this.#held) await this.#register();
      else if (this.#beatDue(clock.now())) await this.#beat();
      if (this.#held && !this.#stopped) this.#guardFromNow();
    } catch (error) {
      this.#events.failed("heartbeat", error);
    }
    if (!this.#sweeps || !this.#held || this.#stopped) return;
    try {
      // Never before our own beat: a process that was paused would sweep itself.
      const { fibers } = await this.#queue.sweep();
      if (fibers > 0) this.#events.swept(fibers);
    } catch (error) {
      this.#events.failed("sweep", error);
    }
  }

  /** A renewal in the future: the clock was set back, and how long ago it was nobody knows. */
  #beatDue(now: number): boolean {
    return now - this.#renewedAt >= this.#settings.heartbeatMs || now < this.#renewedAt;
  }

  async #beat(): Promise<void> {
    const askedAt = this.#ambient.clock.now();
    const answer = await this.#queue.heartbeat(this.#worker, this.#epoch, this.#settings.leaseMs);
    if (answer.status === "alive") {
      this.#renewed(askedAt);
      if (answer.cancelled.length > 0) this.#events.cancelled(answer.cancelled);
      return;
    }
    this.#lose();
    if (!this.#stopped) await this.#register();
  }

  #lose(): void {
    this.#held = false;
    this.#events.lost();
  }
}
