import type { Fact } from "../domain/event.ts";
import { type Failure, failure } from "../domain/failure.ts";
import type { Definition } from "../definition/definition.ts";
import { callStarted, cancelCalls } from "./call.ts";
import { decide, openLoopsAllowed } from "./decide.ts";
import type { Fiber } from "./fiber.ts";
import { breakFork, childEnded, resumeFork } from "./fork.ts";
import { collected, gathered } from "./gather.ts";
import { type Happened, type Plan, type PlanContext, Planning } from "./planning.ts";
import { failOverspent, forfeit, settle, spend } from "./spend.ts";
import { outOfTime, stepFailed, undoFailed } from "./step.ts";
import { waitDue } from "./wait.ts";

/**
 * Decides what happens next. Synchronous, pure and total: the same arguments give the same plan, user functions that throw
 * become failures of their node, and an event that no longer fits the fiber changes nothing.
 */
export function plan(definition: Definition, before: Fiber, happened: Happened, at: PlanContext): Plan {
  const planning = new Planning(definition, before, at);
  take(planning, happened);
  for (let decisions = 0; planning.draft.doing.kind === "decide"; decisions++) {
    if (decisions < openLoopsAllowed) decide(planning);
    else
      planning.fail(
        planning.draft.doing,
        failure("LOOP_LIMIT", `${decisions} decisions in a row without any work between them`),
      );
  }
  if (planning.draft.doing.kind === "finish") finish(planning);
  return { after: planning.draft.seal(), facts: planning.facts, effects: planning.effects, now: at.now };
}

function take(planning: Planning, happened: Happened): void {
  const { draft, effects } = planning;
  const { doing } = draft;
  switch (happened.type) {
    case "began":
      return begin(planning);
    case "spending":
      return spend(planning, happened);
    case "step.succeeded": {
      const { output, context, startedAt, cacheHit } = happened;
      settle(planning, happened.settled);
      if (doing.kind === "step") {
        const { path, visit, attempt } = doing;
        planning.record({
          type: "step.completed",
          path,
          visit,
          attempt,
          startedAt,
          output,
          ...(context !== undefined && { context }),
          ...(cacheHit && { cacheHit }),
        });
        failOverspent(planning, { path, visit });
      } else if (doing.kind === "undo") {
        const { path, visit, attempt } = doing;
        planning.record({ type: "undo.completed", path, visit, attempt, startedAt });
      }
      return;
    }
    case "step.failed":
      settle(planning, happened.settled);
      if (doing.kind === "step") stepFailed(planning, doing, happened);
      else if (doing.kind === "undo") undoFailed(planning, doing, happened);
      return;
    case "answered": {
      if (doing.kind !== "wait") return;
      const { path, visit } = doing;
      effects.consume.push(happened.message.seq);
      planning.record({
        type: "wait.answered",
        path,
        visit,
        name: happened.message.name,
        message: happened.message.id,
        output: happened.output,
      });
      return;
    }
    case "answer.rejected": {
      if (doing.kind !== "wait") return;
      const { path, visit } = doing;
      effects.consume.push(happened.message.seq);
      planning.record({
        type: "wait.rejected",
        path,
        visit,
        name: happened.message.name,
        message: happened.message.id,
        issues: happened.issues,
      });
      return;
    }
    case "children.ended":
      for (const end of happened.ends) childEnded(planning, end);
      return resumeFork(planning);
    case "gathered":
      return gathered(planning, happened.results);
    case "collected":
      return collected(planning, happened.results);
    case "checked":
      if (doing.kind !== "finish") return;
      return planning.record({ type: "output.checked", output: happened.output });
    case "started":
      return callStarted(planning);
    case "start.refused":
      if (doing.kind !== "starting") return;
      return planning.fail(doing, happened.failure);
    case "refused":
      if (doing.kind === "finish") planning.fail({ path: definitionPath(planning), visit: "" }, happened.failure);
      return;
    case "due":
      return due(planning);
    case "disturbed":
      return;
    case "cancelled":
      settle(planning, happened.settled);
      return cancelled(planning, happened.reason);
    case "broken":
      settle(planning, happened.settled);
      return broken(planning, happened.failure);
  }
}

const definitionPath = (planning: Planning): string => planning.definition.root.path;

/** Goes down to the first leaf: structure, not decision, so it leaves no fact. */
function begin({ draft }: Planning): void {
  const { doing } = draft;
  if (doing.kind !== "new") return;
  const node = draft.definition.nodes.get(doing.path);
  if (node !== undefined) draft.enter(node, doing.visit);
}

/** Fails whatever the fiber is at, inside the attempts around it. A compensation that cannot go on counts as failed; the others still run. */
function broken(planning: Planning, what: Failure): void {
  begin(planning);
  forfeit(planning);
  const { doing } = planning.draft;
  if (doing.kind === "undo") {
    const { path, visit, attempt } = doing;
    return planning.record({ type: "undo.failed", path, visit, attempt, startedAt: planning.at.now, failure: what });
  }
  if (doing.kind === "join") return breakFork(planning, what);
  if (doing.kind === "gather") planning.effects.dropFork = doing.fork;
  if (doing.kind === "call") cancelCalls(planning, "the calling run failed");
  if ("path" in doing) planning.fail(doing, what);
  else if (doing.kind === "finish") planning.fail({ path: definitionPath(planning), visit: "" }, what);
}

/** A due time has come: a timer, the deadline of a wait, or the deadline of the whole run. */
function due(planning: Planning): void {
  const { draft, at, effects } = planning;
  const { doing } = draft;
  if (doing.kind === "wait" && doing.deadlineAt !== undefined && doing.deadlineAt <= at.now) {
    if (doing.names.length > 0) effects.unless = doing.names;
    return waitDue(planning, doing);
  }
  const { deadlineAt } = draft.before;
  if (deadlineAt === undefined || draft.cancelling !== undefined) return;
  if (deadlineAt > at.now && !outOfTime(draft.before, at.now)) return;
  if (doing.kind !== "step" && doing.kind !== "wait" && doing.kind !== "call") return;
  if (doing.kind === "wait" && doing.names.length > 0) effects.unless = doing.names;
  if (doing.kind === "call") cancelCalls(planning, "the calling run exceeded its timeout");
  planning.fail(
    doing,
    failure("RUN_TIMEOUT", `the run exceeded its timeout of ${planning.definition.timeoutMs ?? 0} ms`),
  );
}

function cancelled(planning: Planning, reason: string): void {
  const { draft, effects } = planning;
  effects.acknowledgeCancel = true;
  forfeit(planning);
  const { doing } = draft;
  if (draft.cancelling !== undefined || doing.kind === "ended") return;
  if (doing.kind === "call") cancelCalls(planning, reason);
  if (doing.kind === "join") effects.cancelFork = { fork: doing.fork, reason };
  planning.record({ type: "cancel.requested", reason });
  if (doing.kind === "join") resumeFork(planning);
}

const COMPLETED: Fact = Object.freeze({ type: "fiber.ended", outcome: "completed" });

/** The stack is empty: end the fiber. A root that completed shows its output to the schema first, when there is one. */
function finish(planning: Planning): void {
  const { draft, facts } = planning;
  if (draft.doing.kind !== "finish") return;
  const { ending } = draft.doing;
  const unchecked = draft.before.root && planning.definition.output !== undefined && ending.outcome === "completed";
  if (unchecked && !facts.some(({ type }) => type === "output.checked")) return; // the worker checks, then plans on
  const { outcome, failure: why } = ending;
  planning.record(outcome === "completed" ? COMPLETED : { type: "fiber.ended", outcome, ...(why && { failure: why }) });
}
