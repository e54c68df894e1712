import { isId } from "../domain/ids.ts";
import { LIMITS } from "../domain/limits.ts";
import { checkAround } from "./check-around.ts";
import type { FlowMeta } from "./meta.ts";
import type { ForkNode, JoinPolicy, LoopNode, Node, StepConfig, StepNode, WaitNode } from "./node.ts";
import type { Problem } from "./problem.ts";
import { childrenOf } from "./walk.ts";

type Report = (path: string, says: string) => void;

/**
 * Every problem of a flow at once, each with the path of its node. An empty list means that the definition is sound:
 * ids are unique within their scope, nothing is empty, every loop is bounded, every name that is referred to exists.
 */
export function check(root: Node, meta: Pick<FlowMeta, "name" | "version" | "timeoutMs">): Problem[] {
  const problems: Problem[] = [];
  const report: Report = (path, says) => problems.push({ path, says });
  checkMeta(meta, report);
  checkTree(root, report);
  return problems;
}

function checkMeta(
  { name, version, timeoutMs }: Pick<FlowMeta, "name" | "version" | "timeoutMs">,
  report: Report,
): void {
  if (!isName(name)) report("flow", `expected a name of ${ID_FORM} but found ${shown(name)}`);
  if (!isName(version)) report("flow", `expected a version of ${ID_FORM} but found ${shown(version)}`);
  if (timeoutMs !== undefined && !(timeoutMs > 0))
    report("flow", `timeout: expected more than 0 ms but found ${timeoutMs}`);
}

const ID_FORM = `1 to ${LIMITS.idCharacters} characters A-Za-z0-9._:-`;
const isName = (text: unknown): boolean => typeof text === "string" && isId(text);
const shown = (value: unknown): string =>
  typeof value === "string" ? JSON.stringify(value.slice(0, 150)) : typeof value;

interface Visit {
  readonly node: Node;
  readonly depth: number;
  /** Below an id that is used twice all paths repeat: that is said once. */
  readonly repeated: boolean;
}

/** Depth first with an explicit stack: a tree that is too deep must be a problem, not a stack overflow. */
function checkTree(root: Node, report: Report): void {
  const paths = new Set<string>();
  const seen = new Set<Node>();
  const stack: Visit[] = [{ node: root, depth: 1, repeated: false }];
  let tooDeep = false;
  for (let next = stack.pop(); next !== undefined; next = stack.pop()) {
    const { node, depth, repeated } = next;
    const again = paths.has(node.path);
    if (!isName(node.id)) report(node.path, `expected an id of ${ID_FORM} but found ${shown(node.id)}`);
    else if (again && !repeated) report(node.path, `the id ${shown(node.id)} is used twice in one scope`);
    if (seen.has(node)) continue; // one object in two places, or a circle
    paths.add(node.path);
    seen.add(node);
    if (seen.size > LIMITS.nodesPerFlow) {
      return report("root", `has more than ${LIMITS.nodesPerFlow} nodes; split it into flows that call each other`);
    }
    if (depth > LIMITS.nodeDepth) {
      if (!tooDeep) report(node.path, `is nested deeper than ${LIMITS.nodeDepth} levels`);
      tooDeep = true;
      continue;
    }
    checkNode(node, report);
    const below = childrenOf(node).map((child) => ({ node: child, depth: depth + 1, repeated: again || repeated }));
    stack.push(...below.reverse());
  }
}

function checkNode(node: Node, report: Report): void {
  switch (node.kind) {
    case "step":
      return checkStep(node, report);
    case "sequence":
      return node.children.length === 0 ? report(node.path, "is empty: give it at least one step") : undefined;
    case "branch":
      if (typeof node.select !== "function") report(node.path, "needs a function that selects a case");
      if (childrenOf(node).length === 0) report(node.path, "has no cases");
      return;
    case "loop":
      return checkLoop(node, report);
    case "fork":
      return checkFork(node, report);
    case "wait":
      return checkWait(node, report);
    case "call":
      if (typeof node.inputs !== "function") report(node.path, "needs a function that gives the input");
      return isName(node.flow.name) ? undefined : report(node.path, "calls something that is not a built flow");
    case "attempt":
      if (node.handler === undefined && !node.compensate) {
        report(node.path, "handles nothing: give it a fallback, a catch, or compensate: true");
      }
      return;
  }
}

function checkStep(node: StepNode, report: Report): void {
  const { path, run, config, compensate } = node;
  if (typeof run !== "function") report(path, `expected a function but found ${typeof run}`);
  checkConfig(path, config, report);
  checkAround(node, (says) => report(path, says));
  if (compensate === undefined) return;
  if (typeof compensate.run !== "function")
    report(path, `compensate: expected a function but found ${typeof compensate.run}`);
  checkConfig(path, compensate.config, report);
}

function checkConfig(path: string, { retry, timeoutMs, queue, priority, key }: StepConfig, report: Report): void {
  if (!isCount(retry.attempts, LIMITS.retryAttempts)) {
    report(
      path,
      `retry.attempts: expected a whole number from 1 to ${LIMITS.retryAttempts} but found ${retry.attempts}`,
    );
  }
  if (timeoutMs !== undefined && !(timeoutMs > 0))
    report(path, `timeout: expected more than 0 ms but found ${timeoutMs}`);
  if (queue !== undefined && !isName(queue))
    report(path, `queue: expected a name of ${ID_FORM} but found ${shown(queue)}`);
  if (priority !== undefined && !Number.isSafeInteger(priority)) {
    report(path, `priority: expected a whole number but found ${priority}`);
  }
  if (key !== undefined && typeof key !== "function") report(path, `key: expected a function but found ${typeof key}`);
}

const isCount = (value: number, most: number): boolean => Number.isInteger(value) && value >= 1 && value <= most;

function checkLoop({ path, mode, test, max }: LoopNode, report: Report): void {
  // "0 times" passes its input through (Fluxo: Loop with times <= 0); a condition that may never be asked is a mistake.
  const least = mode === "times" ? 0 : 1;
  if (!Number.isInteger(max) || max < least || max > LIMITS.loopIterations) {
    const what = mode === "times" ? "count" : "max";
    report(path, `${what}: expected a whole number from ${least} to ${LIMITS.loopIterations} but found ${max}`);
  }
  if (mode !== "times" && typeof test !== "function") report(path, `needs a function that says when to stop`);
}

function checkFork({ path, children, concurrency, join, merge }: ForkNode, report: Report): void {
  if (!isCount(concurrency, LIMITS.mapItems)) {
    report(path, `concurrency: expected a whole number of at least 1 but found ${concurrency}`);
  }
  const names = children.kind === "branches" ? Object.keys(children.branches) : undefined;
  if (names?.length === 0) report(path, "has no branches");
  if (children.kind === "map" && children.items !== undefined && typeof children.items !== "function")
    report(path, "needs a function that gives the items");
  checkJoin(path, join, { names, report });
  if (merge.kind === "context-update") {
    const repeated = merge.fields?.filter((field, i, all) => all.indexOf(field) !== i) ?? [];
    if (repeated.length > 0) report(path, `merge.fields: ${repeated.map(shown).join(", ")} is listed twice`);
    const outside = Object.keys(merge.reducers ?? {}).filter((key) => merge.fields?.includes(key) === false);
    if (outside.length > 0) report(path, `merge.reducers: ${outside.map(shown).join(", ")} is not one of merge.fields`);
    const unknown = Object.values(merge.reducers ?? {}).filter((reducer) => !REDUCERS.includes(reducer));
    if (unknown.length > 0) {
      report(path, `merge.reducers: expected one of ${REDUCERS.join(", ")} but found ${unknown.map(shown).join(", ")}`);
    }
  }
  if (merge.kind === "custom" && typeof merge.merge !== "function") report(path, "merge: expected a function");
  if (!MERGES.includes(merge.kind)) report(path, `merge: there is no strategy ${shown(merge.kind)}`);
}

const REDUCERS: readonly string[] = ["sum", "append", "union", "max", "min", "keepFirst"];
const MERGES: readonly string[] = [
  "context-update",
  "no-merge",
  "overwrite",
  "keep-first",
  "error-on-conflict",
  "custom",
];

interface JoinScene {
  /** Names of the branches; undefined for a map. */
  readonly names: readonly string[] | undefined;
  readonly report: Report;
}

function checkJoin(path: string, join: JoinPolicy, { names, report }: JoinScene): void {
  switch (join.kind) {
    case "all":
    case "settled":
    case "any":
      return;
    case "atLeast":
      if (!isCount(join.count, LIMITS.mapItems)) {
        report(path, `join.atLeast: expected a whole number of at least 1 but found ${join.count}`);
      } else if (names !== undefined && join.count > names.length) {
        report(path, `join.atLeast: ${join.count} successes are wanted, but there are ${names.length} branches`);
      }
      return;
    case "critical": {
      if (join.names.length === 0) report(path, "join.critical: name at least one branch");
      const missing = join.names.filter((name) => names?.includes(name) === false);
      if (missing.length > 0) report(path, `join.critical: there is no branch ${missing.map(shown).join(", ")}`);
      if (names === undefined) report(path, "join.critical: the items of a map have no names");
      return;
    }
    case "custom":
      if (typeof join.decide !== "function") report(path, "join: expected a function");
      return;
  }
}

function checkWait({ path, wait, deadlineMs, onTimeout }: WaitNode, report: Report): void {
  if (wait.kind === "signal") {
    if (wait.names.length === 0) report(path, "waits for no signal: name at least one");
    if (wait.names.some((name) => typeof name !== "string" || name.trim() === ""))
      report(path, "waits for a signal without a name");
    if (new Set(wait.names).size < wait.names.length) report(path, "names a signal twice");
    const stray = Object.keys(wait.schemas).filter((name) => !wait.names.includes(name));
    if (stray.length > 0) report(path, `has a schema for ${stray.map(shown).join(", ")}, which it does not wait for`);
  }
  if (onTimeout !== undefined && deadlineMs === undefined)
    report(path, "has onTimeout but no deadline: it can never happen");
}
