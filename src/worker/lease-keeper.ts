import type { Ambient } from "../domain/ambient.ts";
import type { WorkerId } from "../domain/ids.ts";
import type { Wire } from "../domain/wire.ts";
import type { FiberRef, HeartbeatOutcome, LeaseGuard, TaskQueue } from "../ports/queue.ts";
import type { WorkerSettings } from "./options.ts";

/** A step that blocks the event loop for longer than this is taken for hung, and its fibers go to other workers. */
const GIVE_UP_MS = 60_000;
/** Of a beat: a timer that rings a little early must not put it off by a whole tick, nor a beat that comes a little late look like a death. */
const EARLY = 1 / 8;

export interface LeaseEvents {
  readonly cancelled: (fibers: readonly (FiberRef & { readonly reason: string })[]) => void;
  /** The lease is gone, or can no longer be trusted: everything held must be dropped before a new epoch begins. */
  readonly lost: () => void;
  /** A new epoch has begun: what the old one held is there to be claimed. */
  readonly registered: () => void;
  readonly swept: (fibers: number) => void;
  readonly failed: (operation: string, error: unknown) => void;
}

export interface LeaseKeeperOptions {
  readonly settings: WorkerSettings;
  readonly ambient: Ambient;
  readonly events: LeaseEvents;
  readonly sweeps: boolean;
  /** What others are shown of this worker; another object when it has changed. */
  readonly about: () => Wire;
  /** Whether it holds anything. */
  readonly busy: () => boolean;
}

/** One instant by both clocks. */
interface Instant {
  readonly wall: number;
  readonly monotonic: number;
}

/**
 * Keeps this worker's lease alive, and takes over from workers that did not keep theirs.
 * One write per beat, however many fibers are held. A worker that cannot renew drops its work before its lease ends, so that
 * it has stopped when another begins (self-fencing).
 *
 * What it costs, with a beat of 0.5 s and a lease of 2.5 s. A worker with work beats twice a second. One without has nothing to
 * lose: it beats every other second with a lease of 4 s, 30 queries a minute. Either way two seconds of lease are left when
 * the next beat is due, so whoever is told by its own beat that a lease runs out before the next one sees a worker that is
 * late, and sweeps at that moment: a healthy cluster sends no sweeps at all, and a dead worker's fibers are taken over when
 * its lease ends, 2.5 s after its last beat (2.25 s after its death in the median), 4 s when it had just begun to work.
 */
export class LeaseKeeper {
  readonly #queue: TaskQueue;
  readonly #worker: WorkerId;
  readonly #with: LeaseKeeperOptions;
  #epoch = 0;
  #renewedAt: Instant = { wall: 0, monotonic: 0 };
  #held = false;
  #stopped = false;
  #ticking = false;
  #told: Wire | undefined;
  /** When to look for dead workers, by the monotonic clock. */
  #sweepAt = Number.POSITIVE_INFINITY;
  /** What the store granted with the last renewal. */
  #leaseMs = 0;
  /** The store does not say when leases run out. */
  #blind = false;
  #cancelTimer: (() => void) | undefined;
  #cancelFence: (() => void) | undefined;
  #guard: LeaseGuard | undefined;
  #beating: Promise<void> = Promise.resolve();

  constructor(queue: TaskQueue, worker: WorkerId, options: LeaseKeeperOptions) {
    this.#queue = queue;
    this.#worker = worker;
    this.#with = options;
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
    const { events, about, settings } = this.#with;
    const askedAt = this.#instant();
    const leaseMs = this.#leaseFor(settings.idleBeatMs); // it holds nothing yet
    const what = about();
    const { epoch } = await this.#queue.register(this.#worker, leaseMs, what);
    await this.#guard?.stop();
    this.#guard = undefined;
    this.#told = what;
    this.#epoch = epoch;
    this.#held = !this.#stopped;
    this.#sweepAt = askedAt.monotonic; // whoever died before nobody was here is found at once
    this.#renewed(askedAt, leaseMs);
    events.registered();
  }

  /** Counts from when we asked, not from when we heard: the store counts from some time in between. */
  #renewed(askedAt: Instant, leaseMs: number): void {
    const { settings, ambient } = this.#with;
    this.#renewedAt = askedAt;
    this.#leaseMs = leaseMs;
    this.#guard?.beaten();
    this.#cancelFence?.();
    this.#cancelFence = undefined;
    if (this.#stopped) return;
    const left = leaseMs - Math.min(settings.sweepMs, settings.leaseMs / 4) - this.#since(askedAt);
    this.#cancelFence = ambient.clock.after(Math.max(0, left), () => this.#fence(), { idle: true });
  }

  /** No renewal in time, whatever the reason: stop before others begin. Unless the guard kept the lease while we were blocked. */
  #fence(): void {
    const guarded = this.#guard?.renewedAt ?? 0;
    if (guarded > this.#renewedAt.wall) {
      const { wall, monotonic } = this.#instant();
      return this.#renewed({ wall: guarded, monotonic: monotonic - (wall - guarded) }, this.#with.settings.leaseMs);
    }
    if (!this.#held) return;
    this.#lose();
    // A laptop that slept, a process that was stopped: it may go on, under a new epoch, as soon as it knows.
    if (!this.#ticking) this.#schedule(0);
  }

  /**
   * From now on a blocked event loop does not cost the lease. A thread takes tens of milliseconds to start, so runs that were
   * born here and are over before the first beat never pay for it; what was claimed from others may block at once.
   */
  guardFromNow(): void {
    if (!this.#held) return;
    const { leaseMs, heartbeatMs } = this.#with.settings;
    this.#guard ??= this.#queue.guard?.({
      worker: this.#worker,
      epoch: this.#epoch,
      leaseMs,
      everyMs: heartbeatMs,
      giveUpMs: GIVE_UP_MS,
    });
  }

  #schedule(delayMs = this.#restMs()): void {
    this.#cancelTimer?.();
    if (this.#stopped) return;
    const tick = (): void => {
      this.#ticking = true;
      this.#beating = this.#tick().finally(() => {
        this.#ticking = false;
        this.#schedule();
      });
    };
    this.#cancelTimer = this.#with.ambient.clock.after(delayMs, tick, { idle: true });
  }

  /** Comes round with each beat, due or not: the guard sees by that that the event loop is alive. */
  #restMs(): number {
    const { settings, ambient, sweeps } = this.#with;
    const untilSweep = sweeps ? Math.max(0, this.#sweepAt - ambient.clock.monotonic()) : Number.POSITIVE_INFINITY;
    return Math.min(settings.heartbeatMs, untilSweep);
  }

  async #tick(): Promise<void> {
    const { events } = this.#with;
    this.#guard?.beaten(); // a store that answers late is no reason to open another connection to it
    try {
      if (!this.#held) await this.#register();
      else if (this.#beatDue()) {
        await this.#beat();
        if (!this.#stopped) this.guardFromNow();
      }
    } catch (error) {
      events.failed("heartbeat", error);
    }
    // Never before our own beat: a process that was paused would sweep itself.
    if (this.#held && !this.#stopped) await this.#sweepIfDue();
  }

  #beatDue(): boolean {
    return this.#since(this.#renewedAt) >= Math.min(this.#beatMs(), this.#leaseAllows()) * (1 - EARLY);
  }

  /** Who was busy when it last beat has a short lease: it beats once more like that, and asks for the long one of the idle. */
  #leaseAllows(): number {
    const { leaseMs, heartbeatMs } = this.#with.settings;
    return this.#leaseMs - leaseMs + heartbeatMs;
  }

  #beatMs(): number {
    const { busy, settings } = this.#with;
    return busy() ? settings.heartbeatMs : settings.idleBeatMs;
  }

  /** Whoever beats less often has a longer lease, so that as much of it is left at the next beat. */
  #leaseFor(beatMs: number): number {
    const { leaseMs, heartbeatMs } = this.#with.settings;
    return leaseMs + beatMs - heartbeatMs;
  }

  async #beat(): Promise<void> {
    const { about, events } = this.#with;
    const askedAt = this.#instant();
    const leaseMs = this.#leaseFor(this.#beatMs());
    const what = about();
    const news: [] | [Wire] = what === this.#told ? [] : [what];
    const answer = await this.#queue.heartbeat(this.#worker, this.#epoch, leaseMs, ...news);
    if (answer.status === "alive") {
      this.#told = what;
      this.#renewed(askedAt, leaseMs);
      this.#expect(answer);
      if (answer.cancelled.length > 0) events.cancelled(answer.cancelled);
      return;
    }
    this.#lose();
    if (!this.#stopped) await this.#register();
  }

  /** Sets the next look for dead workers. What can wait for the next beat does: it may have renewed its lease by then. */
  #expect({ nextExpiryMs }: Extract<HeartbeatOutcome, { status: "alive" }>): void {
    const { settings, ambient } = this.#with;
    const now = ambient.clock.monotonic();
    this.#blind = nextExpiryMs === undefined;
    if (nextExpiryMs === undefined) this.#sweepAt = Math.min(this.#sweepAt, now + settings.sweepMs);
    else {
      const soon = nextExpiryMs <= this.#beatMs() * (1 - EARLY);
      this.#sweepAt = soon ? now + Math.max(0, nextExpiryMs) : Number.POSITIVE_INFINITY;
    }
  }

  async #sweepIfDue(): Promise<void> {
    const { ambient, events, settings, sweeps } = this.#with;
    const now = ambient.clock.monotonic();
    if (!sweeps || now < this.#sweepAt) return;
    this.#sweepAt = this.#blind ? now + settings.sweepMs : Number.POSITIVE_INFINITY; // the next beat says when again
    try {
      const { fibers } = await this.#queue.sweep();
      if (fibers > 0) events.swept(fibers);
    } catch (error) {
      events.failed("sweep", error);
    }
  }

  #lose(): void {
    this.#held = false;
    this.#with.events.lost();
  }

  #instant(): Instant {
    const { clock } = this.#with.ambient;
    return { wall: clock.now(), monotonic: clock.monotonic() };
  }

  /**
   * How long ago that was, at least. The monotonic clock knows when somebody sets the other one back; the other one knows how
   * long a machine slept.
   */
  #since({ wall, monotonic }: Instant): number {
    const now = this.#instant();
    return Math.max(now.wall - wall, now.monotonic - monotonic);
  }
}
