import { jsonSchemaOf } from "../definition/json-schema.ts";
import type { StepContext, StepLog, StepRun } from "../dsl/context.ts";
import type { AttemptOptions } from "../dsl/options.ts";
import type { AgentContext } from "./agent-context.ts";
import { type Duration, durationMs } from "../domain/duration.ts";
import { FlujoError } from "../domain/errors.ts";
import type { OutputOf, Schema } from "../domain/schema.ts";
import type { Wire } from "../domain/wire.ts";
import type { ToolOffer } from "../ports/model.ts";

/** What a tool may use besides its arguments. */
export interface ToolContext {
  /** Aborted when the call times out, the run is cancelled or the worker loses its lease. */
  readonly signal: AbortSignal;
  /**
   * The same for every attempt of this call in every process, and for no other call. Pass it to whatever must not happen twice.
   */
  readonly idempotencyKey: string;
  readonly attempt: number;
  readonly run: StepRun;
  readonly log: StepLog;
  readonly resources: Readonly<Record<string, unknown>>;
  /** A draft of the run's context, as in a step. */
  context: unknown;
  /** Sends a piece of progress to whoever watches. */
  emit(chunk: unknown): void;
  /** As in a step: values that the run holds by reference. */
  readonly reference: StepContext["reference"];
  readonly hydrate: StepContext["hydrate"];
}

export interface ToolOptions<Input extends Schema, Out> extends AttemptOptions {
  /** 1 to 64 characters of A-Z a-z 0-9 _ -, unique among the tools of an agent. */
  readonly name: string;
  /** What it does and when to use it: a model reads this. */
  readonly description: string;
  /** Checked before each call; what a model gets wrong is told to it, and nothing runs. */
  readonly input: Input;
  /** JSON Schema of the arguments, where the schema's vendor cannot give one. */
  readonly parameters?: { readonly [key: string]: Wire };
  /** Pauses the run until a person has approved this very call. Needs a granular agent. Default false. */
  readonly requiresApproval?: boolean | ((input: OutputOf<Input>) => boolean);
  /** How long an approval may be given; after that the call is refused. Default: for ever. */
  readonly approvalDeadline?: Duration;
  /** The call must pass on its idempotency key when the agent enforces that: it has effects outside. Default false. */
  readonly requiresIdempotencyKey?: boolean;
  /** `return` (default): the model is told of a failure and goes on. `fail`: the agent fails. */
  readonly onError?: "return" | "fail";
  /** Enters the fingerprint of its agent: change it when the tool behaves otherwise. */
  readonly revision?: string;
  readonly run: (input: OutputOf<Input>, ctx: ToolContext) => Out | Promise<Out>;
}

/** A function that a model may call. */
export interface Tool {
  readonly name: string;
  readonly offer: ToolOffer;
  readonly input: Schema;
  readonly attempts: AttemptOptions;
  readonly needsApproval?: (input: unknown) => boolean;
  readonly approvalDeadlineMs?: number;
  readonly requiresIdempotencyKey: boolean;
  readonly onError: "return" | "fail";
  readonly revision?: string;
  readonly run: (input: unknown, ctx: ToolContext) => unknown;
}

const TOOL_NAME = /^[A-Za-z0-9_-]{1,64}$/; // what every provider accepts

/**
 * A tool of an agent: `tool({ name: "search", description: "…", input: z.object({ query: z.string() }), run: … })`.
 * Throws OPTION_INVALID for a name that providers refuse, or a schema of which no JSON Schema is known.
 */
export function tool<Input extends Schema, Out>(options: ToolOptions<Input, Out>): Tool {
  const { name, description, input, requiresApproval = false, approvalDeadline, revision } = options;
  const { retry, timeout, onError = "return", requiresIdempotencyKey = false } = options;
  if (!TOOL_NAME.test(name))
    throw new FlujoError("OPTION_INVALID", `tool: expected a name of 1 to 64 of A-Z a-z 0-9 _ - but found "${name}"`);
  const parameters = options.parameters ?? jsonSchemaOf(input, "input");
  if (parameters === undefined) {
    throw new FlujoError(
      "OPTION_INVALID",
      `tool ${name}: its input schema cannot say what it is as JSON Schema; pass \`parameters\``,
    );
  }
  const run = options.run as Tool["run"];
  return Object.freeze({
    name,
    offer: { name, description, parameters },
    input,
    attempts: { ...(retry !== undefined && { retry }), ...(timeout !== undefined && { timeout }) },
    ...(requiresApproval !== false && { needsApproval: approvalRule(requiresApproval as ApprovalRule) }),
    ...(approvalDeadline !== undefined && { approvalDeadlineMs: durationMs(approvalDeadline, "approvalDeadline") }),
    requiresIdempotencyKey,
    onError,
    ...(revision !== undefined && { revision }),
    run,
  });
}

type ApprovalRule = true | ((input: unknown) => boolean);

const approvalRule =
  (rule: ApprovalRule): ((input: unknown) => boolean) =>
  (input) =>
    rule === true || rule(input);

/** The context of a call, and whether the tool has looked at its key. */
export function toolContext(
  ctx: AgentContext,
  { idempotencyKey, signal = ctx.signal }: { readonly idempotencyKey: string; readonly signal?: AbortSignal },
): { readonly context: ToolContext; readonly keyWasUsed: () => boolean } {
  let used = false;
  // The agency is for what we give to tools ourselves: what they embed is paid for by the run.
  const context: ToolContext & Pick<AgentContext, "agency"> = {
    signal,
    get agency() {
      return ctx.agency;
    },
    get idempotencyKey() {
      used = true;
      return idempotencyKey;
    },
    attempt: ctx.attempt,
    run: ctx.run,
    log: ctx.log,
    resources: ctx.resources,
    get context() {
      return ctx.context;
    },
    set context(value) {
      ctx.context = value;
    },
    emit: (chunk) => ctx.emit(chunk),
    reference: (to) => ctx.reference(to),
    hydrate: (...wanted) => ctx.hydrate(...wanted),
  };
  return { context, keyWasUsed: () => used };
}
