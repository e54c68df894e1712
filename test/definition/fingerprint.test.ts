import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { seal } from "../../src/definition/build.ts";
import type { Definition } from "../../src/definition/definition.ts";
import { fingerprint } from "../../src/definition/fingerprint.ts";
import type { Node } from "../../src/definition/node.ts";
import { nodePath } from "../../src/domain/ids.ts";
import type { Body } from "../../src/dsl/builder.ts";
import { flow } from "../../src/dsl/flow.ts";
import { META, rootOf, sequenceNode, stepNode } from "./samples.ts";

const one = (): number => 1;
const start = flow("print", { version: "1" }).input(z.number()).step("n", Number);
const add = (b: Body<number>) => b.step("add", (n) => n + 1);
const other = (b: Body<number>) => b.step("other", (n) => n + 1);
const child = flow("child", { version: "1" }).step("a", one).build();
const child2 = flow("child", { version: "1" }).step("b", one).build();
const always = (): boolean => true;
type Make = () => Definition;
const late = { deadline: 5, onTimeout: one };

describe("a fingerprint stays when only this changes", () => {
  it.each<[string, Make, Make]>([
    ["nothing", () => start.step("a", one).build(), () => start.step("a", one).build()],
    ["a function's body", () => start.step("a", () => 1).build(), () => start.step("a", async () => "two").build()],
    ["a condition", () => start.if("i", (n) => n > 1, add).build(), () => start.if("i", () => false, add).build()],
    [
      "a key's function",
      () => start.step("a", one, { key: () => "a" }).build(),
      () => start.step("a", one, { key: (n) => String(n) }).build(),
    ],
    [
      "a description",
      () => flow("f", { version: "1" }).step("a", one).build(),
      () => flow("f", { version: "1", description: "d" }).step("a", one).build(),
    ],
    [
      "the contents of a schema",
      () => start.step("a", one, { output: z.number() }).build(),
      () => start.step("a", one, { output: z.number().max(5) }).build(),
    ],
    [
      "the text of a question",
      () => start.human("h", { message: "a" }).build(),
      () => start.human("h", { message: "b" }).build(),
    ],
    ["the way a duration is written", () => start.sleep("s", "1s").build(), () => start.sleep("s", 1_000).build()],
    [
      "the way a retry is written",
      () => start.step("a", one, { retry: 3 }).build(),
      () => start.step("a", one, { retry: { attempts: 3, delay: "200ms" } }).build(),
    ],
    [
      "a default that is written out",
      () => start.step("a", one).build(),
      () => start.step("a", one, { priority: 0, retry: undefined as never }).build(),
    ],
    [
      "the order of critical names",
      () => start.parallel("p", { l: add, r: add }, { join: { critical: ["l", "r"] } }).build(),
      () => start.parallel("p", { l: add, r: add }, { join: { critical: ["r", "l"] } }).build(),
    ],
  ])("%s", (_what, before, after) => {
    expect(after().fingerprint).toBe(before().fingerprint);
  });

  it("labels", () => {
    const [step, loud] = [stepNode("root/a"), stepNode("root/a", { label: "agent" })];
    expect(fingerprint(rootOf(loud), META)).toBe(fingerprint(rootOf(step), META));
  });
});

describe("a fingerprint changes with", () => {
  const plain: Make = () => start.step("a", one).build();
  const f = (rest: object) =>
    flow("print", { version: "1", ...rest })
      .input(z.number())
      .step("n", Number)
      .step("a", one);
  const fork = (options?: Parameters<typeof start.parallel>[2]) =>
    start.parallel("p", { l: add, r: add }, options as object);
  const forked: Make = () => (fork() as ReturnType<typeof start.step>).build();
  const forkOf =
    (options: object): Make =>
    () =>
      (fork(options) as ReturnType<typeof start.step>).build();
  it.each<[string, Make, Make]>([
    ["a key", () => start.step("a", one).build(), () => start.step("a", one, { key: () => "a" }).build()],
    ["a transaction", () => start.step("a", one).build(), () => start.transaction("a", one).build()],
    ["the name", plain, () => flow("x", { version: "1" }).input(z.number()).step("n", Number).step("a", one).build()],
    ["the version", plain, () => f({ version: "2" }).build()],
    ["the revision", plain, () => f({ revision: "2" }).build()],
    ["the timeout", plain, () => f({ timeout: 5 }).build()],
    ["an input schema", plain, () => flow("print", { version: "1" }).step("n", Number).step("a", one).build()],
    ["an id", plain, () => start.step("b", one).build()],
    ["one more step", plain, () => start.step("a", one).step("b", one).build()],
    [
      "the order of steps",
      () => start.step("a", one).step("b", one).build(),
      () => start.step("b", one).step("a", one).build(),
    ],
    ["a retry", plain, () => start.step("a", one, { retry: 2 }).build()],
    [
      "a retry classifier",
      () => start.step("a", one, { retry: {} }).build(),
      () => start.step("a", one, { retry: { retryIf: always } }).build(),
    ],
    ["a step timeout", plain, () => start.step("a", one, { timeout: 5 }).build()],
    ["a queue", plain, () => start.step("a", one, { queue: "q" }).build()],
    ["a priority", plain, () => start.step("a", one, { priority: 1 }).build()],
    ["an output schema", plain, () => start.step("a", one, { output: z.number() }).build()],
    ["a compensation", plain, () => start.step("a", one, { compensate: one }).build()],
    [
      "a compensation's retry",
      () => start.step("a", one, { compensate: one }).build(),
      () => start.step("a", one, { compensate: { run: one, retry: 2 } }).build(),
    ],
    [
      "a kind",
      () => start.loop("a", add, { until: always, max: 2 }).build(),
      () => start.while("a", always, add, { max: 2 }).build(),
    ],
    ["a bound", () => start.times("a", 2, add).build(), () => start.times("a", 3, add).build()],
    [
      "a case",
      () => start.switch("s", String, { a: add }).build(),
      () => start.switch("s", String, { b: add }).build(),
    ],
    [
      "a default",
      () => start.switch("s", String, { a: add }).build(),
      () => start.switch("s", String, { a: add }, { default: add }).build(),
    ],
    ["an else", () => start.if("i", always, add).build(), () => start.if("i", always, add, add).build()],
    ["what is in a body", () => start.if("i", always, add).build(), () => start.if("i", always, other).build()],
    [
      "the order of branches",
      () => start.parallel("p", { l: add, r: add }).build(),
      () => start.parallel("p", { r: add, l: add }).build(),
    ],
    ["a window", forked, forkOf({ concurrency: 1 })],
    ["a choice", forked, forkOf({ choose: () => ["l"] })],
    ["a join", forked, forkOf({ join: "settled" })],
    ["a quorum", forkOf({ join: { atLeast: 1 } }), forkOf({ join: { atLeast: 2 } })],
    ["a critical branch", forkOf({ join: { critical: ["l"] } }), forkOf({ join: { critical: ["r"] } })],
    ["the name of a join", forkOf({ join: { custom: one, name: "a" } }), forkOf({ join: { custom: one, name: "b" } })],
    ["a merge", forked, forkOf({ merge: "overwrite" })],
    ["merged fields", forked, forkOf({ merge: { fields: ["x"] } })],
    ["a reducer", forkOf({ merge: { reducers: { x: "sum" } } }), forkOf({ merge: { reducers: { x: "max" } } })],
    [
      "the name of a merge",
      forkOf({ merge: { custom: one, name: "a" } }),
      forkOf({ merge: { custom: one, name: "b" } }),
    ],
    [
      "what a map runs over",
      () =>
        start
          .step("l", () => [1])
          .map("m", add)
          .build(),
      () =>
        start
          .step("l", () => [1])
          .map("m", (l) => l, add)
          .build(),
    ],
    ["a signal", () => start.waitForSignal("w", "a").build(), () => start.waitForSignal("w", "b").build()],
    [
      "another signal",
      () => start.waitForAnySignal("w", ["a"]).build(),
      () => start.waitForAnySignal("w", ["a", "b"]).build(),
    ],
    [
      "naming the signal",
      () => start.waitForSignal("w", "a").build(),
      () => start.waitForAnySignal("w", ["a"]).build(),
    ],
    [
      "a signal's schema",
      () => start.waitForSignal("w", "a").build(),
      () => start.waitForSignal("w", "a", { schema: z.string() }).build(),
    ],
    [
      "an answer's schema",
      () => start.human("h", { message: "" }).build(),
      () => start.human("h", { message: "", answer: z.string() }).build(),
    ],
    [
      "a deadline",
      () => start.waitForSignal("w", "a", late).build(),
      () => start.waitForSignal("w", "a", { ...late, deadline: 6 }).build(),
    ],
    [
      "a computed deadline",
      () => start.waitForSignal("w", "a", late).build(),
      () => start.waitForSignal("w", "a", { ...late, deadline: () => 5 }).build(),
    ],
    [
      "what follows a deadline",
      () => start.waitForSignal("w", "a", late).build(),
      () => start.waitForSignal("w", "a", { deadline: 5 }).build(),
    ],
    ["a sleep", () => start.sleep("s", 5).build(), () => start.sleep("s", 6).build()],
    ["an instant", () => start.sleepUntil("s", new Date(5)).build(), () => start.sleepUntil("s", new Date(6)).build()],
    [
      "what a call waits for",
      () => start.callMany("c", child, { inputs: () => [] }).build(),
      () => start.callMany("c", child, { inputs: () => [], wait: "any" }).build(),
    ],
    [
      "the number of calls",
      () => start.background("c", child, { input: one }).build(),
      () => start.backgroundMany("c", child, { inputs: () => [] }).build(),
    ],
    ["the called flow", () => start.call("c", child).build(), () => start.call("c", child2).build()],
    [
      "a handler",
      () => start.attempt("t", add, { fallback: add }).build(),
      () => start.attempt("t", add, { catch: (b) => b.step("add", one) }).build(),
    ],
    [
      "compensating",
      () => start.attempt("t", add, { fallback: add }).build(),
      () => start.attempt("t", add, { fallback: add, compensate: true }).build(),
    ],
  ])("%s", (_what, before, after) => {
    expect(after().fingerprint).not.toBe(before().fingerprint);
  });
});

it("a fingerprint is 64 hexadecimal digits and never changes by itself", () => {
  expect(start.step("a", one).build().fingerprint).toMatchInlineSnapshot(
    `"3641218c134188849c6c186d55a9fac0a42cdb9bf353057a033ef08c5dd2d334"`,
  );
});

/** A tree as plain data, to be built twice. */
type Tree = readonly [id: string, inside: readonly Tree[]];
const id = fc.stringMatching(/^[a-z0-9._:-]{1,4}$/);
const tree = treeOf(4);

function treeOf(depth: number): fc.Arbitrary<Tree> {
  if (depth === 0) return id.map((name) => [name, []]);
  const inside = fc.uniqueArray(treeOf(depth - 1), { maxLength: 4, selector: ([name]) => name });
  return fc.tuple(id, inside);
}

function grow([id, inside]: Tree, parent: string): Node {
  const path = `${parent}/${id}`;
  if (inside.length === 0) return stepNode(path, { id, path: nodePath(path) });
  return { ...sequenceNode(path, ...inside.map((one) => grow(one, path))), id };
}

describe("for every tree", () => {
  it("the same tree has the same fingerprint and every path finds its node", () => {
    fc.assert(
      fc.property(tree, (one) => {
        const [first, second] = [seal(META, rootOf(grow(one, "root"))), seal(META, rootOf(grow(one, "root")))];
        expect(first.fingerprint).toBe(second.fingerprint);
        for (const [path, node] of first.nodes) expect(node.path).toBe(path);
      }),
    );
  });

  it("two different trees have different fingerprints", () => {
    fc.assert(
      fc.property(tree, tree, (one, two) => {
        const same = JSON.stringify(one) === JSON.stringify(two);
        const [first, second] = [one, two].map((each) => fingerprint(rootOf(grow(each, "root")), META));
        expect(first === second).toBe(same);
      }),
    );
  });
});
