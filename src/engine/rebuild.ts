import type { Fact } from "../domain/event.ts";
import { childFiber, type FiberKey, ROOT_FIBER } from "../domain/ids.ts";
import { sliceOf } from "../domain/quota.ts";
import { invariant } from "../domain/result.ts";
import type { Definition } from "../definition/definition.ts";
import { type Fiber, newFiber } from "../planner/fiber.ts";
import { fold } from "../planner/fold.ts";
import { bornChild } from "../planner/fork.ts";

/** One row of history, its large values in place. */
export interface Row {
  readonly seq: number;
  readonly at: number;
  readonly fiber: FiberKey;
  readonly facts: readonly Fact[];
}

/** A fiber as its history tells it. */
export interface Rebuilt {
  readonly key: FiberKey;
  readonly parent?: { readonly key: FiberKey; readonly fork: number; readonly ordinal: number };
  readonly fiber: Fiber;
  /** Ordinals of the open fork whose end this fiber has taken in. */
  readonly heard?: ReadonlySet<number>;
}

/** Folds the history of a whole run: every fiber that exists after the last row, parents before children. */
export function rebuild(definition: Definition, history: readonly Row[]): readonly Rebuilt[] {
  const rows = lasting(definition, history);
  const fibers = new Map<FiberKey, Rebuilt>();
  const heard = new Map<FiberKey, Set<number>>();
  for (const row of rows) {
    for (const fact of row.facts) {
      const known = fibers.get(row.fiber) ?? bornRoot(definition, row, fact);
      const ends = heardAfter(heard.get(row.fiber), fact);
      heard.set(row.fiber, ends);
      const one = { ...known, fiber: fold(definition, known.fiber, [fact]), heard: ends };
      fibers.set(row.fiber, one);
      if (fact.type === "fork.spawned")
        for (const child of spawned(definition, one, fact)) fibers.set(child.key, child);
      if (fact.type === "fork.joined" || fact.type === "fork.failed") dropFork(fibers, row.fiber, fact.fork);
    }
  }
  return [...fibers.values()];
}

function dropFork(fibers: Map<FiberKey, Rebuilt>, of: FiberKey, fork: number): void {
  for (const [key, { parent }] of fibers) if (parent?.key === of && parent.fork === fork) fibers.delete(key);
}

/** One set per open fork, added to in place: a copy per child would cost the square of their number. */
function heardAfter(heard: Set<number> | undefined, fact: Fact): Set<number> {
  if (heard === undefined || fact.type === "fork.opened") return new Set();
  return fact.type === "fork.child_ended" ? heard.add(fact.ordinal) : heard;
}

function bornRoot(definition: Definition, { fiber }: Row, fact: Fact): Rebuilt {
  invariant(fiber === ROOT_FIBER, `fiber ${fiber} was spawned before it acted`);
  return { key: ROOT_FIBER, fiber: bornAs(definition, fact.type === "run.started" ? fact : {}) };
}

type Started = Extract<Fact, { type: "run.started" }>;

/** The first fiber of a run as its first fact says. */
export function bornAs(
  definition: Definition,
  { deadlineAt, queue, priority, lane, limits, slice }: Partial<Started>,
): Fiber {
  const start = {
    root: true,
    ...(deadlineAt !== undefined && { deadlineAt }),
    ...(queue !== undefined && { queue }),
    ...(priority !== undefined && { priority }),
    ...(lane !== undefined && { lane }),
    ...(limits !== undefined && { quota: sliceOf({ limits }, slice ?? limits) }),
  };
  return newFiber({ path: definition.root.path, visit: "" }, start);
}

function spawned(
  definition: Definition,
  parent: Rebuilt,
  { fork, from, to, slices }: Extract<Fact, { type: "fork.spawned" }>,
): readonly Rebuilt[] {
  const frame = parent.fiber.frames.at(-1);
  invariant(frame?.kind === "fork" && frame.fork === fork, "the fork that spawns is the innermost frame");
  return Array.from({ length: to - from }, (_, i) => {
    const ordinal = from + i;
    return {
      key: childFiber(parent.key, frame.base + ordinal),
      parent: { key: parent.key, fork, ordinal },
      fiber: bornChild(definition, parent.fiber, { frame, ordinal, slice: slices?.[i] }),
    };
  });
}

/** The history without the endings that a retry has put aside: what came after was built on what was before them. */
export function lasting(definition: Definition, rows: readonly Row[]): readonly Row[] {
  if (!rows.some(isRetry)) return rows;
  let kept: Row[] = [];
  for (const row of rows) {
    if (isRetry(row)) kept = [...withoutEnding(definition, kept)];
    kept.push(row);
  }
  return kept;
}

const isRetry = ({ facts }: Row): boolean => facts.some(({ type }) => type === "run.retried");

/**
 * The history without the ending: for each fiber, only what it recorded before its failure began. Goes backwards from the end of
 * the root: through the fork that failed into the children that failed or were cancelled, and leaves those alone that completed.
 */
export function withoutEnding(definition: Definition, rows: readonly Row[]): readonly Row[] {
  const cuts = new Map<FiberKey, Cut>();
  cutEnding(definition, rows, ROOT_FIBER, cuts);
  return rows.flatMap((row) => {
    const cut = cuts.get(row.fiber);
    if (cut === undefined || row.seq < cut.seq) return [row];
    const kept = row.seq === cut.seq ? cut.kept : 0;
    const facts = row.facts.filter(({ type }, i) => i < kept || PAID.has(type));
    return facts.length > 0 ? [{ ...row, facts }] : [];
  });
}

/** Not undone by trying again: what was spent is spent. */
const PAID: ReadonlySet<Fact["type"]> = new Set<Fact["type"]>(["quota.reserved", "quota.settled"]);

/** Where the ending of a fiber begins: in the transition `seq`, after as many facts as are kept of it. */
interface Cut {
  readonly seq: number;
  readonly kept: number;
}

function cutEnding(definition: Definition, rows: readonly Row[], key: FiberKey, cuts: Map<FiberKey, Cut>): void {
  const own = rows.filter(({ fiber }) => fiber === key);
  const last = own.findLast(({ facts }) =>
    facts.some((fact) => fact.type === "fiber.ended" && fact.outcome !== "completed"),
  );
  if (last === undefined) return;
  const failed = last.facts.slice(keptOf(definition, last)).find((fact) => fact.type === "fork.failed");
  const began = own.find(({ facts }) => facts.some((fact) => startsTheEnd(fact, failed?.fork)));
  const first = began !== undefined && began.seq < last.seq ? began : last;
  const cut: Cut = { seq: first.seq, kept: keptOf(definition, first, failed?.fork) };
  cuts.set(key, cut);
  if (failed === undefined) return;
  // A child whose failure was taken in before (`settled`, `atLeast`) has been counted: to run it again would count it twice.
  const counted = own
    .filter(({ seq }) => seq < cut.seq)
    .flatMap(({ facts }) => facts.flatMap((fact) => endedIn(fact, failed.fork)));
  for (const { key: child, parent } of childrenOf(definition, rows, key, failed.fork))
    if (!counted.includes(parent?.ordinal ?? -1)) cutEnding(definition, rows, child, cuts);
}

/**
 * How many facts of the transition in which the ending begins are kept: those up to the last that was a success. A step that is
 * finished there, an answer that was taken, is not asked for again because the decision after it failed.
 */
function keptOf(definition: Definition, { facts }: Row, fork?: number): number {
  // What the flow's own schema refused, the last step has to make anew.
  if (facts.some((fact) => fact.type === "node.failed" && fact.path === definition.root.path)) return 0;
  const end = facts.findIndex((fact) => startsTheEnd(fact, fork));
  return (end < 0 ? facts : facts.slice(0, end)).findLastIndex(({ type }) => SUCCESSES.has(type)) + 1;
}

const SUCCESSES: ReadonlySet<Fact["type"]> = new Set<Fact["type"]>([
  "step.completed",
  "branch.chosen",
  "loop.decided",
  "fork.joined",
  "wait.answered",
  "wait.timed_out",
  "timer.fired",
  "call.completed",
]);

const startsTheEnd = (fact: Fact, fork: number | undefined): boolean =>
  fact.type === "cancel.requested" || (fact.type === "fork.decided" && fact.fork === fork && fact.verdict === "fail");

const endedIn = (fact: Fact, fork: number): readonly number[] =>
  fact.type === "fork.child_ended" && fact.fork === fork ? [fact.ordinal] : [];

function childrenOf(definition: Definition, rows: readonly Row[], parent: FiberKey, fork: number): readonly Rebuilt[] {
  const before = rows.findIndex(
    ({ fiber, facts }) => fiber === parent && facts.some((fact) => fact.type === "fork.failed" && fact.fork === fork),
  );
  return rebuild(definition, rows.slice(0, before)).filter(
    (one) => one.parent?.key === parent && one.parent.fork === fork,
  );
}
