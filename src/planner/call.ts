import type { Fact } from "../domain/event.ts";
import { endsTheRun, type Failure, failure, failureFrom } from "../domain/failure.ts";
import { runId, type RunId } from "../domain/ids.ts";
import { ok, problem, type Result } from "../domain/result.ts";
import { sha256 } from "../domain/sha256.ts";
import { encode, type Wire } from "../domain/wire.ts";
import type { CallNode } from "../definition/node.ts";
import { ask } from "./ask.ts";
import type { ChildEnd, PlanContext, Planning } from "./planning.ts";
import { slicesFor } from "./spend.ts";

interface At {
  readonly path: string;
  readonly visit: string;
}

/** The id of a child run: the same however often its start is planned, so a crash starts nothing twice. */
export const childRunId = ({ run, fiber }: Pick<PlanContext, "run" | "fiber">, call: number, ordinal: number): RunId =>
  runId(`c-${sha256(`${run}/${fiber}/${call}/${ordinal}`).slice(0, 32)}`);

/** Child runs start in the same transition that parks their caller; first their flow has a look at their inputs. */
export function startCall(planning: Planning, node: CallNode, at: At): void {
  const inputs = inputsOf(planning, node);
  if (!inputs.ok) return planning.fail(at, inputs.problem);
  if (node.wait === "any" && inputs.value.length === 0) {
    const none = "expected at least 1 child run to succeed, but there were no inputs to start any with";
    return planning.fail(at, failure("JOIN_FAILED", none));
  }
  const { draft } = planning;
  const { length } = inputs.value;
  // Who does not wait keeps a share: what a detached run was given does not come back.
  const shares = slicesFor(planning, length, length + (node.wait === "none" ? 1 : 0));
  draft.doing = { kind: "starting", ...at, call: draft.counters.calls, inputs: inputs.value, ...shares };
}

/** All inputs were accepted: a start that is recorded is one that happens. */
export function callStarted(planning: Planning): void {
  const { draft } = planning;
  if (draft.doing.kind !== "starting") return;
  const { path, visit, call, inputs, slices } = draft.doing;
  const at = { path, visit };
  const node = draft.node(path, "call");
  const ids = inputs.map((_, ordinal) => childRunId(planning.at, call, ordinal));
  const shares = slices === undefined ? {} : { slices };
  planning.record({
    type: "call.started",
    ...at,
    call,
    runs: ids,
    inputs,
    wait: node.wait,
    ...shares,
    ...launched(node, ids),
  });
  if (node.background === true) planning.record({ type: "call.completed", ...at, output: draft.value });
  else if (node.wait === "none")
    planning.record({ type: "call.completed", ...at, output: node.single ? (ids[0] ?? null) : ids });
  else if (ids.length === 0) planning.record({ type: "call.completed", ...at, output: [] });
}

function launched(
  { background, id }: CallNode,
  [taskId]: readonly RunId[],
): Pick<Extract<Fact, { type: "call.started" }>, "launched"> {
  if (background !== true || taskId === undefined) return {};
  return { launched: { status: "BackgroundLaunched", taskId, step: id } };
}

function inputsOf({ draft }: Planning, node: CallNode): Result<readonly Wire[], Failure> {
  const answer = ask(draft, node.inputs, "input");
  if (!answer.ok) return answer;
  const many = answer.value as Iterable<unknown> | null | undefined;
  if (!node.single && (typeof many === "string" || typeof many?.[Symbol.iterator] !== "function")) {
    const found = many === null ? "null" : typeof many;
    return problem(failure("ITEMS_INVALID", `expected a list of inputs but found ${found}`));
  }
  try {
    return ok(node.single ? [encode(answer.value)] : [...(many ?? [])].map(encode));
  } catch (thrown) {
    return problem(failureFrom(thrown, "ITEMS_INVALID"));
  }
}

/** `all` needs every child and fails with the first that does; `any` takes the first success. */
export function judgeCall(planning: Planning, end: ChildEnd): void {
  const { doing } = planning.draft;
  if (doing.kind !== "call") return;
  const { path, visit, call, total, ended, wait } = doing;
  const good = end.outcome === "completed";
  const all = ended.length === total;
  if (wait === "any" ? !good && all : !good) {
    cancelCalls(planning, "a sibling run failed");
    const why = end.failure ?? failure("RUN_CANCELLED", "the child run was cancelled");
    return planning.fail(
      doing,
      failure(
        endsTheRun(why) ? why.code : "CHILD_FAILED",
        `child run ${childRunId(planning.at, call, end.ordinal)} ended ${end.outcome}: ${why.message}`,
        { cause: why },
      ),
    );
  }
  if (wait === "any" ? good : all) {
    const ordinals = wait === "any" ? [end.ordinal] : Array.from({ length: total }, (_, ordinal) => ordinal);
    if (wait === "any") cancelCalls(planning, "another child run was first");
    planning.draft.doing = { kind: "collect", path, visit, call, ordinals };
  }
}

/** Asks all child runs of the open call to stop; those that have ended do not mind. */
export function cancelCalls(planning: Planning, reason: string): void {
  const { doing } = planning.draft;
  if (doing.kind !== "call") return;
  for (let ordinal = 0; ordinal < doing.total; ordinal++) {
    planning.effects.cancelRuns.push({ run: childRunId(planning.at, doing.call, ordinal), reason });
  }
}
