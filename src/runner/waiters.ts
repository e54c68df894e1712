import type { Ambient } from "../domain/ambient.ts";
import { type ErrorCode, FlujoError } from "../domain/errors.ts";
import type { RunId } from "../domain/ids.ts";
import type { RunResult } from "./result.ts";

/** How often a result is looked for that another process may have produced. Hints make it faster where they work. */
const POLL_MS = 500;
/**
 * A run of many fibers parks often, and reading its status costs with their number: looking at it takes a twentieth of the
 * time. Each run rests by itself: one rest for all kept 500 runs that parked at the same time waiting for seconds.
 */
const REST_MS = 20;
const REST_FACTOR = 20;
/** A process that was suspended during a look must not silence a run for minutes. */
const MAX_REST_MS = 2_000;

/** A process may wait for very many runs: each poll looks at some of them, in turn. */
const LOOKS_PER_POLL = 500;

interface Waiter {
  readonly until: "end" | "settled";
  readonly resolve: (result: RunResult) => void;
  readonly reject: (error: unknown) => void;
}

/** A run that somebody waits for. */
interface Watched {
  readonly waiters: Set<Waiter>;
  /** Not looked at again before. */
  restUntil: number;
}

/** Who waits for the results of which runs. Ends that happen here arrive at once and without a read. */
export class Waiters {
  readonly #look: (run: RunId) => Promise<RunResult>;
  readonly #ambient: Ambient;
  readonly #waiting = new Map<RunId, Watched>();
  #timer: (() => void) | undefined;
  #timerAt = Number.POSITIVE_INFINITY;
  #pollAt = Number.NEGATIVE_INFINITY;
  readonly #urgent = new Set<RunId>();
  #looking = false;
  #closed: unknown;

  /** `look` reads what a run has come to; `running` when it will move on by itself. */
  constructor(look: (run: RunId) => Promise<RunResult>, ambient: Ambient) {
    this.#look = look;
    this.#ambient = ambient;
  }

  /** Resolves when the run has ended or, with `settled`, when only people or signals can move it on. */
  wait(run: RunId, until: Waiter["until"], signal?: AbortSignal): Promise<RunResult> {
    return new Promise((resolve, reject) => {
      if (this.#closed !== undefined) return reject(this.#closed as Error);
      if (signal?.aborted === true) return reject(signal.reason as Error);
      const forget = (): void => {
        signal?.removeEventListener("abort", onAbort);
        const { waiters } = this.#waiting.get(run) ?? {};
        waiters?.delete(waiter);
        if (waiters?.size === 0) this.#waiting.delete(run);
        if (this.#waiting.size === 0) this.#stopTimer();
      };
      const onAbort = (): void => {
        forget();
        reject(signal?.reason as Error);
      };
      const waiter: Waiter = {
        until,
        resolve: (result) => {
          forget();
          resolve(result);
        },
        reject: (error) => {
          forget();
          reject(error as Error);
        },
      };
      signal?.addEventListener("abort", onAbort, { once: true });
      const watched = this.#waiting.get(run);
      if (watched === undefined)
        this.#waiting.set(run, { waiters: new Set([waiter]), restUntil: Number.NEGATIVE_INFINITY });
      else watched.waiters.add(waiter);
      this.#lookWithin(POLL_MS);
    });
  }

  /** A run ended in this process. */
  ended(run: RunId, result: () => RunResult): void {
    const { waiters } = this.#waiting.get(run) ?? {};
    if (waiters === undefined) return;
    try {
      const what = result();
      for (const waiter of [...waiters]) waiter.resolve(what);
    } catch (error) {
      for (const waiter of [...waiters]) waiter.reject(error); // an output that cannot be decoded: no later look will
    }
  }

  /** Something happened to this run that may be what somebody waits for. */
  nudge(run: RunId): void {
    const watched = this.#waiting.get(run);
    if (watched === undefined) return;
    this.#urgent.add(run);
    this.#lookWithin(restOf(watched, this.#now()));
  }

  close(error: unknown): void {
    this.#closed = error;
    for (const { waiters } of [...this.#waiting.values()]) for (const waiter of [...waiters]) waiter.reject(error);
    this.#stopTimer();
  }

  #lookWithin(ms: number): void {
    const at = this.#now() + ms;
    if (this.#waiting.size === 0 || at >= this.#timerAt || this.#looking) return;
    this.#stopTimer();
    this.#timerAt = at;
    // Not idle: while somebody awaits a result the process has a reason to live.
    this.#timer = this.#ambient.clock.after(ms, () => void this.#lookAround());
  }

  /** Spans only: a clock that is set must not make anybody wait. */
  #now(): number {
    return this.#ambient.clock.monotonic();
  }

  #stopTimer(): void {
    this.#timer?.();
    this.#timer = undefined;
    this.#timerAt = Number.POSITIVE_INFINITY;
  }

  async #lookAround(): Promise<void> {
    this.#stopTimer();
    this.#looking = true;
    const now = this.#now();
    const runs = new Set([...this.#urgent].filter((run) => this.#restOf(run, now) === 0));
    for (const run of runs) this.#urgent.delete(run);
    if (now >= this.#pollAt) {
      this.#pollAt = now + POLL_MS;
      for (const run of this.#nextInTurn()) runs.add(run);
    }
    for (const run of runs) await this.#lookAt(run);
    this.#looking = false;
    const later = this.#now();
    this.#lookWithin(
      Math.min(POLL_MS, ...[...this.#urgent].slice(0, LOOKS_PER_POLL).map((run) => this.#restOf(run, later))),
    );
  }

  #restOf(run: RunId, now: number): number {
    const watched = this.#waiting.get(run);
    return watched === undefined ? 0 : restOf(watched, now);
  }

  /** The runs that were not looked at for the longest time; they go to the end of the line. */
  #nextInTurn(): readonly RunId[] {
    const turn = [...this.#waiting].slice(0, LOOKS_PER_POLL);
    for (const [run, watched] of turn) {
      this.#waiting.delete(run);
      this.#waiting.set(run, watched);
    }
    return turn.map(([run]) => run);
  }

  async #lookAt(run: RunId): Promise<void> {
    const watched = this.#waiting.get(run);
    if (watched === undefined) return;
    const startedAt = this.#now();
    const asking = [...watched.waiters]; // whoever asks while we look must not be answered with what we saw before
    try {
      const result = await this.#look(run);
      for (const waiter of asking) if (isOver(result, waiter.until)) waiter.resolve(result);
    } catch (error) {
      if (isFinal(error)) for (const waiter of asking) waiter.reject(error);
      // Anything else is the store's trouble, and passes: the next look tries again.
    }
    const now = this.#now();
    watched.restUntil = now + Math.min(MAX_REST_MS, Math.max(REST_MS, (now - startedAt) * REST_FACTOR));
  }
}

/** How long a run is still left alone. */
const restOf = ({ restUntil }: Watched, now: number): number => Math.max(0, restUntil - now);

/** What no later look will change. */
const FINAL: readonly unknown[] = ["RUN_UNKNOWN", "RECORD_UNDECODABLE", "BLOB_MISSING"] satisfies readonly ErrorCode[];
const isFinal = (error: unknown): boolean => error instanceof FlujoError && FINAL.includes(error.code);

function isOver({ status }: RunResult, until: Waiter["until"]): boolean {
  if (status === "running") return false;
  return until === "settled" || status === "completed" || status === "failed" || status === "cancelled";
}
