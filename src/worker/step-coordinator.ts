import { FlujoError, NonRetryableError, RetryAfter, retryAfterAllowed } from "../domain/errors.ts";
import { failureFrom } from "../domain/failure.ts";
import { invariant } from "../domain/result.ts";
import { sameWire } from "../domain/canonical.ts";
import { issuesText, type Schema, validate } from "../domain/schema.ts";
import { decode, encode, type Wire } from "../domain/wire.ts";
import type { StepConfig, StepNode } from "../definition/node.ts";
import type { Resident } from "../engine/resident.ts";
import type { Observation } from "../ports/observer.ts";
import { iterationOf } from "../planner/fiber.ts";
import type { Happened } from "../planner/planning.ts";
import { checkInvariants } from "../policies/invariants.ts";
import type { Attempt } from "../policies/policy.ts";
import type { PolicyRegistry } from "../policies/registry.ts";
import { afterAttempt, beforeAttempt, type Told } from "./attempt-end.ts";
import type { StepReferences } from "./references.ts";
import { inputOf, type StepHost, type StepReach, WorkerStepContext } from "./step-context.ts";

type Outcome = Extract<Happened, { type: "step.succeeded" | "step.failed" }>;

/** Runs one attempt of a step, or of a compensation, and says what came of it as a value: never throws. Source: Flujo, StepCoordinator. */
export class StepCoordinator {
  readonly #policies: PolicyRegistry;
  readonly #host: StepHost;
  readonly #observe: ((observation: Observation) => void) | undefined;

  constructor(policies: PolicyRegistry, host: StepHost, observe?: (observation: Observation) => void) {
    this.#policies = policies;
    this.#host = host;
    this.#observe = observe;
  }

  /** Synchronous when the step is: a pipeline of small functions pays for no promise. */
  execute(resident: Resident, reach: StepReach): Outcome | Promise<Outcome> {
    const { doing } = resident.fiber;
    invariant(doing.kind === "step" || doing.kind === "undo", "there is a step to run");
    const node = resident.definition.nodes.get(doing.path);
    invariant(node?.kind === "step", `${doing.path} is a step`);
    const startedAt = this.#host.ambient.clock.now();
    const context = new WorkerStepContext(resident, doing, this.#host, reach);
    resident.abort = (reason) => context.abort(reason);
    this.#tellStart(resident, startedAt);
    const told = this.#told(resident, { node, context, reach });
    const done = (result: unknown): Outcome | Promise<Outcome> =>
      afterAttempt(told, settling(context, this.#succeeded(told, result, startedAt)));
    const failed = (thrown: unknown): Outcome | Promise<Outcome> =>
      afterAttempt(told, settling(context, this.#failed(resident, node, thrown, startedAt)), thrown);
    const run = (): unknown => this.#policies.chain(node, doing.kind)(this.#attempt(resident, context, startedAt));
    try {
      const { hooks } = told;
      const result = hooks === undefined || doing.kind === "undo" ? run() : beforeAttempt(hooks, told).then(run);
      if (isThenable(result)) return Promise.resolve(result).then(done).catch(failed);
      const outcome = done(result);
      return outcome instanceof Promise ? outcome.catch(failed) : outcome;
    } catch (thrown) {
      return failed(thrown);
    }
  }

  #told(resident: Resident, of: Pick<Told, "node" | "context" | "reach">): Told {
    const { hooks, resources, ambient } = this.#host;
    return { resident, ...of, hooks, resources, clock: ambient.clock };
  }

  #succeeded({ resident, node, context }: Told, result: unknown, startedAt: number): Outcome | Promise<Outcome> {
    const finish = (left: Left): Outcome => {
      askInvariants(resident, node, left);
      resident.abort = undefined;
      return { type: "step.succeeded", startedAt, ...left, ...(context.cacheHit && { cacheHit: true }) };
    };
    const before = resident.fiber.context;
    const left = { output: encode(result), ...draftOf(context, before) };
    const { context: schema } = resident.definition;
    const checked = left.context === undefined || schema === undefined ? left : checkedContext(schema, left);
    const { references } = context;
    if (references === undefined) return checked instanceof Promise ? checked.then(finish) : finish(checked);
    return Promise.resolve(checked)
      .then((whole) => withSaved(references, whole, before))
      .then(finish);
  }

  #failed(resident: Resident, node: StepNode, thrown: unknown, startedAt: number): Outcome {
    const { doing } = resident.fiber;
    invariant(doing.kind === "step" || doing.kind === "undo", "a step was running");
    resident.abort = undefined;
    return failed(thrown, configOf(node, doing.kind), doing.attempt, startedAt);
  }

  #attempt({ fiber }: Resident, context: WorkerStepContext, startedAt: number): Attempt {
    const { clock } = this.#host.ambient;
    const { doing, deadlineAt } = fiber;
    return {
      input: decode(inputOf(fiber)),
      context,
      signal: () => context.signal,
      abort: (reason) => context.abort(reason),
      after: (ms, callback) => clock.after(ms, callback),
      runTimeLeftMs: deadlineAt === undefined || doing.kind === "undo" ? undefined : deadlineAt - startedAt,
    };
  }

  /** What came of it is told by the driver, once it is recorded: only then is it known whether there is another attempt. */
  #tellStart({ run, definition, fiber: { doing } }: Resident, at: number): void {
    if (this.#observe === undefined || (doing.kind !== "step" && doing.kind !== "undo")) return;
    const { path, visit, attempt } = doing;
    this.#observe({ kind: "step.started", at, run, flow: definition.name, path, visit, attempt });
  }
}

/** What must hold after a step: of the flow, then of the step. */
function askInvariants({ definition, fiber }: Resident, { around }: StepNode, { output, context }: Left): void {
  const { invariants: general } = definition;
  const own = around?.invariants;
  if ((general === undefined && own === undefined) || fiber.doing.kind === "undo") return;
  const after = { output, context: context ?? fiber.context, iteration: iterationOf(fiber) };
  checkInvariants([...(general ?? []), ...(own ?? [])], after);
}

/** What an attempt has spent is told with its outcome, whatever that is. Attempts that spend nothing pay nothing for it. */
function settling(context: WorkerStepContext, outcome: Outcome | Promise<Outcome>): Outcome | Promise<Outcome> {
  const { spending } = context;
  if (spending === undefined) return outcome;
  return Promise.resolve(outcome).then(async (told) => {
    const settled = await spending.close();
    return settled.length === 0 ? told : { ...told, settled };
  });
}

/** What a step leaves when it succeeds; the context only when it changed it. */
interface Left {
  readonly output: Wire;
  readonly context?: Wire;
}

/** A draft that breaks the schema fails its step; what the schema makes of it is what is kept. */
async function checkedContext(schema: Schema, left: Left): Promise<Left> {
  const checked = await validate(schema, decode(left.context ?? null));
  if (checked.ok) return { ...left, context: encode(checked.value) };
  throw new FlujoError(
    "CONTEXT_INVALID",
    `the step left a context that does not satisfy the schema: ${issuesText(checked.issues)}`,
    {
      details: { issues: checked.issues },
    },
  );
}

/** Values behind references are saved before the outcome is recorded: what is recorded can be read. */
async function withSaved(references: StepReferences, { output, context }: Left, before: Wire): Promise<Left> {
  const [saved = output, after = before] = await references.saved([output, context ?? before]);
  return { output: saved, ...(after !== before && { context: after }) };
}

const isThenable = (value: unknown): value is PromiseLike<unknown> =>
  typeof value === "object" && value !== null && "then" in value && typeof value.then === "function";

const configOf = (node: StepNode, purpose: "step" | "undo"): StepConfig =>
  purpose === "undo" && node.compensate ? node.compensate.config : node.config;

/** The context as the step left it, when it changed it. */
function draftOf(context: WorkerStepContext, before: Wire): { readonly context?: Wire } {
  const draft = context.draft();
  if (draft === undefined) return {};
  const after = encode(draft.value);
  return sameWire(before, after) ? {} : { context: after };
}

/** Codes that say the same the next time: the input, the value or the type will not change by trying again. */
const FINAL: ReadonlySet<string> = new Set([
  "STEP_INPUT_INVALID",
  "VALUE_NOT_SERIALIZABLE",
  "VALUE_TOO_LARGE",
  "RUN_TIMEOUT",
  "CONTEXT_INVALID",
  "COST_LIMIT_EXCEEDED",
  "TOKEN_LIMIT_EXCEEDED",
  "QUOTA_EXCEEDED",
  "PRICING_NOT_CONFIGURED",
  "MODEL_UNKNOWN",
  "MODEL_KEY_MISSING",
  "MODEL_REFUSED",
  "MODEL_SCRIPT_BROKEN",
  "CASSETTE_MISS",
  "AGENT_OUTPUT_INVALID", // it was asked again already
  "DEPENDENCY_MISSING",
  "AGENT_CHANGED",
  "GOVERNANCE_DENIED",
  "PROMPT_INVALID",
  "TOOL_NOT_ALLOWED",
  "IDEMPOTENCY_KEY_MISSING",
  "BLOB_MISSING",
  "REFERENCE_UNKNOWN",
]);

function failed(
  thrown: unknown,
  config: StepConfig,
  attempt: number,
  startedAt: number,
): Extract<Outcome, { type: "step.failed" }> {
  const failure = failureFrom(thrown);
  const wanted = !(thrown instanceof NonRetryableError) && !(thrown instanceof FlujoError && FINAL.has(thrown.code));
  return {
    type: "step.failed",
    failure,
    startedAt,
    retryable: wanted && worthRetrying(config, thrown, attempt),
    ...(thrown instanceof RetryAfter && // made by another copy of this package, it may say anything
      retryAfterAllowed(thrown.delayMs) && { retryAfterMs: Math.max(0, thrown.delayMs) }),
  };
}

/** A `retryIf` that throws, or answers a promise, is no reason to try again; the step's own failure is what is reported. */
function worthRetrying({ retry: { retryIf } }: StepConfig, thrown: unknown, attempt: number): boolean {
  try {
    const answer: unknown = retryIf === undefined || retryIf(thrown, attempt);
    if (answer instanceof Promise) answer.catch(() => undefined); // its rejection must not end the process
    return answer === true;
  } catch {
    return false;
  }
}
