import type { Clock } from "../domain/ambient.ts";
import type { Failure } from "../domain/failure.ts";
import { FinalError } from "../domain/final-error.ts";
import { LIMITS } from "../domain/limits.ts";
import type { Allowance } from "../domain/quota.ts";
import type { EndStatus, Metadata } from "../domain/run.ts";

/** What every hook is told. Values are copies: changing them changes nothing. */
export interface HookRun {
  readonly runId: string;
  readonly flow: string;
  readonly version: string;
  readonly metadata: Metadata;
  /** A run that another one launched without waiting for it. */
  readonly isBackground: boolean;
  readonly context: unknown;
  /** What may still be spent; without limits it is empty. */
  readonly quotaLeft: Allowance;
  /** What lives as long as the process or longer; of what lives as long as an attempt, nothing is opened for hooks. */
  readonly resources: Readonly<Record<string, unknown>>;
}

export interface HookStep extends HookRun {
  readonly path: string;
  readonly visit: string;
  readonly attempt: number;
  readonly input: unknown;
}

/** Nothing, or: the run shall be cancelled, for that reason. */
export type HookAnswer = undefined | void | { readonly abort: string };
type Asked<About> = (about: About) => HookAnswer | Promise<HookAnswer>;

/**
 * Functions around runs and steps, called in order and awaited, each for 10 seconds at most. They may answer `{ abort: reason }`:
 * then the run is cancelled, as "HOOK_ABORTED: reason". What one throws is logged and changes nothing, unless hooks are strict:
 * then its run fails with HOOK_FAILED. Where a process dies between a hook and what is recorded, the hook is called again: at
 * least once for each outcome. Source: Flujo, hooks.
 */
export interface Hooks {
  readonly name?: string;
  readonly preRun?: Asked<HookRun & { readonly input: unknown }>;
  /** Before the end is recorded. An abort comes too late here, and is ignored. */
  readonly postRun?: Asked<
    HookRun & { readonly status: EndStatus; readonly output: unknown; readonly failure: Failure | undefined }
  >;
  /** Before each attempt of a step; compensations have none. */
  readonly preStep?: Asked<HookStep>;
  /** After an attempt that succeeded. */
  readonly postStep?: Asked<HookStep & { readonly output: unknown; readonly cacheHit: boolean }>;
  /** After each attempt that failed. `isLast`: there is no other. */
  readonly onStepFailure?: Asked<HookStep & { readonly failure: Failure; readonly isLast: boolean }>;
  /** Before a question to a person is recorded. */
  readonly onPause?: Asked<HookRun & { readonly path: string; readonly visit: string; readonly question: unknown }>;
}

type HookEvent = Exclude<keyof Hooks, "name">;
type About<Event extends HookEvent> = Parameters<NonNullable<Hooks[Event]>>[0];
type LogError = (message: string, fields: Readonly<Record<string, unknown>>) => void;

export interface HooksDeps {
  readonly strict: boolean;
  readonly clock: Pick<Clock, "after">;
  readonly error: LogError;
}

/** The hooks of a runner. */
export class HookChain {
  readonly #hooks: readonly Hooks[];
  readonly #with: HooksDeps;

  constructor(hooks: readonly Hooks[], deps: HooksDeps) {
    this.#hooks = hooks;
    this.#with = deps;
  }

  /** Asks those that listen, in order; the first that aborts is the last that is asked. `about` is made for each of them anew. */
  async tell<Event extends HookEvent>(event: Event, about: () => About<Event>): Promise<string | undefined> {
    for (const hook of this.#hooks) {
      const ask = hook[event] as Asked<About<Event>> | undefined;
      if (ask === undefined) continue;
      const abort = await this.#ask(event, hook, () => ask.call(hook, about()));
      if (abort !== undefined) return abort;
    }
    return undefined;
  }

  async #ask(
    event: HookEvent,
    { name = "hook" }: Hooks,
    ask: () => ReturnType<Asked<never>>,
  ): Promise<string | undefined> {
    try {
      const answer = await bounded(ask, this.#with.clock);
      return typeof answer === "object" && typeof answer.abort === "string" ? answer.abort : undefined;
    } catch (cause) {
      const message = `${event} of ${name} failed: ${cause instanceof Error ? cause.message : String(cause)}`;
      if (this.#with.strict) throw new FinalError("HOOK_FAILED", message, { cause, details: { hook: name, event } });
      this.#with.error(message, { error: cause });
      return undefined;
    }
  }
}

/** A function of somebody else's, and no longer than that. What it does later is nobody's business. */
export function bounded<Answer>(ask: () => Answer | Promise<Answer>, clock: Pick<Clock, "after">): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const late = (): void => reject(new Error(`it took longer than ${LIMITS.hookMs} ms`));
    const cancel = clock.after(LIMITS.hookMs, late);
    // In a promise, so that a throw is a rejection; after the timer, so that there is always one to cancel.
    new Promise<Answer>((answered) => answered(ask())).then(resolve, reject).finally(cancel);
  });
}

/** As the run's record and history tell it. */
export const abortReason = (reason: string): string => `HOOK_ABORTED: ${reason}`;
