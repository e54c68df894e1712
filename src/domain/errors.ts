import { LIMITS } from "./limits.ts";

/**
 * Every error of flujo, in one table. The CLI's exit code, the HTTP status and the docs read the same rows.
 * `help` says what to do; the message of an instance says what was expected and what was found.
 */
export const ERRORS = {
  // Authoring: found when a flow is built.
  DEFINITION_INVALID: { status: 422, exit: 4, help: "Fix every problem listed; each names the path of its node." },
  DEFINITION_CONFLICT: {
    status: 409,
    exit: 2,
    help: "Two different definitions share a name and version. Raise the version of the one that changed.",
  },
  FLOW_UNKNOWN: {
    status: 404,
    exit: 2,
    help: "Register the flow: new Flujo({ flows: [...] }) or pass the file that exports it.",
  },
  FLOW_AMBIGUOUS: {
    status: 409,
    exit: 2,
    help: "Several versions are registered; name one: start({ name, version }, input).",
  },
  // Values at the border.
  INPUT_INVALID: {
    status: 422,
    exit: 4,
    help: "Send input that satisfies the flow's input schema. Nothing was started.",
  },
  CONTEXT_INVALID: { status: 422, exit: 4, help: "The context no longer satisfies the flow's context schema." },
  OUTPUT_INVALID: { status: 422, exit: 1, help: "The flow's last value does not satisfy its output schema." },
  STEP_INPUT_INVALID: {
    status: 422,
    exit: 1,
    help: "The value that reached the step does not satisfy the step's input schema.",
  },
  STEP_OUTPUT_INVALID: {
    status: 422,
    exit: 1,
    help: "The step returned a value that does not satisfy its output schema.",
  },
  VALUE_NOT_SERIALIZABLE: {
    status: 422,
    exit: 1,
    help: "Return plain data: JSON values, Date, bigint, Uint8Array, Map, Set. Convert class instances first.",
  },
  VALUE_TOO_LARGE: {
    status: 413,
    exit: 1,
    help: "Keep large data in object storage and pass its key.",
  },
  ID_INVALID: { status: 422, exit: 4, help: "Ids are 1 to 128 characters of A-Z a-z 0-9 . _ : -" },
  OPTION_INVALID: { status: 422, exit: 2, help: "Correct the option named in the message." },
  // Runs.
  RUN_UNKNOWN: { status: 404, exit: 1, help: "List the runs of this store with `flujo list`." },
  RUN_EXISTS: {
    status: 409,
    exit: 1,
    help: "This id was used with another flow or input. Use a new id, or repeat the first input.",
  },
  RUN_ENDED: { status: 409, exit: 1, help: "The run has ended; nothing was changed." },
  RUN_NOT_FAILED: { status: 409, exit: 1, help: "Only a failed or cancelled run can be retried." },
  RUN_COMPENSATED: {
    status: 409,
    exit: 1,
    help: "Compensations already undid this run's work; start a new run, or fork it.",
  },
  RUN_TIMEOUT: {
    status: 504,
    exit: 1,
    help: "The run took longer than its timeout; raise it in flow(name, { timeout }).",
  },
  RUN_CANCELLED: { status: 409, exit: 1, help: "The run was cancelled; see its reason." },
  RUN_FAILED: { status: 500, exit: 1, help: "See the failure of the run: `flujo get <run>`." },
  EVENT_UNKNOWN: { status: 404, exit: 1, help: "Name a sequence number that `flujo history <run>` shows." },
  // Pauses and signals.
  PAUSE_UNKNOWN: {
    status: 404,
    exit: 1,
    help: "List open questions with `flujo get <run>`; a pause can be answered once.",
  },
  PAUSE_AMBIGUOUS: { status: 409, exit: 1, help: "Several pauses are open; name one by its token." },
  ANSWER_INVALID: { status: 422, exit: 4, help: "Send an answer that satisfies the schema. The run is still paused." },
  SIGNAL_INVALID: {
    status: 422,
    exit: 4,
    help: "Send data that satisfies the signal's schema. Nothing was delivered.",
  },
  SIGNAL_UNDECLARED: {
    status: 422,
    exit: 4,
    help: "No wait of this flow names the signal; the message lists those declared.",
  },
  DEADLINE_EXCEEDED: { status: 504, exit: 1, help: "Nobody answered in time. Handle it with onTimeout or an attempt." },
  // Steps.
  STEP_FAILED: { status: 500, exit: 1, help: "See the cause; fix it and retry the run." },
  STEP_TIMEOUT: {
    status: 504,
    exit: 1,
    help: "The attempt exceeded its timeout. Raise it, or honour ctx.signal to stop early.",
  },
  PREDICATE_FAILED: { status: 500, exit: 1, help: "Predicates and selectors must be synchronous, pure and total." },
  ITEMS_INVALID: { status: 422, exit: 1, help: "map needs an array (or any iterable) to run over." },
  BRANCH_UNKNOWN: { status: 422, exit: 1, help: "The selector named a branch that does not exist." },
  LOOP_LIMIT: {
    status: 500,
    exit: 1,
    help: "The loop did not end within its bound. Raise `max`, or correct its condition.",
  },
  JOIN_FAILED: { status: 500, exit: 1, help: "The join policy could not be met; see the failures of the branches." },
  CONTEXT_CONFLICT: {
    status: 409,
    exit: 1,
    help: "Branches changed one key to different values. Give it a reducer, or choose another merge strategy.",
  },
  CHILD_FAILED: { status: 500, exit: 1, help: "A child run failed; see its own failure." },
  COMPENSATION_FAILED: {
    status: 500,
    exit: 1,
    help: "A compensation failed after its retries; undo its step by hand.",
  },
  WORKER_LOST: {
    status: 500,
    exit: 1,
    help: "Workers died repeatedly on this step (crash, memory, SIGKILL). Fix it, then retry the run.",
  },
  // Stores.
  STORE_URI_INVALID: {
    status: 422,
    exit: 2,
    help: "Use memory:, sqlite:./file.db, postgres://…, redis://… or mongodb://…",
  },
  STORE_CORRUPT: {
    status: 500,
    exit: 2,
    help: "The file is damaged or not a database. Restore a backup; nothing was changed.",
  },
  STORE_FOREIGN: {
    status: 409,
    exit: 2,
    help: "The database belongs to another program. Choose another file; nothing was changed.",
  },
  STORE_TOO_NEW: {
    status: 409,
    exit: 2,
    help: "The store was written by a newer flujo. Upgrade this one; nothing was changed.",
  },
  SHARDS_CHANGED: {
    status: 409,
    exit: 2,
    help: "Open the same shards in the same order as the first time: a run is found where its id put it then.",
  },
  STORE_UNAVAILABLE: {
    status: 503,
    exit: 1,
    help: "The store cannot be reached or is locked; the work is kept and tried again.",
  },
  STORE_NOT_DURABLE: {
    status: 503,
    exit: 2,
    help: "Switch persistence on at the server (for Redis: `appendonly yes`), or leave requireDurable out.",
  },
  STORE_READ_ONLY: {
    status: 503,
    exit: 2,
    help: "Connect to the primary: this server is a read-only replica or in recovery.",
  },
  QUEUE_RULES_UNSUPPORTED: {
    status: 422,
    exit: 2,
    help: "This store cannot keep rules over all workers; use a store whose capabilities say queueRules.",
  },
  TRANSACTIONS_UNSUPPORTED: {
    status: 422,
    exit: 2,
    help: "transaction() needs SQLite or Postgres; use step() with ctx.idempotencyKey on other stores.",
  },
  TRANSACTION_OVER: {
    status: 409,
    exit: 1,
    help: "Await everything that uses the transaction before the step's function returns.",
  },
  SCHEDULE_INVALID: { status: 422, exit: 4, help: "Correct the schedule's cron expression, time zone or flow." },
  SCHEDULE_UNKNOWN: { status: 404, exit: 1, help: "List the schedules of this store with `flujo schedules`." },
  STORE_CLOSED: { status: 503, exit: 1, help: "The store was closed; open a new one." },
  RECORD_UNDECODABLE: {
    status: 500,
    exit: 1,
    help: "A stored record cannot be read by this version; see its id in the message.",
  },
  BLOB_MISSING: { status: 500, exit: 1, help: "A large value is gone from the store; restore it from a backup." },
  FILTER_UNKNOWN: { status: 422, exit: 4, help: "Use only the filters listed in the message." },
  CURSOR_INVALID: { status: 422, exit: 4, help: "Pass the `next` value of an earlier page, unchanged." },
  LEASE_LOST: { status: 409, exit: 1, help: "Another worker took the fiber over. Nothing was written." },
  // Models, budgets, agents.
  MODEL_UNKNOWN: {
    status: 422,
    exit: 2,
    help: 'Write provider:model, for example "openai:gpt-4o", or pass a model object.',
  },
  MODEL_KEY_MISSING: { status: 422, exit: 2, help: "Set the environment variable named in the message." },
  MODEL_RATE_LIMITED: { status: 429, exit: 1, help: "The provider asks to slow down; give the step a retry policy." },
  MODEL_UNAVAILABLE: {
    status: 503,
    exit: 1,
    help: "The provider failed or did not answer; try again, or add a fallback.",
  },
  MODEL_REFUSED: {
    status: 502,
    exit: 1,
    help: "The provider refused the request; see its reason. Trying again is pointless.",
  },
  MODEL_ANSWER_UNREADABLE: { status: 502, exit: 1, help: "The provider's answer broke its own format; see the cause." },
  MODEL_SCRIPT_BROKEN: { status: 500, exit: 1, help: "A scripted model was called otherwise than its script says." },
  CASSETTE_MISS: { status: 500, exit: 1, help: "The request is not on the cassette: record it again." },
  PRICING_NOT_CONFIGURED: {
    status: 422,
    exit: 2,
    help: "A cost limit needs a price for every model: add it under [cost] in flujo.toml, or use token limits.",
  },
  COST_LIMIT_EXCEEDED: {
    status: 402,
    exit: 1,
    help: "Raise the cost limit, or use a cheaper model. Nothing more was spent.",
  },
  TOKEN_LIMIT_EXCEEDED: {
    status: 402,
    exit: 1,
    help: "Raise the token limit, or shorten prompts and maxOutputTokens.",
  },
  QUOTA_EXCEEDED: { status: 402, exit: 1, help: "Raise the limit of requests or tool calls that the message names." },
  AGENT_TURNS_EXCEEDED: {
    status: 500,
    exit: 1,
    help: "The agent did not finish within maxTurns; raise it, or correct its prompt.",
  },
  AGENT_CHANGED: {
    status: 409,
    exit: 1,
    help: "Prompt, model or tools changed since the run began. Restore them, fork the run, or resume with fingerprint: compat.",
  },
  AGENT_OUTPUT_INVALID: {
    status: 422,
    exit: 1,
    help: "The model's answer does not satisfy the output schema, after every repair.",
  },
  PROMPT_INVALID: { status: 422, exit: 1, help: "Correct the template, or pass the variable that it names." },
  TOOL_UNKNOWN: { status: 422, exit: 1, help: "The model called a tool that the agent does not have." },
  TOOL_ARGUMENTS_INVALID: {
    status: 422,
    exit: 1,
    help: "The model called a tool with arguments that break its schema.",
  },
  TOOL_NOT_ALLOWED: { status: 403, exit: 1, help: "Add the tool to the allow-list, or take it from the agent." },
  TOOL_SERVER_UNAVAILABLE: {
    status: 503,
    exit: 1,
    help: "The MCP server could not be started or reached, or does not speak MCP; see the cause.",
  },
  IDEMPOTENCY_KEY_MISSING: { status: 422, exit: 1, help: "Pass ctx.idempotencyKey on to what the tool calls." },
  APPROVAL_INVALID: {
    status: 409,
    exit: 1,
    help: "The approval is for another call: answer the question that is open.",
  },
  // Around steps.
  GOVERNANCE_DENIED: { status: 403, exit: 1, help: "A policy denied the request; see its reason." },
  AUDIT_BROKEN: { status: 500, exit: 1, help: "The audit log was changed after it was written; see the entry named." },
  VALIDATION_FAILED: {
    status: 422,
    exit: 1,
    help: "The step's output did not pass its validators; see their feedback.",
  },
  PROCESSOR_FAILED: { status: 500, exit: 1, help: "A prompt or output processor threw; see its cause." },
  PLUGIN_FAILED: { status: 500, exit: 1, help: "A plugin threw; see its cause." },
  REDIRECT_LOOP: { status: 500, exit: 1, help: "A plugin sent the output back to an agent that had its turn already." },
  FALLBACK_LOOP: { status: 500, exit: 1, help: "A fallback leads back to a step that has failed already." },
  INVARIANT_VIOLATED: { status: 422, exit: 1, help: "A rule that must always hold does not; see which." },
  RESOURCE_CLOSED: {
    status: 409,
    exit: 1,
    help: "Await everything that uses the resource before the step's function returns.",
  },
  HOOK_FAILED: { status: 500, exit: 1, help: "A hook threw where hooks are strict; see its cause." },
  HOOK_ABORTED: { status: 409, exit: 1, help: "A hook stopped the run; see its reason." },
  REFERENCE_FAILED: {
    status: 500,
    exit: 1,
    help: "The value behind a reference could not be read or written; see the cause.",
  },
  REFERENCE_UNKNOWN: { status: 422, exit: 2, help: "Pass the provider: new Flujo({ stateProviders: { name: … } })." },
  BACKGROUND_UNKNOWN: { status: 404, exit: 1, help: "List background tasks with failedBackgroundTasks()." },
  REPLAY_MISSING: {
    status: 409,
    exit: 1,
    help: "The record has no answer for this step and attempt: the flow changed.",
  },
  EXPORT_INVALID: { status: 422, exit: 4, help: "Use a file that `flujo export` wrote." },
  VECTOR_INVALID: { status: 422, exit: 1, help: "Vectors of one store have one length; see the message." },
  // Process.
  CONFIG_INVALID: {
    status: 422,
    exit: 2,
    help: "Correct flujo.toml or the environment variable named in the message.",
  },
  MODULE_UNREADABLE: { status: 422, exit: 3, help: "The file could not be imported; see the cause." },
  MODULE_WITHOUT_FLOW: { status: 422, exit: 3, help: "Export a built flow: `export default` or a named export." },
  DEPENDENCY_MISSING: { status: 500, exit: 2, help: "Install the package named in the message." },
  CLOSED: { status: 503, exit: 1, help: "This Flujo was closed; create a new one." },
} as const;

export type ErrorCode = keyof typeof ERRORS;

export interface ErrorDetails {
  readonly cause?: unknown;
  /** Where: `flow@version root/path#visit`, a file, a JSON path. */
  readonly at?: string;
  /** Machine-readable particulars; never secrets, never whole payloads. */
  readonly details?: Readonly<Record<string, unknown>>;
}

/**
 * Classes of errors are told by a mark, not by identity: a flow file may be loaded with a copy of this package of its own (two
 * versions, two module systems), and its NonRetryableError must mean the same to the worker of the other copy.
 */
const marked = (value: unknown, mark: symbol): boolean => typeof value === "object" && value !== null && mark in value;
const FLUJO_ERROR = Symbol.for("flujo.FlujoError");
const NON_RETRYABLE = Symbol.for("flujo.NonRetryableError");
const RETRY_AFTER = Symbol.for("flujo.RetryAfter");

/** The one error class that flujo throws. `code` is stable; the message says what was expected and what was found. */
export class FlujoError extends Error {
  override readonly name: string = "FlujoError";
  readonly code: ErrorCode;
  readonly help: string;
  readonly at: string | undefined;
  readonly details: Readonly<Record<string, unknown>> | undefined;

  constructor(code: ErrorCode, message: string, { cause, at, details }: ErrorDetails = {}) {
    super(at === undefined ? message : `${message} (at ${at})`, cause === undefined ? undefined : { cause });
    this.code = code;
    this.help = ERRORS[code].help;
    this.at = at;
    this.details = details;
  }

  static override [Symbol.hasInstance](value: unknown): boolean {
    return marked(value, FLUJO_ERROR);
  }

  toJSON(): Record<string, unknown> {
    return { code: this.code, message: this.message, help: this.help, at: this.at, details: this.details };
  }
}

/** Throw this (or a subclass) from a step to say: trying again is pointless. Source: Fluxo, retryable classification. */
export class NonRetryableError extends Error {
  override readonly name: string = "NonRetryableError";

  static override [Symbol.hasInstance](value: unknown): boolean {
    return marked(value, NON_RETRYABLE);
  }
}

const MAX_MS = LIMITS.retryAfterMs;
export const retryAfterAllowed = (delayMs: number): boolean => delayMs <= MAX_MS && delayMs > Number.NEGATIVE_INFINITY;

/** Throw this from a step to say when to try again, for example from a `Retry-After` header. */
export class RetryAfter extends Error {
  override readonly name: string = "RetryAfter";
  /** Delay before the next attempt, in milliseconds. */
  readonly delayMs: number;

  /**
   * `delayMs`: at most 30 days; in the past = at once. Throws OPTION_INVALID for anything else, so that the attempt fails with
   * that and is tried again after the ordinary delay.
   */
  constructor(delayMs: number, message = `try again in ${delayMs} ms`, options?: ErrorOptions) {
    if (!retryAfterAllowed(delayMs)) {
      throw new FlujoError("OPTION_INVALID", `RetryAfter: expected at most ${MAX_MS} ms but found ${delayMs}`, options);
    }
    super(message, options);
    this.delayMs = delayMs;
  }

  static override [Symbol.hasInstance](value: unknown): boolean {
    return marked(value, RETRY_AFTER);
  }
}

// On the prototypes, so that printing an error does not show them.
for (const [{ prototype }, mark] of [
  [FlujoError, FLUJO_ERROR],
  [NonRetryableError, NON_RETRYABLE],
  [RetryAfter, RETRY_AFTER],
] as const) {
  Object.defineProperty(prototype, mark, { value: true });
}
