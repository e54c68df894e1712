import type { Undo } from "../domain/event.ts";
import { type Failure, failureFrom } from "../domain/failure.ts";
import { placeOf } from "../domain/ids.ts";
import type { Wire } from "../domain/wire.ts";
import { childPlace } from "./apply.ts";
import { mergeContexts } from "./context.ts";
import { joinOutput } from "./join.ts";
import type { CollectedRun, GatheredChild, Planning } from "./planning.ts";

/** The children's results are here, in declared order: merge them, or fail with what the policy said. */
export function gathered(planning: Planning, results: readonly GatheredChild[]): void {
  const { draft, effects } = planning;
  if (draft.doing.kind !== "gather") return;
  const { path, visit, fork } = draft.doing;
  const frame = draft.top("fork");
  const node = draft.node(path, "fork");
  const children = results.map((child) => ({ ...child, name: childPlace(draft, frame, child.ordinal).name }));
  const undo: readonly Undo[] = children.flatMap((child) => child.undo);
  effects.dropFork = fork;
  const fail = (failure: Failure | undefined): void =>
    planning.record({ type: "fork.failed", path, visit, fork, undo, ...(failure && { failure }) });
  if (frame.verdict === "fail") return fail(frame.failure);
  try {
    const shape = node.children.kind === "map" ? "list" : "record";
    const output = joinOutput(node.join, children, shape, frame.winner);
    const counted = node.join.kind === "any" ? children.filter(({ ordinal }) => ordinal === frame.winner) : children;
    const merged = mergeContexts(
      draft.context,
      counted.filter(({ outcome }) => outcome === "completed"),
      node.merge,
    );
    planning.record({
      type: "fork.joined",
      path,
      visit,
      fork,
      output,
      undo,
      ...(merged !== draft.context && { context: merged }),
    });
  } catch (thrown) {
    fail(failureFrom(thrown, "JOIN_FAILED", { at: placeOf(path, visit) }));
  }
}

/** Outputs of child runs, in the order they were started; `any` yields which one, and its output. */
export function collected(planning: Planning, results: readonly CollectedRun[]): void {
  const { draft } = planning;
  if (draft.doing.kind !== "collect") return;
  const { path, visit } = draft.doing;
  const node = draft.node(path, "call");
  const first = results[0];
  const output: Wire =
    node.wait === "any" && !node.single
      ? { index: first?.ordinal ?? 0, output: first?.output ?? null }
      : node.single
        ? (first?.output ?? null)
        : results.map((result) => result.output);
  planning.record({ type: "call.completed", path, visit, output });
}
