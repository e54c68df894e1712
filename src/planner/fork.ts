import { endsTheRun, failure, failureFrom } from "../domain/failure.ts";
import { LIMITS } from "../domain/limits.ts";
import { placeOf } from "../domain/ids.ts";
import { type Allowance, sliceOf } from "../domain/quota.ts";
import { ok, problem, type Result } from "../domain/result.ts";
import type { Failure } from "../domain/failure.ts";
import { encode, type Wire } from "../domain/wire.ts";
import type { ForkNode } from "../definition/node.ts";
import { childPlace } from "./apply.ts";
import { ask } from "./ask.ts";
import { judgeCall } from "./call.ts";
import { type Fiber, type ForkFrame, newFiber } from "./fiber.ts";
import { judge, judgeEmpty, type Verdict } from "./join.ts";
import { slicesFor } from "./spend.ts";
import type { ChildEnd, Planning } from "./planning.ts";
import type { Definition } from "../definition/definition.ts";

interface At {
  readonly path: string;
  readonly visit: string;
}

/** Opens a fork: its children are fixed here once and for all; as many as the window allows start in the same transition. */
export function openFork(planning: Planning, node: ForkNode, at: At): void {
  const children = childrenOf(planning, node);
  if (!children.ok) return planning.fail(at, children.problem);
  const { draft } = planning;
  const fork = draft.counters.forks;
  planning.record({ type: "fork.opened", ...at, fork, ...children.value });
  if (children.value.total === 0) {
    const verdict = judgeEmpty(node.join);
    record(planning, fork, verdict);
  }
  resumeFork(planning);
}

interface Children {
  readonly total: number;
  readonly names?: readonly string[];
  readonly items?: Wire;
}

function childrenOf(planning: Planning, node: ForkNode): Result<Children, Failure> {
  return node.children.kind === "map" ? itemsOf(planning, node.children.items) : branchesOf(planning, node.children);
}

type MapChildren = Extract<ForkNode["children"], { kind: "map" }>;
type BranchChildren = Extract<ForkNode["children"], { kind: "branches" }>;

function itemsOf({ draft }: Planning, items: MapChildren["items"]): Result<Children, Failure> {
  if (items === undefined) {
    return Array.isArray(draft.value) ? counted(draft.value as readonly Wire[]) : problem(notIterable(draft.value));
  }
  const answer = ask(draft, items, "items");
  if (!answer.ok) return answer;
  if (typeof answer.value === "string") return problem(notIterable(answer.value)); // text is no list of characters
  try {
    const list: Wire = [...answer.value].map(encode);
    const count = counted(list);
    return count.ok ? ok({ ...count.value, items: list }) : count;
  } catch (thrown) {
    return problem(
      typeof (answer.value as Partial<Iterable<unknown>> | null)?.[Symbol.iterator] === "function"
        ? failureFrom(thrown, "ITEMS_INVALID")
        : notIterable(answer.value),
    );
  }
}

function counted(list: readonly Wire[]): Result<Children, Failure> {
  if (list.length <= LIMITS.mapItems) return ok({ total: list.length });
  return problem(failure("ITEMS_INVALID", `expected at most ${LIMITS.mapItems} items but found ${list.length}`));
}

const notIterable = (found: unknown): Failure =>
  failure("ITEMS_INVALID", `expected an array to map over but found ${found === null ? "null" : typeof found}`);

function branchesOf({ draft }: Planning, { branches, choose }: BranchChildren): Result<Children, Failure> {
  const all = Object.keys(branches);
  if (choose === undefined) return ok({ total: all.length });
  const answer = ask(draft, choose, "choose");
  if (!answer.ok) return answer;
  const expected = `expected names among ${all.join(", ")} but found`;
  const chosen: unknown = answer.value;
  if (!Array.isArray(chosen)) {
    return problem(failure("BRANCH_UNKNOWN", `${expected} ${chosen === null ? "null" : typeof chosen}`));
  }
  const names = [...new Set(answer.value)];
  const unknown = names.findIndex((name) => !all.includes(name));
  if (unknown >= 0) return problem(failure("BRANCH_UNKNOWN", `${expected} "${String(names[unknown])}"`));
  return ok({ total: names.length, names });
}

/** One child has ended: count it, and let the policy judge. After a verdict the others are only counted. */
export function childEnded(planning: Planning, end: ChildEnd): void {
  const { draft, effects } = planning;
  if (end.seq !== undefined) effects.consume.push(end.seq);
  if (draft.doing.kind === "call") {
    const { call, ended } = draft.doing;
    if (ended.includes(end.ordinal)) return;
    planning.record({
      type: "call.child_ended",
      call,
      ordinal: end.ordinal,
      outcome: end.outcome,
      ...(end.failure && { failure: end.failure }),
      ...(end.quota && { quota: end.quota }),
    });
    return judgeCall(planning, end);
  }
  if (draft.doing.kind !== "join") return;
  const { fork } = draft.doing;
  const { ordinal, outcome } = end;
  const { failure: why, quota } = end;
  planning.record({
    type: "fork.child_ended",
    fork,
    ordinal,
    outcome,
    ...(why && { failure: why }),
    ...(quota && { quota }),
  });
  const frame = draft.top("fork");
  if (frame.verdict !== undefined) return;
  if (why !== undefined && endsTheRun(why)) return record(planning, fork, { verdict: "fail", failure: why });
  const { name } = childPlace(draft, frame, ordinal);
  const { total, ended, succeeded } = frame;
  const verdict = judge(draft.node(frame.path, "fork").join, { total, ended, succeeded, latest: { ...end, name } });
  if (verdict !== undefined) record(planning, fork, verdict);
}

/** A policy that was not met fails at its fork; the failure of a child keeps its own place. */
function record(planning: Planning, fork: number, verdict: Verdict): void {
  if (verdict.verdict === "join") return planning.record({ type: "fork.decided", fork, ...verdict });
  const { path, visit } = planning.draft.top("fork");
  const { failure: why } = verdict;
  planning.record({
    type: "fork.decided",
    fork,
    verdict: "fail",
    failure: why.at === undefined ? { ...why, at: placeOf(path, visit) } : why,
  });
}

/**
 * The fiber that waits for a fork cannot go on. Its children are stopped, and the results of those that have ended are
 * gathered, so that what they did can be undone. When even that is what breaks it, it fails at once, without them.
 */
export function breakFork(planning: Planning, what: Failure): void {
  const { draft, effects } = planning;
  if (draft.doing.kind !== "join") return;
  const { fork } = draft.doing;
  const { verdict, opened, ended } = draft.top("fork");
  if (verdict !== "fail" && ended < opened) {
    record(planning, fork, { verdict: "fail", failure: what });
    return resumeFork(planning);
  }
  effects.cancelFork = { fork, reason: "the waiting fiber failed" };
  effects.dropFork = fork;
  planning.fail(draft.doing, what);
}

/** Keeps the window full; when nothing runs any more the results are gathered. */
export function resumeFork(planning: Planning): void {
  const { draft, effects } = planning;
  if (draft.doing.kind !== "join") return;
  const { path, visit, fork } = draft.doing;
  const frame = draft.top("fork");
  if (frame.verdict === undefined) {
    const to = Math.min(frame.total, frame.ended + draft.node(path, "fork").concurrency);
    if (to > frame.opened) {
      // Shared among those that begin now, not all that ever will: what they leave goes to those after them.
      const spawned = { fork, from: frame.opened, to, ...slicesFor(planning, to - frame.opened) };
      effects.spawn.push(spawned);
      planning.record({ type: "fork.spawned", ...spawned });
    }
    return;
  }
  if (frame.opened === frame.ended) draft.doing = { kind: "gather", path, visit, fork };
  else effects.cancelFork ??= { fork, reason: frame.verdict === "fail" ? "a sibling failed" : "the join is decided" };
}

/** The fiber of one child of a fork, as it is born: its own copy of the context, its own item. */
export function bornChild(
  definition: Definition,
  parent: Fiber,
  {
    frame,
    ordinal,
    slice,
  }: { readonly frame: ForkFrame; readonly ordinal: number; readonly slice?: Allowance | undefined },
): Fiber {
  const { path, visit } = childPlace({ definition }, frame, ordinal);
  const node = definition.nodes.get(frame.path);
  const isMap = node?.kind === "fork" && node.children.kind === "map";
  const iteration = parent.frames.findLast((one) => one.kind === "loop")?.iteration ?? parent.iteration;
  return newFiber(
    { path, visit },
    {
      value: isMap ? ((parent.value as readonly Wire[])[ordinal] ?? null) : parent.value,
      context: parent.context,
      iteration,
      queue: parent.queue,
      priority: parent.priority,
      ...(parent.lane !== undefined && { lane: parent.lane }),
      ...(parent.deadlineAt !== undefined && { deadlineAt: parent.deadlineAt }),
      ...(slice !== undefined && parent.quota !== undefined && { quota: sliceOf(parent.quota, slice) }),
    },
  );
}
