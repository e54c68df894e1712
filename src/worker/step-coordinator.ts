import { FlujoError, NonRetryableError, RetryAfter } from "../domain/errors.ts";
import { type Failure, failureFrom } from "../domain/failure.ts";
import { invariant } from "../domain/result.ts";
import { sameWire } from "../domain/canonical.ts";
import { decode, encode, type Wire } from "../domain/wire.ts";
import type { StepConfig, StepNode } from "../definition/node.ts";
import type { Resident } from "../engine/resident.ts";
import type { Observation } from "../ports/observer.ts";
import type { Happened } from "../planner/planning.ts";
import type { Attempt } from "../policies/policy.ts";
import type { PolicyRegistry } from "../policies/registry.ts";
import { type StepHost, WorkerStepContext } from "./step-context.ts";

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

  async execute(resident: Resident): Promise<Outcome> {
    const { doing } = resident.fiber;
    invariant(doing.kind === "step" || doing.kind === "undo", "there is a step to run");
    const node = resident.definition.nodes.get(doing.path);
    invariant(node?.kind === "step", `${doing.path} is a step`);
    const { clock } = this.#host.ambient;
    const startedAt = clock.now();
    const context = new WorkerStepContext(resident, doing, this.#host);
    resident.abort = (reason) => context.abort(reason);
    this.#tell("step.started", resident, doing, startedAt);
    try {
      const result = this.#policies.chain(node, doing.kind)(this.#attempt(resident, context, startedAt));
      const output = result instanceof Promise || isThenable(result) ? await result : result;
      const outcome: Outcome = {
        type: "step.succeeded",
        startedAt,
        output: encode(output),
        ...draftOf(context, resident.fiber.context),
      };
      this.#tell("step.completed", resident, doing, startedAt);
      return outcome;
    } catch (thrown) {
      const outcome = failed(thrown, configOf(node, doing.kind), doing.attempt, startedAt);
      this.#tell("step.failed", resident, doing, startedAt, outcome.failure);
      return outcome;
    } finally {
      resident.abort = undefined;
    }
  }

  #attempt(
    { fiber: { doing, value, aside, deadlineAt } }: Resident,
    context: WorkerStepContext,
    startedAt: number,
  ): Attempt {
    const { clock } = this.#host.ambient;
    return {
      input: decode(doing.kind === "undo" ? (aside.undo.at(-1)?.output ?? null) : value),
      context,
      signal: () => context.signal,
      abort: (reason) => context.abort(reason),
      after: (ms, callback) => clock.after(ms, callback),
      runTimeLeftMs: deadlineAt === undefined || doing.kind === "undo" ? undefined : deadlineAt - startedAt,
    };
  }

  #tell(
    kind: "step.started" | "step.completed" | "step.failed",
    resident: Resident,
    doing: { readonly path: string; readonly visit: string; readonly attempt: number },
    startedAt: number,
    why?: Failure,
  ): void {
    if (this.#observe === undefined) return;
    const at = this.#host.ambient.clock.now();
    const { path, visit, attempt } = doing;
    const base = { at, run: resident.run, flow: resident.definition.name, path, visit, attempt };
    if (kind === "step.started") this.#observe({ kind, ...base });
    else if (kind === "step.completed") this.#observe({ kind, ...base, durationMs: at - startedAt });
    else if (why !== undefined) this.#observe({ kind, ...base, durationMs: at - startedAt, failure: why });
  }
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
    ...(thrown instanceof RetryAfter && { retryAfterMs: Math.max(0, thrown.delayMs) }),
  };
}

/** A `retryIf` that throws is no reason to try again; the step's own failure is what is reported. */
function worthRetrying({ retry: { retryIf } }: StepConfig, thrown: unknown, attempt: number): boolean {
  try {
    return retryIf === undefined || retryIf(thrown, attempt);
  } catch {
    return false;
  }
}
