import type { ContextReference, Handles, ReferenceHandle } from "../domain/reference.ts";
import type { Metadata } from "../domain/run.ts";

/** The context of a flow without a context schema. */
export type OpenContext = Record<string, unknown>;

/** What a predicate, selector or mapper may look at besides the flowing value. Copies: changing them changes nothing. */
export interface View<Context = OpenContext> {
  readonly context: Context;
  /** Finished iterations of the nearest loop; 0 outside loops. */
  readonly iteration: number;
}

/** Structured log lines that carry the run, path and attempt. */
export interface StepLog {
  debug(message: string, fields?: Readonly<Record<string, unknown>>): void;
  info(message: string, fields?: Readonly<Record<string, unknown>>): void;
  warn(message: string, fields?: Readonly<Record<string, unknown>>): void;
  error(message: string, fields?: Readonly<Record<string, unknown>>): void;
}

/** The run a step belongs to. */
export interface StepRun {
  readonly id: string;
  readonly flow: string;
  readonly version: string;
  readonly metadata: Metadata;
}

/**
 * What a step may use besides its input.
 *
 * Steps run at least once: a worker may die after the work and before its result is stored. Pass `idempotencyKey` to
 * whatever must not happen twice. Source: Flujo, step signature; Fluxo §9, idempotency.
 */
export interface StepContext<Context = OpenContext> {
  /** A draft of the run's context: change it freely. Kept when the attempt succeeds, dropped when it fails. */
  context: Context;
  /** Aborted when the attempt times out, the run is cancelled or the worker loses its lease. */
  readonly signal: AbortSignal;
  /** 1 for the first try. */
  readonly attempt: number;
  /** The same for every attempt of this visit of this step, and for no other; its compensation has one of its own. */
  readonly idempotencyKey: string;
  readonly run: StepRun;
  /** `root/enrich/geo`. */
  readonly path: string;
  /** Which iteration or item this is ("" outside loops and maps, "3", "3.0"). */
  readonly visit: string;
  readonly log: StepLog;
  /** Sends a piece of a streamed answer to whoever watches. Not stored: a later attempt emits again. */
  emit(chunk: unknown): void;
  /** What the runner was given to share: clients, pools, configuration. */
  readonly resources: Readonly<Record<string, unknown>>;
  /** A reference as something to get and set. Until it is hydrated it can only be set. */
  reference<T>(to: ContextReference<T>): ReferenceHandle<T>;
  /**
   * Loads the values behind references, all at once, and answers their handles in this order; without arguments, all that the
   * context and the input hold. What the attempt does not hydrate is not loaded. Throws REFERENCE_UNKNOWN, REFERENCE_FAILED.
   *
   *   const [document] = await ctx.hydrate(ctx.context.document);
   *   document.set(redacted(document.get()));
   */
  hydrate<const References extends readonly ContextReference[]>(
    ...references: References
  ): Promise<Handles<References>>;
  /** The engine's clock, so that tests own the time. */
  now(): Date;
  /** Uniform in [0, 1), from the engine's source of chance. */
  random(): number;
}
