import { failure } from "../domain/failure.ts";
import { isKey, KEY_FORM } from "../domain/ids.ts";
import { LIMITS } from "../domain/limits.ts";
import type { BranchNode, LoopNode, StepNode } from "../definition/node.ts";
import { invariant } from "../domain/result.ts";
import { ask } from "./ask.ts";
import { startCall } from "./call.ts";
import { openFork } from "./fork.ts";
import type { Planning } from "./planning.ts";
import { openWait } from "./wait.ts";

interface At {
  readonly path: string;
  readonly visit: string;
}

/** Decisions without work between them that one planning may take: loops of empty bodies must not hold the process. */
export const openLoopsAllowed: number = LIMITS.loopIterations;

/** Asks what must be asked at the tip and records the answer. Dispatch by kind, nothing else. */
export function decide(planning: Planning): void {
  const { doing } = planning.draft;
  invariant(doing.kind === "decide", "there is something to decide");
  const node = planning.definition.nodes.get(doing.path);
  invariant(node !== undefined, `${doing.path} is in the definition`);
  const at = { path: doing.path, visit: doing.visit };
  switch (node.kind) {
    case "branch":
      return chooseBranch(planning, node, at);
    case "loop":
      return decideLoop(planning, node, at);
    case "fork":
      return openFork(planning, node, at);
    case "wait":
      return openWait(planning, node, at);
    case "call":
      return startCall(planning, node, at);
    case "step":
      return keyStep(planning, node, at);
    case "sequence":
    case "attempt":
      return invariant(false, `a ${node.kind} asks nothing`);
  }
}

function chooseBranch(planning: Planning, node: BranchNode, at: At): void {
  const answer = ask(planning.draft, node.select, "select");
  if (!answer.ok) return planning.fail(at, answer.problem);
  const key = String(answer.value);
  const taken = Object.hasOwn(node.cases, key) ? "case" : node.otherwise === undefined ? "none" : "otherwise";
  planning.record({ type: "branch.chosen", ...at, key, taken });
}

/** Whose the work of this step is. Asked once, before its first attempt: all attempts wait in the same lane. */
function keyStep(planning: Planning, { config: { key } }: StepNode, at: At): void {
  invariant(key !== undefined, `${at.path} has a key`);
  const answer = ask(planning.draft, key, "key");
  if (!answer.ok) return planning.fail(at, answer.problem);
  const lane: unknown = answer.value;
  if (isKey(lane)) return planning.record({ type: "step.keyed", ...at, lane });
  const found = typeof lane === "string" ? JSON.stringify(lane.slice(0, 150)) : typeof lane;
  planning.fail(at, failure("PREDICATE_FAILED", `key: expected ${KEY_FORM} but found ${found}`));
}

function decideLoop(planning: Planning, node: LoopNode, at: At): void {
  const { iteration } = planning.draft.top("loop");
  const again =
    node.test === undefined
      ? { ok: true as const, value: iteration < node.max }
      : ask(planning.draft, node.test, node.mode);
  if (!again.ok) return planning.fail(at, again.problem);
  // A truthy answer would be a guess, and a missing one would end a `while` silently.
  if (typeof again.value !== "boolean") {
    const found = again.value === null ? "null" : typeof again.value;
    return planning.fail(at, failure("PREDICATE_FAILED", `${node.mode}: expected true or false but found ${found}`));
  }
  const goOn = node.mode === "until" ? !again.value : again.value;
  if (goOn && node.test !== undefined && iteration >= node.max) {
    return planning.fail(
      at,
      failure(
        "LOOP_LIMIT",
        `expected the loop to end within ${node.max} iterations, but its condition still asks for more`,
      ),
    );
  }
  planning.record({ type: "loop.decided", ...at, iteration, again: goOn });
}
