import { placeOf } from "../domain/ids.ts";
import { type RetryPolicy, retryDelayMs } from "../domain/retry.ts";
import type { Doing, Fiber } from "./fiber.ts";
import type { Happened, Planning } from "./planning.ts";

type Failed = Extract<Happened, { type: "step.failed" }>;

/**
 * Whether the run's time is over for the step the fiber is at. One whose next attempt lies behind the deadline was woken at the
 * deadline, by the store's clock: if this one says it is not there yet, the attempt must not begin too early all the same.
 */
export const outOfTime = ({ doing, deadlineAt }: Pick<Fiber, "doing" | "deadlineAt">, now: number): boolean =>
  doing.kind === "step" && deadlineAt !== undefined && (deadlineAt <= now || (doing.dueAt ?? now) > deadlineAt);

/** A failed attempt: another one at a recorded time, or the failure of the node. */
export function stepFailed(planning: Planning, doing: Extract<Doing, { kind: "step" }>, happened: Failed): void {
  const { path, visit, attempt } = doing;
  const node = planning.draft.node(path, "step");
  record(planning, { type: "step.failed", path, visit, attempt }, node.config.retry, happened);
}

/** A compensation is retried by its own policy; when it fails for good the others still run. */
export function undoFailed(planning: Planning, doing: Extract<Doing, { kind: "undo" }>, happened: Failed): void {
  const { path, visit, attempt } = doing;
  const policy = planning.draft.node(path, "step").compensate?.config.retry;
  record(planning, { type: "undo.failed", path, visit, attempt }, policy, happened);
}

interface Head {
  readonly type: "step.failed" | "undo.failed";
  readonly path: string;
  readonly visit: string;
  readonly attempt: number;
}

function record(
  planning: Planning,
  head: Head,
  policy: RetryPolicy | undefined,
  { failure, retryable, retryAfterMs, startedAt }: Failed,
): void {
  const { now, random } = planning.at;
  const { path, visit, attempt } = head;
  const spent = policy === undefined || attempt >= policy.attempts;
  const delayMs = !retryable || spent ? undefined : (retryAfterMs ?? retryDelayMs(policy, attempt, random));
  planning.record({
    ...head,
    startedAt,
    failure: { ...failure, at: failure.at ?? placeOf(path, visit), attempt },
    ...(delayMs !== undefined && { retryAt: now + delayMs }),
  });
}
