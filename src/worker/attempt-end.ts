import type { Clock } from "../domain/ambient.ts";
import { failureFrom } from "../domain/failure.ts";
import { FinalError } from "../domain/final-error.ts";
import { decode, type Wire } from "../domain/wire.ts";
import type { StepNode } from "../definition/node.ts";
import type { Resident } from "../engine/resident.ts";
import type { Happened } from "../planner/planning.ts";
import { abortReason, bounded, type HookChain, type HookStep } from "../policies/hooks.ts";
import type { Resources } from "../policies/resources.ts";
import { hookRun } from "./hook-run.ts";
import { inputOf, type StepReach, type WorkerStepContext } from "./step-context.ts";

type Outcome = Extract<Happened, { type: "step.succeeded" | "step.failed" }>;
type Succeeded = Extract<Outcome, { type: "step.succeeded" }>;
type Failed = Extract<Outcome, { type: "step.failed" }>;

/** One attempt, and who is told of it. */
export interface Told {
  readonly resident: Resident;
  readonly node: StepNode;
  readonly context: WorkerStepContext;
  readonly hooks: HookChain | undefined;
  readonly resources: Resources;
  readonly clock: Pick<Clock, "after">;
  readonly reach: StepReach;
}

/** Before a step. Throws HOOK_ABORTED after its run was cancelled, and HOOK_FAILED where hooks are strict. */
export async function beforeAttempt(hooks: HookChain, told: Told): Promise<void> {
  const abort = await hooks.tell("preStep", () => hookStep(told));
  if (abort === undefined) return;
  await told.reach.cancelRun(told.resident, abortReason(abort));
  throw new FinalError("HOOK_ABORTED", abort);
}

/**
 * After everything that is asked about an attempt: hooks and handlers are told, the cache keeps what succeeded, and resources are
 * closed. A promise only where there is something to do. `thrown`: what the attempt failed with.
 */
export function afterAttempt(
  told: Told,
  outcome: Outcome | Promise<Outcome>,
  thrown?: unknown,
): Outcome | Promise<Outcome> {
  if (outcome instanceof Promise) return outcome.then((known) => afterAttempt(told, known, thrown));
  const { context, node, hooks } = told;
  if (hooks !== undefined || context.atEnd !== undefined || node.around?.failureHandlers !== undefined)
    return tellAll(told, outcome, thrown);
  const closing = context.closeResources(thrown);
  return closing === undefined ? outcome : closing.then(() => outcome);
}

async function tellAll(told: Told, outcome: Outcome, thrown: unknown): Promise<Outcome> {
  const { context } = told;
  const said = outcome.type === "step.succeeded" ? await succeeded(told, outcome) : await failed(told, outcome);
  const { atEnd } = context;
  context.atEnd = undefined;
  await atEnd?.(said.type === "step.succeeded" ? said : undefined);
  await context.closeResources(thrown);
  return said;
}

const isStep = ({ resident }: Told): boolean => resident.fiber.doing.kind === "step";

/** Rejects with HOOK_FAILED where hooks are strict: then the attempt has failed after all. */
async function succeeded(told: Told, outcome: Succeeded): Promise<Succeeded> {
  const { hooks, context, reach, resident } = told;
  if (hooks === undefined || !isStep(told)) return outcome;
  const abort = await hooks.tell("postStep", () => ({
    ...hookStep(told, outcome.context),
    output: decode(outcome.output),
    cacheHit: context.cacheHit,
  }));
  if (abort !== undefined) await reach.cancelRun(resident, abortReason(abort));
  return outcome;
}

/** What was told to stop has not failed. */
async function failed(told: Told, outcome: Failed): Promise<Failed> {
  const { hooks, resident, context, node, reach } = told;
  if (resident.cancel !== undefined || !isStep(told)) return outcome;
  const isLast = !outcome.retryable || context.attempt >= node.config.retry.attempts;
  if (isLast) await handled(told, outcome);
  if (hooks === undefined) return outcome;
  try {
    const { failure } = outcome;
    const abort = await hooks.tell("onStepFailure", () => ({ ...hookStep(told), failure, isLast }));
    if (abort !== undefined) await reach.cancelRun(resident, abortReason(abort));
    return outcome;
  } catch (error) {
    return { ...outcome, failure: failureFrom(error), retryable: false };
  }
}

/** A handler that fails is logged: the step's own failure is what is reported. */
async function handled({ node, context, clock }: Told, { failure }: Failed): Promise<void> {
  for (const { name, ask } of node.around?.failureHandlers ?? []) {
    try {
      await bounded(() => ask(failure, context as never), clock);
    } catch (error) {
      context.log.error(`the failure handler ${name} failed`, { error });
    }
  }
}

function hookStep({ resident, context, resources }: Told, changed?: Wire): HookStep {
  const { path, visit, attempt } = context;
  const input = decode(inputOf(resident.fiber));
  return { ...hookRun(resident, resources, changed), path, visit, attempt, input };
}
