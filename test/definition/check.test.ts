import { describe, expect, it } from "vitest";
import { z } from "zod";
import { seal } from "../../src/definition/build.ts";
import { check } from "../../src/definition/check.ts";
import { definitionInvalid } from "../../src/definition/problem.ts";
import type { CallNode, ForkNode, LoopNode, Node, WaitNode } from "../../src/definition/node.ts";
import { nodePath } from "../../src/domain/ids.ts";
import { LIMITS } from "../../src/domain/limits.ts";
import { ONE_ATTEMPT } from "../../src/domain/retry.ts";
import { META, rootOf, sequenceNode, stepNode } from "./samples.ts";

const found = (...children: readonly Node[]): string[] =>
  check(rootOf(...children), META).map(({ path, says }) => `${path}: ${says}`);
const no = undefined as never;
const step = stepNode;

const base = <Kind extends Node["kind"]>(kind: Kind, id: string) => ({
  kind,
  id,
  path: nodePath(`root/${id}`),
  label: kind,
});
const loop = (rest: Partial<LoopNode>): LoopNode => ({
  ...base("loop", "l"),
  mode: "until",
  test: () => true,
  max: 3,
  body: sequenceNode("root/l/body", step("root/l/body/a")),
  ...rest,
});
const fork = (rest: Partial<ForkNode>): ForkNode => ({
  ...base("fork", "f"),
  children: { kind: "branches", branches: { a: step("root/f/a"), b: step("root/f/b") } },
  concurrency: 2,
  join: { kind: "all" },
  merge: { kind: "context-update" },
  ...rest,
});
const mapping: ForkNode["children"] = { kind: "map", body: step("root/f/body") };
const signal = (names: readonly string[], rest: Partial<WaitNode> = {}): WaitNode => ({
  ...base("wait", "w"),
  wait: { kind: "signal", names, schemas: {}, named: true },
  ...rest,
});
const call = (rest: Partial<CallNode>): CallNode => ({
  ...base("call", "c"),
  flow: { name: "child", version: "1", fingerprint: "f" },
  inputs: () => 1,
  single: true,
  wait: "all",
  ...rest,
});
const attempt = (compensate: boolean): Node => ({
  ...base("attempt", "t"),
  body: sequenceNode("root/t/body", step("root/t/body/a")),
  compensate,
});

describe("check accepts", () => {
  it.each<[string, Node]>([
    ["a step", step("root/a")],
    ["the longest id", step(`root/${"x".repeat(LIMITS.idCharacters)}`)],
    ["a loop", loop({})],
    ["the largest loop", loop({ max: LIMITS.loopIterations })],
    ["no times", loop({ mode: "times", max: 0, test: no })],
    ["a fork", fork({})],
    ["a map", fork({ children: mapping, concurrency: 10 })],
    ["an attainable quorum", fork({ join: { kind: "atLeast", count: 2 } })],
    [
      "a quorum of items, whose number nobody knows",
      fork({ children: mapping, join: { kind: "atLeast", count: 200 } }),
    ],
    ["critical branches", fork({ join: { kind: "critical", names: ["b"] } })],
    ["reducers of merged fields", fork({ merge: { kind: "context-update", fields: ["x"], reducers: { x: "sum" } } })],
    ["a signal with a deadline", signal(["go"], { deadlineMs: () => 5, onTimeout: () => 1 })],
    ["a call", call({})],
    ["an attempt that compensates", attempt(true)],
    ["one id in two scopes", loop({ body: sequenceNode("root/l/body", step("root/l/body/l")) })],
  ])("%s", (_what, node) => {
    expect(found(node)).toEqual([]);
  });
});

describe("check refuses", () => {
  const ID = "1 to 128 characters A-Za-z0-9._:-";
  it.each<[string, Node, string]>([
    ["an empty id", step("root/", { id: "" }), `root/: expected an id of ${ID} but found ""`],
    ["a slash in an id", step("root/a/b", { id: "a/b" }), `root/a/b: expected an id of ${ID} but found "a/b"`],
    ["a # in an id", step("root/a#1"), `root/a#1: expected an id of ${ID} but found "a#1"`],
    [
      "a long id",
      step("root/a", { id: "x".repeat(129) }),
      `root/a: expected an id of ${ID} but found "${"x".repeat(129)}"`,
    ],
    ["an id that is no text", step("root/a", { id: 5 as never }), `root/a: expected an id of ${ID} but found number`],
    ["a step without a function", step("root/a", { run: no }), "root/a: expected a function but found undefined"],
    [
      "a compensation without a function",
      step("root/a", { compensate: { run: no, config: { retry: ONE_ATTEMPT } } }),
      "root/a: compensate: expected a function but found undefined",
    ],
    [
      "no attempts",
      step("root/a", { config: { retry: { ...ONE_ATTEMPT, attempts: 0 } } }),
      "root/a: retry.attempts: expected a whole number from 1 to 1000 but found 0",
    ],
    [
      "no time",
      step("root/a", { config: { retry: ONE_ATTEMPT, timeoutMs: 0 } }),
      "root/a: timeout: expected more than 0 ms but found 0",
    ],
    [
      "a queue without a name",
      step("root/a", { config: { retry: ONE_ATTEMPT, queue: "" } }),
      `root/a: queue: expected a name of ${ID} but found ""`,
    ],
    [
      "half a priority",
      step("root/a", { config: { retry: ONE_ATTEMPT, priority: 0.5 } }),
      "root/a: priority: expected a whole number but found 0.5",
    ],
    ["an empty sequence", sequenceNode("root/s"), "root/s: is empty: give it at least one step"],
    ["a branch without cases", { ...base("branch", "b"), select: () => "a", cases: {} }, "root/b: has no cases"],
    [
      "a branch without selector",
      { ...base("branch", "b"), select: no, cases: { a: step("root/b/a") } },
      "root/b: needs a function that selects a case",
    ],
    [
      "a case named like the default",
      {
        ...base("branch", "b"),
        select: () => "a",
        cases: { default: step("root/b/default") },
        otherwise: step("root/b/default"),
      },
      `root/b/default: the id "default" is used twice in one scope`,
    ],
    [
      "an unbounded loop",
      loop({ max: Number.POSITIVE_INFINITY }),
      "root/l: max: expected a whole number from 1 to 1000000 but found Infinity",
    ],
    [
      "a loop without max",
      loop({ max: no }),
      "root/l: max: expected a whole number from 1 to 1000000 but found undefined",
    ],
    ["half an iteration", loop({ max: 1.5 }), "root/l: max: expected a whole number from 1 to 1000000 but found 1.5"],
    [
      "too many iterations",
      loop({ max: LIMITS.loopIterations + 1 }),
      "root/l: max: expected a whole number from 1 to 1000000 but found 1000001",
    ],
    ["a loop that never asks", loop({ max: 0 }), "root/l: max: expected a whole number from 1 to 1000000 but found 0"],
    [
      "negative times",
      loop({ mode: "times", test: no, max: -1 }),
      "root/l: count: expected a whole number from 0 to 1000000 but found -1",
    ],
    ["a loop without condition", loop({ mode: "while", test: no }), "root/l: needs a function that says when to stop"],
    ["no window", fork({ concurrency: 0 }), "root/f: concurrency: expected a whole number of at least 1 but found 0"],
    ["no branches", fork({ children: { kind: "branches", branches: {} } }), "root/f: has no branches"],
    [
      "a map over no function",
      fork({ children: { ...mapping, items: 5 as never } }),
      "root/f: needs a function that gives the items",
    ],
    [
      "a quorum of none",
      fork({ join: { kind: "atLeast", count: 0 } }),
      "root/f: join.atLeast: expected a whole number of at least 1 but found 0",
    ],
    [
      "an unattainable quorum",
      fork({ join: { kind: "atLeast", count: 3 } }),
      "root/f: join.atLeast: 3 successes are wanted, but there are 2 branches",
    ],
    [
      "no critical branch",
      fork({ join: { kind: "critical", names: [] } }),
      "root/f: join.critical: name at least one branch",
    ],
    [
      "a critical branch that is not there",
      fork({ join: { kind: "critical", names: ["a", "z"] } }),
      `root/f: join.critical: there is no branch "z"`,
    ],
    [
      "a critical item",
      fork({ children: mapping, join: { kind: "critical", names: ["a"] } }),
      "root/f: join.critical: the items of a map have no names",
    ],
    [
      "a join that is no function",
      fork({ join: { kind: "custom", name: "x", decide: no } }),
      "root/f: join: expected a function",
    ],
    [
      "a merge that is no function",
      fork({ merge: { kind: "custom", name: "x", merge: no } }),
      "root/f: merge: expected a function",
    ],
    ["an unknown merge", fork({ merge: { kind: "mix" as never } }), `root/f: merge: there is no strategy "mix"`],
    [
      "a field merged twice",
      fork({ merge: { kind: "context-update", fields: ["x", "x"] } }),
      `root/f: merge.fields: "x" is listed twice`,
    ],
    [
      "a reducer of another field",
      fork({ merge: { kind: "context-update", fields: ["x"], reducers: { y: "sum" } } }),
      `root/f: merge.reducers: "y" is not one of merge.fields`,
    ],
    [
      "an unknown reducer",
      fork({ merge: { kind: "context-update", reducers: { y: "avg" as never } } }),
      `root/f: merge.reducers: expected one of sum, append, union, max, min, keepFirst but found "avg"`,
    ],
    ["no signal", signal([]), "root/w: waits for no signal: name at least one"],
    ["a signal without a name", signal([" "]), "root/w: waits for a signal without a name"],
    ["a signal named twice", signal(["a", "a"]), "root/w: names a signal twice"],
    [
      "a schema for another signal",
      signal([], { wait: { kind: "signal", names: ["a"], schemas: { b: z.string() }, named: true } }),
      `root/w: has a schema for "b", which it does not wait for`,
    ],
    [
      "a timeout without a deadline",
      signal(["a"], { onTimeout: () => 1 }),
      "root/w: has onTimeout but no deadline: it can never happen",
    ],
    [
      "a call of nothing",
      call({ flow: { name: "", version: "", fingerprint: "" } }),
      "root/c: calls something that is not a built flow",
    ],
    ["a call without input", call({ inputs: no }), "root/c: needs a function that gives the input"],
    [
      "an attempt that handles nothing",
      attempt(false),
      "root/t: handles nothing: give it a fallback, a catch, or compensate: true",
    ],
  ])("%s", (_what, node, problem) => {
    expect(found(node)).toEqual([problem]);
  });

  it("one id twice in one scope", () => {
    expect(found(step("root/a"), step("root/b"), step("root/a"))).toEqual([
      `root/a: the id "a" is used twice in one scope`,
    ]);
  });

  it("one id twice, without repeating it for everything below", () => {
    const twin = (): Node => sequenceNode("root/s", step("root/s/a"), step("root/s/b", { run: no }));
    expect(found(twin(), twin())).toEqual([
      "root/s/b: expected a function but found undefined",
      `root/s: the id "s" is used twice in one scope`,
      "root/s/b: expected a function but found undefined",
    ]);
  });

  it("everything at once, in the order of the tree", () => {
    expect(
      found(step("root/a", { run: no }), loop({ max: -1, body: sequenceNode("root/l/body") }), signal([])),
    ).toEqual([
      "root/a: expected a function but found undefined",
      "root/l: max: expected a whole number from 1 to 1000000 but found -1",
      "root/l/body: is empty: give it at least one step",
      "root/w: waits for no signal: name at least one",
    ]);
  });

  it("a name, a version and a timeout that are none", () => {
    const problems = check(rootOf(step("root/a")), { name: "a@b", version: "", timeoutMs: -1 });
    expect(problems.map(({ path, says }) => `${path}: ${says}`)).toEqual([
      `flow: expected a name of ${ID} but found "a@b"`,
      `flow: expected a version of ${ID} but found ""`,
      "flow: timeout: expected more than 0 ms but found -1",
    ]);
  });

  it("too many nodes", () => {
    const many = Array.from({ length: LIMITS.nodesPerFlow }, (_, i) => step(`root/s${i}`));
    expect(found(...many)).toEqual(["root: has more than 5000 nodes; split it into flows that call each other"]);
    expect(found(...many.slice(1))).toEqual([]);
  });

  const nested = (depth: number, path: string): Node =>
    depth === 1 ? step(`${path}/a`) : sequenceNode(`${path}/a`, nested(depth - 1, `${path}/a`));

  it("too much depth, once", () => {
    expect(found(nested(LIMITS.nodeDepth - 1, "root"))).toEqual([]);
    const path = `root${"/a".repeat(LIMITS.nodeDepth)}`;
    expect(found(nested(LIMITS.nodeDepth + 5, "root"))).toEqual([`${path}: is nested deeper than 64 levels`]);
  });

  it("a tree that contains itself, and ends", () => {
    const children: Node[] = [step("root/s/a")];
    const circle = sequenceNode("root/s");
    const knot = { ...circle, children };
    children.push(knot);
    expect(() => seal(META, rootOf(knot))).toThrow(`root/s: the id "s" is used twice in one scope`);
  });
});

describe("the error", () => {
  it("lists fifty problems and keeps all as data", () => {
    const problems = Array.from({ length: 60 }, (_, i) => ({ path: `root/${i}`, says: "is wrong" }));
    const error = definitionInvalid("f@1", problems);
    expect(error.message.split("\n")).toHaveLength(52);
    expect(error.message).toContain("flow f@1 has 60 problems:\n  root/0: is wrong\n  root/1: is wrong");
    expect(error.message).toContain("… and 10 more");
    expect(error.details).toEqual({ problems });
  });
});
