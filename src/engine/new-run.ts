import { type Failure, failure, failureFrom } from "../domain/failure.ts";
import { ROOT_FIBER, type RunId } from "../domain/ids.ts";
import { type Allowance, sliceOf } from "../domain/quota.ts";
import { ok, problem, type Result } from "../domain/result.ts";
import type { Metadata, ParentRef } from "../domain/run.ts";
import { issuesText, validate } from "../domain/schema.ts";
import type { Fact } from "../domain/event.ts";
import { encode, NO_CONTEXT, type Wire } from "../domain/wire.ts";
import { type Definition, titleOf } from "../definition/definition.ts";
import { newFiber } from "../planner/fiber.ts";
import type { Blob, Lease, NewRun } from "../ports/store.ts";
import { dataOf } from "./fiber-codec.ts";
import type { Payloads } from "./payloads.ts";
import { eventOf } from "./stored-facts.ts";

export interface StartOptions {
  readonly metadata?: Metadata;
  readonly queue?: string;
  readonly priority?: number;
  readonly lane?: string;
  /** Not before this time. */
  readonly startAt?: number;
  readonly context?: unknown;
  readonly parent?: ParentRef;
  readonly lease?: Lease;
  /** What the run may spend; `slice`: of a child run, its share of what its parent's run may spend. */
  readonly limits?: Allowance;
  readonly slice?: Allowance;
  /** Bound of the whole run, besides that of its flow. */
  readonly wallTimeMs?: number;
}

/** What a run of a flow may use, whoever starts it: a caller, a schedule, another run. */
export type LimitsOf = (flow: string) => Pick<StartOptions, "limits" | "wallTimeMs">;

export interface NewRunSpec extends StartOptions {
  readonly id: RunId;
  readonly definition: Definition;
  readonly input: Wire;
  readonly contextWire: Wire;
  readonly now: number;
}

export const DEFAULT_QUEUE = "default";

/** A run as it is born: one fiber in front of the root node, one event. */
export function newRun(spec: NewRunSpec, payloads: Payloads): NewRun {
  const {
    id,
    definition,
    input,
    contextWire,
    now,
    metadata = {},
    queue = DEFAULT_QUEUE,
    priority = 0,
    lane,
    startAt = now,
    parent,
    lease,
    limits,
    slice,
    wallTimeMs = Number.POSITIVE_INFINITY,
  } = spec;
  const timeMs = Math.min(wallTimeMs, definition.timeoutMs ?? Number.POSITIVE_INFINITY);
  const deadlineAt = Number.isFinite(timeMs) ? startAt + timeMs : undefined;
  const fiber = newFiber(
    { path: definition.root.path, visit: "" },
    {
      root: true,
      value: input,
      context: contextWire,
      queue,
      priority,
      ...(lane !== undefined && { lane }),
      ...(deadlineAt !== undefined && { deadlineAt }),
      ...(limits !== undefined && { quota: sliceOf({ limits }, slice ?? limits) }),
    },
  );
  const blobs: Blob[] = [];
  const data = dataOf(fiber);
  const value = payloads.deflate(data.value, blobs);
  const context = payloads.deflate(data.context, blobs);
  const fact: Fact = {
    type: "run.started",
    input: value,
    context,
    ...(deadlineAt !== undefined && { deadlineAt }),
    queue,
    priority,
    ...(lane !== undefined && { lane }),
    ...(limits !== undefined && { limits }),
    ...(slice !== undefined && { slice }),
  };
  return {
    id,
    flow: definition.name,
    version: definition.version,
    fingerprint: definition.fingerprint,
    input: value,
    metadata,
    ...(parent && { parent }),
    createdAt: now,
    root: {
      ...data,
      value,
      context,
      key: ROOT_FIBER,
      queue,
      priority,
      ...(lane !== undefined && { lane }),
      leased: lease !== undefined && startAt <= now,
      readyAt: startAt,
    },
    ...(lease && { lease }),
    event: eventOf(fact, now),
    blobs,
  };
}

export interface CheckedStart {
  readonly input: Wire;
  readonly context: Wire;
}

/** Checks what a run is started with, once, at the border. A failed check starts nothing. */
export function checkStart(
  definition: Definition,
  input: unknown,
  context: unknown,
): Result<CheckedStart, Failure> | Promise<Result<CheckedStart, Failure>> {
  if (definition.input === undefined && definition.context === undefined) return encoded(input, context);
  return checkWithSchemas(definition, input, context);
}

async function checkWithSchemas(
  definition: Definition,
  input: unknown,
  context: unknown,
): Promise<Result<CheckedStart, Failure>> {
  try {
    const checkedInput =
      definition.input === undefined ? { ok: true as const, value: input } : await validate(definition.input, input);
    if (!checkedInput.ok) return problem(refusal("INPUT_INVALID", "input", definition, checkedInput.issues));
    const checkedContext =
      definition.context === undefined
        ? { ok: true as const, value: context }
        : await validate(definition.context, context ?? {});
    if (!checkedContext.ok) return problem(refusal("CONTEXT_INVALID", "context", definition, checkedContext.issues));
    return encoded(checkedInput.value, checkedContext.value);
  } catch (thrown) {
    return problem(failureFrom(thrown, "INPUT_INVALID", { at: titleOf(definition) }));
  }
}

function refusal(
  code: "INPUT_INVALID" | "CONTEXT_INVALID",
  what: string,
  definition: Definition,
  issues: Parameters<typeof issuesText>[0],
): Failure {
  return failure(code, `${titleOf(definition)}: its ${what} does not satisfy its schema: ${issuesText(issues)}`, {
    at: titleOf(definition),
    details: { issues },
  });
}

function encoded(input: unknown, context: unknown): Result<CheckedStart, Failure> {
  try {
    return ok({ input: encode(input), context: context === undefined ? NO_CONTEXT : encode(context) });
  } catch (thrown) {
    return problem(failureFrom(thrown, "VALUE_NOT_SERIALIZABLE"));
  }
}
