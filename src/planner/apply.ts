import type { Fact } from "../domain/event.ts";
import { childVisit } from "../domain/ids.ts";
import {
  type Allowance,
  bereaved,
  type Leaving,
  NO_QUOTA,
  progressed,
  refund,
  reserve,
  settle,
  without,
} from "../domain/quota.ts";
import { invariant } from "../domain/result.ts";
import type { Draft } from "./draft.ts";
import type { Doing, ForkFrame } from "./fiber.ts";

const COMPLETED: Doing = Object.freeze({ kind: "ended", ending: Object.freeze({ outcome: "completed" }) });

/** Applies one fact. The only place where a fiber's state changes: `plan` records facts through it, `fold` repeats them. */
export function apply(draft: Draft, fact: Fact): void {
  switch (fact.type) {
    case "run.started":
      draft.value = fact.input;
      draft.context = fact.context;
      return;
    case "run.forked":
      if (fact.value !== undefined) draft.value = fact.value;
      return;
    case "run.retried":
    case "wait.rejected":
      return;
    case "quota.reserved":
      draft.quota = reserve(draft.quota ?? NO_QUOTA, fact.amount);
      return;
    case "quota.settled": {
      const settled = settle(draft.quota ?? NO_QUOTA, fact.id, fact.spent);
      draft.quota = fact.lost === true ? bereaved(settled) : settled;
      return;
    }
    case "step.completed": {
      progress(draft);
      if (fact.context !== undefined) draft.context = fact.context;
      draft.value = fact.output;
      const { path, visit, output } = fact;
      if (draft.node(path, "step").compensate !== undefined) draft.pushUndo([{ path, visit, output }]);
      draft.complete();
      return;
    }
    case "step.keyed":
      draft.doing = { kind: "step", path: fact.path, visit: fact.visit, attempt: 1, lane: fact.lane };
      return;
    case "step.failed":
      progress(draft);
      if (fact.retryAt === undefined) draft.fail(fact.failure);
      else draft.doing = nextAttempt(draft.doing, fact, fact.retryAt);
      return;
    case "undo.completed":
      draft.undone();
      return;
    case "undo.failed":
      if (fact.retryAt === undefined) draft.undone(fact.failure);
      else
        draft.doing = {
          kind: "undo",
          path: fact.path,
          visit: fact.visit,
          attempt: fact.attempt + 1,
          dueAt: fact.retryAt,
        };
      return;
    case "branch.chosen":
      return chooseBranch(draft, fact);
    case "loop.decided":
      if (fact.again) return draft.iterate(draft.node(fact.path, "loop").body);
      draft.frames.pop();
      return draft.complete();
    case "fork.opened":
      return openFork(draft, fact);
    case "fork.spawned":
      give(draft, fact.slices);
      return updateFork(draft, { opened: fact.to });
    case "fork.child_ended": {
      takeBack(draft, fact.quota);
      const frame = draft.top("fork");
      return updateFork(draft, {
        ended: frame.ended + 1,
        succeeded: frame.succeeded + (fact.outcome === "completed" ? 1 : 0),
      });
    }
    case "fork.decided":
      return updateFork(draft, {
        verdict: fact.verdict,
        ...(fact.winner !== undefined && { winner: fact.winner }),
        ...(fact.failure && { failure: fact.failure }),
      });
    case "fork.joined":
      draft.frames.pop();
      draft.value = fact.output;
      if (fact.context !== undefined) draft.context = fact.context;
      draft.pushUndo(fact.undo);
      return draft.complete();
    case "fork.failed":
      draft.frames.pop();
      draft.pushUndo(fact.undo);
      return draft.unwind(
        fact.failure === undefined ? { outcome: "cancelled" } : { outcome: "failed", failure: fact.failure },
      );
    case "wait.opened": {
      const { type: _, ...opened } = fact;
      draft.doing = { kind: "wait", ...opened };
      draft.counters = { ...draft.counters, waits: fact.number + 1 };
      return;
    }
    case "wait.answered":
    case "wait.timed_out":
    case "call.completed":
    case "output.checked":
      draft.value = fact.output;
      return fact.type === "output.checked" ? undefined : draft.complete();
    case "timer.fired":
      return draft.complete();
    case "call.started":
      give(draft, fact.slices);
      draft.counters = { ...draft.counters, calls: fact.call + 1 };
      if (fact.wait === "none") return;
      draft.doing = {
        kind: "call",
        path: fact.path,
        visit: fact.visit,
        call: fact.call,
        total: fact.runs.length,
        ended: [],
        wait: fact.wait,
      };
      return;
    case "call.child_ended":
      invariant(draft.doing.kind === "call", "a child run ends while its parent waits for it");
      takeBack(draft, fact.quota);
      draft.doing = { ...draft.doing, ended: [...draft.doing.ended, fact.ordinal] };
      return;
    case "node.failed":
      return draft.fail(fact.failure);
    case "cancel.requested":
      return requestCancel(draft, fact.reason);
    case "fiber.ended":
      draft.doing =
        fact.outcome === "completed"
          ? COMPLETED
          : { kind: "ended", ending: { outcome: fact.outcome, ...(fact.failure && { failure: fact.failure }) } };
      return;
  }
}

function progress(draft: Draft): void {
  if (draft.quota !== undefined) draft.quota = progressed(draft.quota);
}

function give(draft: Draft, slices: readonly Allowance[] | undefined): void {
  if (slices !== undefined && draft.quota !== undefined) draft.quota = without(draft.quota, slices);
}

function takeBack(draft: Draft, left: Leaving | undefined): void {
  if (left !== undefined) draft.quota = refund(draft.quota ?? NO_QUOTA, left);
}

function nextAttempt(
  before: Doing,
  { path, visit, attempt }: Extract<Fact, { type: "step.failed" }>,
  dueAt: number,
): Doing {
  const lane = before.kind === "step" ? before.lane : undefined;
  return { kind: "step", path, visit, attempt: attempt + 1, dueAt, ...(lane !== undefined && { lane }) };
}

function chooseBranch(draft: Draft, fact: Extract<Fact, { type: "branch.chosen" }>): void {
  const node = draft.node(fact.path, "branch");
  const chosen = fact.taken === "case" ? node.cases[fact.key] : fact.taken === "otherwise" ? node.otherwise : undefined;
  if (chosen === undefined) return draft.complete();
  draft.frames.push({ kind: "branch", path: fact.path, visit: fact.visit });
  draft.enter(chosen, fact.visit);
}

function openFork(draft: Draft, fact: Extract<Fact, { type: "fork.opened" }>): void {
  const { path, visit, fork, total, names, items } = fact;
  draft.frames.push({
    kind: "fork",
    path,
    visit,
    fork,
    base: draft.counters.children,
    total,
    ...(names && { names }),
    opened: 0,
    ended: 0,
    succeeded: 0,
  });
  draft.counters = { ...draft.counters, forks: fork + 1, children: draft.counters.children + total };
  if (items !== undefined) draft.value = items;
  draft.doing = { kind: "join", path, visit, fork };
}

function updateFork(draft: Draft, change: Partial<ForkFrame>): void {
  draft.replaceTop({ ...draft.top("fork"), ...change });
}

/** Waits and steps stop at once; a fork first lets its children end; a running compensation is finished. */
function requestCancel(draft: Draft, reason: string): void {
  if (draft.cancelling !== undefined) return;
  draft.cancelling = reason;
  const { doing } = draft;
  if (doing.kind === "join") {
    const { failure: _, winner: __, ...frame } = draft.top("fork");
    draft.replaceTop({ ...frame, verdict: "fail" });
  } else if (stoppable(doing)) draft.unwind({ outcome: "cancelled" });
}

const stoppable = ({ kind }: Doing): boolean =>
  kind === "new" || kind === "step" || kind === "wait" || kind === "call" || kind === "decide";

/** Where a child of a fork begins: its node, and its visit. */
export function childPlace(
  draft: Pick<Draft, "definition">,
  frame: ForkFrame,
  ordinal: number,
): { readonly path: string; readonly visit: string; readonly name: string } {
  const node = draft.definition.nodes.get(frame.path);
  invariant(node?.kind === "fork", `${frame.path} is a fork`);
  if (node.children.kind === "map")
    return { path: node.children.body.path, visit: childVisit(frame.visit, ordinal), name: `${ordinal}` };
  const name = (frame.names ?? Object.keys(node.children.branches))[ordinal] ?? "";
  const branch = node.children.branches[name];
  invariant(branch !== undefined, `${frame.path} has a branch ${name}`);
  return { path: branch.path, visit: frame.visit, name };
}
