import { durationMs } from "../domain/duration.ts";
import { messageName, signalNameOf } from "../domain/event.ts";
import { type Failure, failure, failureFrom } from "../domain/failure.ts";
import { pauseTokenOf } from "../domain/ids.ts";
import { ok, problem, type Result } from "../domain/result.ts";
import { encode, type Wire } from "../domain/wire.ts";
import type { WaitNode } from "../definition/node.ts";
import { ask } from "./ask.ts";
import type { Doing } from "./fiber.ts";
import type { Planning } from "./planning.ts";

interface At {
  readonly path: string;
  readonly visit: string;
}

/** Opens a wait. Its due time is fixed here: no crash and no restart makes it longer. */
export function openWait(planning: Planning, node: WaitNode, at: At): void {
  const due = dueAt(planning, node);
  if (!due.ok) return planning.fail(at, due.problem);
  const question = questionOf(planning, node);
  if (!question.ok) return planning.fail(at, question.problem);
  const { draft, at: context } = planning;
  const number = draft.counters.waits;
  const token = node.wait.kind === "human" ? pauseTokenOf(context.run, context.fiber, number) : undefined;
  planning.record({
    type: "wait.opened",
    ...at,
    wait: kindOf(node),
    number,
    names:
      node.wait.kind === "signal"
        ? node.wait.names.map(messageName.signal)
        : token === undefined
          ? []
          : [messageName.answer(token)],
    ...(token !== undefined && { token }),
    ...(question.value !== undefined && { question: question.value }),
    ...(due.value !== undefined && { deadlineAt: due.value }),
  });
  // A timer that is due already needs no turn through the queue.
  if (kindOf(node) === "timer" && due.value !== undefined && due.value <= context.now)
    planning.record({ type: "timer.fired", ...at });
}

const kindOf = (node: WaitNode): "human" | "signal" | "timer" =>
  node.wait.kind === "human" ? "human" : node.wait.kind === "signal" ? "signal" : "timer";

function questionOf({ draft }: Planning, { wait }: WaitNode): Result<Wire | undefined, Failure> {
  if (wait.kind !== "human") return ok(undefined);
  const answer = ask(draft, wait.question, "question");
  if (!answer.ok) return answer;
  try {
    return ok(encode(answer.value));
  } catch (thrown) {
    return problem(failureFrom(thrown, "PREDICATE_FAILED"));
  }
}

function dueAt({ draft, at: { now } }: Planning, { wait, deadlineMs }: WaitNode): Result<number | undefined, Failure> {
  if (wait.kind === "sleepUntil") {
    const at = ask(draft, wait.at, "sleepUntil");
    if (!at.ok) return at;
    const time = at.value instanceof Date ? at.value.getTime() : at.value;
    return Number.isFinite(time)
      ? ok(time)
      : problem(failure("PREDICATE_FAILED", `sleepUntil: expected a date but found ${String(at.value)}`));
  }
  const span = wait.kind === "sleep" ? wait.forMs : deadlineMs;
  if (span === undefined) return ok(undefined);
  const ms = ask(draft, span, wait.kind === "sleep" ? "sleep" : "deadline");
  if (!ms.ok) return ms;
  try {
    return ok(now + durationMs(ms.value));
  } catch (thrown) {
    return problem(failureFrom(thrown, "PREDICATE_FAILED", { code: "PREDICATE_FAILED" }));
  }
}

/** Nobody answered in time: a timer has done its work; a wait yields what its author said, or fails. Silence is no answer. */
export function waitDue(planning: Planning, doing: Extract<Doing, { kind: "wait" }>): void {
  const at = { path: doing.path, visit: doing.visit };
  if (doing.wait === "timer") return planning.record({ type: "timer.fired", ...at });
  const { onTimeout } = planning.draft.node(doing.path, "wait");
  if (onTimeout === undefined) {
    const missing = doing.wait === "human" ? "an answer" : `signal ${doing.names.map(signalNameOf).join(" or ")}`;
    return planning.fail(at, failure("DEADLINE_EXCEEDED", `expected ${missing} before the deadline, but nothing came`));
  }
  const output = ask(planning.draft, onTimeout, "onTimeout");
  if (!output.ok) return planning.fail(at, output.problem);
  try {
    planning.record({ type: "wait.timed_out", ...at, output: encode(output.value) });
  } catch (thrown) {
    planning.fail(at, failureFrom(thrown, "PREDICATE_FAILED"));
  }
}
