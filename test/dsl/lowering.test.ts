import { describe, expect, it } from "vitest";
import { z } from "zod";
import { constantOf } from "../../src/definition/constant.ts";
import type { Definition } from "../../src/definition/definition.ts";
import type { Node } from "../../src/definition/node.ts";
import { ONE_ATTEMPT } from "../../src/domain/retry.ts";
import type { Body } from "../../src/dsl/builder.ts";
import { flow } from "../../src/dsl/flow.ts";
import { step } from "../../src/dsl/step.ts";

const one = (): number => 1;
const add = (b: Body<number>) => b.step("add", (n) => n + 1);
const start = flow("lowering", { version: "1" }).input(z.number());
const VIEW = { context: {}, iteration: 0 };

function at<Kind extends Node["kind"]>({ nodes }: Definition, path: string, kind: Kind): Extract<Node, { kind: Kind }> {
  const node = [...nodes.values()].find((other) => other.path === path);
  if (node?.kind !== kind) throw new Error(`expected a ${kind} at ${path} but found ${node?.kind}`);
  return node as Extract<Node, { kind: Kind }>;
}
const paths = (definition: Definition): string[] => [...definition.nodes.keys()];
const fn: unknown = expect.any(Function);

describe("step", () => {
  it("is one attempt without a timeout by default", () => {
    const built = start.step("a", one).build();
    expect(at(built, "root/a", "step")).toEqual({
      kind: "step",
      id: "a",
      path: "root/a",
      label: "step",
      run: fn,
      config: { retry: ONE_ATTEMPT },
    });
  });

  it("carries its configuration, schemas and compensation", () => {
    const [input, output] = [z.number(), z.string()];
    const built = start
      .step("a", String, {
        retry: { attempts: 4, backoff: "constant", delay: "1s", jitter: "none" },
        timeout: "10s",
        queue: "gpu",
        priority: 5,
        input,
        output,
        compensate: { run: () => undefined, retry: 2, timeout: 50 },
      })
      .build();
    const retry = { attempts: 4, firstDelayMs: 1_000, factor: 1, maxDelayMs: 60_000, jitter: "none" };
    const twice = { attempts: 2, firstDelayMs: 200, factor: 2, maxDelayMs: 60_000, jitter: "full" };
    expect(at(built, "root/a", "step")).toEqual({
      kind: "step",
      id: "a",
      path: "root/a",
      label: "step",
      run: fn,
      config: { retry, timeoutMs: 10_000, queue: "gpu", priority: 5 },
      input,
      output,
      compensate: { run: fn, config: { retry: twice, timeoutMs: 50 } },
    });
  });

  it("takes a compensation as a bare function, run once", () => {
    const built = start.step("a", one, { compensate: () => undefined }).build();
    expect(at(built, "root/a", "step").compensate).toEqual({ run: fn, config: { retry: ONE_ATTEMPT } });
  });

  it("hands results on as they are, synchronous ones synchronously", () => {
    const list = [1, 2];
    const built = start.step("a", () => list).build();
    expect(at(built, "root/a", "step").run(1, undefined as never)).toBe(list);
  });

  it("keeps retry classifiers", () => {
    const retryIf = (): boolean => false;
    const built = start.step("a", one, { retry: { retryIf } }).build();
    expect(at(built, "root/a", "step").config.retry).toMatchObject({ attempts: 3, retryIf });
  });
});

describe("a transactional step", () => {
  it("is a step whose function is given the transaction first", () => {
    const built = start.transaction("a", (tx: { id: number }, n) => [tx.id, n], { retry: 2, queue: "db" }).build();
    const node = at(built, "root/a", "step");
    expect(node).toMatchObject({ label: "transaction", config: { transactional: true, queue: "db" } });
    expect(node.run(5, { tx: { id: 7 } } as never)).toEqual([7, 5]);
  });

  it("keeps its key as a function of its input", () => {
    const node = at(start.step("a", one, { key: (n) => `tenant-${n}` }).build(), "root/a", "step");
    expect(node.config.key?.(3, VIEW)).toBe("tenant-3");
  });

  it("is reported when what it is given is no function", () => {
    const built = (): unknown => start.transaction("a", 5 as never, { key: "ada" as never }).build();
    expect(built).toThrow(/root\/a: expected a function but found number/);
    expect(built).toThrow(/root\/a: key: expected a function but found string/);
  });
});

describe("a generator step", () => {
  const run = async (body: () => unknown, signal: AbortSignal = new AbortController().signal) => {
    const chunks: unknown[] = [];
    const node = at(start.step("a", body).build(), "root/a", "step");
    const ctx = { emit: (chunk: unknown) => chunks.push(chunk), signal };
    return { chunks, output: await node.run(1, ctx as never) };
  };

  it("emits what it yields and gives what it returns", async () => {
    const asynchronous = async function* () {
      yield "a";
      yield "b";
      return 3;
    };
    expect(await run(asynchronous)).toEqual({ chunks: ["a", "b"], output: 3 });
    const synchronous = function* () {
      yield 1;
      return 2;
    };
    expect(await run(synchronous)).toEqual({ chunks: [1], output: 2 });
  });

  it("is closed when its attempt is aborted", async () => {
    let closed = false;
    const abort = new AbortController();
    const endless = async function* () {
      try {
        for (;;) {
          abort.abort(new Error("stop"));
          yield 1;
        }
      } finally {
        closed = true;
      }
    };
    await expect(run(endless, abort.signal)).rejects.toThrow("stop");
    expect(closed).toBe(true);
  });
});

describe("branches", () => {
  it("lower `if` to the cases then and else", () => {
    const built = start
      .if(
        "big",
        (n) => n > 5,
        add,
        (b) => b.step("sub", (n) => n - 1),
      )
      .build();
    const node = at(built, "root/big", "branch");
    expect(node.label).toBe("if");
    expect(Object.keys(node.cases)).toEqual(["then", "else"]);
    expect([node.select(6, VIEW), node.select(5, VIEW)]).toEqual(["then", "else"]);
    expect(paths(built)).toContain("root/big/then/add");
    expect(paths(built)).toContain("root/big/else/sub");
    expect(node).not.toHaveProperty("otherwise");
  });

  it("leave else out when there is none", () => {
    const built = start.if("big", (n) => n > 5, add).build();
    expect(Object.keys(at(built, "root/big", "branch").cases)).toEqual(["then"]);
  });

  it("refuse a decision that is neither true nor false, but leave promises to the planner", async () => {
    const selectOf = (when: unknown) => at(start.if("big", when as never, add).build(), "root/big", "branch").select;
    expect(() => selectOf(() => "yes")(1, VIEW)).toThrow("when: expected true or false but found string");
    expect(() => selectOf(() => undefined)(1, VIEW)).toThrow("when: expected true or false but found undefined");
    const promise = Promise.resolve(true);
    expect(selectOf(() => promise)(1, VIEW)).toBe(promise);
    await promise;
  });

  it("lower `switch` with its default", () => {
    const built = start.switch("s", (n) => (n > 0 ? "up" : "down"), { up: add, down: add }, { default: add }).build();
    const node = at(built, "root/s", "branch");
    expect(node.label).toBe("switch");
    expect(node.otherwise?.path).toBe("root/s/default");
    expect(paths(built)).toEqual([
      "root",
      "root/s",
      "root/s/up",
      "root/s/up/add",
      "root/s/down",
      "root/s/down/add",
      "root/s/default",
      "root/s/default/add",
    ]);
  });

  it("find nothing under names that every object has", () => {
    const { cases } = at(start.switch("s", String, { up: add }).build(), "root/s", "branch");
    expect([cases["constructor"], cases["toString"], cases["__proto__"]]).toEqual([undefined, undefined, undefined]);
  });
});

describe("loops", () => {
  it("lower `loop`, `while` and `times`", () => {
    const until = (): boolean => true;
    const built = start.loop("a", add, { until, max: 7 }).while("b", until, add, { max: 8 }).times("c", 9, add).build();
    const loop = { kind: "loop", body: expect.objectContaining({ kind: "sequence", id: "body" }) as unknown };
    expect(at(built, "root/a", "loop")).toMatchObject({ ...loop, label: "loop", mode: "until", test: until, max: 7 });
    expect(at(built, "root/b", "loop")).toMatchObject({ ...loop, label: "while", mode: "while", test: until, max: 8 });
    expect(at(built, "root/c", "loop")).toMatchObject({ ...loop, label: "times", mode: "times", max: 9 });
    expect(at(built, "root/c", "loop")).not.toHaveProperty("test");
    expect(paths(built)).toContain("root/a/body/add");
  });
});

describe("forks", () => {
  it("open all branches at once and join all by default", () => {
    const node = at(start.parallel("p", { a: add, b: add, c: add }).build(), "root/p", "fork");
    expect(node).toMatchObject({ concurrency: 3, join: { kind: "all" }, merge: { kind: "context-update" } });
    expect(node.children.kind === "branches" && Object.keys(node.children.branches)).toEqual(["a", "b", "c"]);
    expect(node.children).not.toHaveProperty("choose");
  });

  it("carry concurrency, choice, join and merge", () => {
    const choose = () => ["a"] as const;
    const built = start
      .parallel(
        "p",
        { a: add, b: add },
        { concurrency: 1, choose, join: { critical: ["a"] }, merge: { fields: ["x"], reducers: { x: "sum" } } },
      )
      .build();
    const node = at(built, "root/p", "fork");
    expect(node).toMatchObject({
      children: { kind: "branches", choose },
      concurrency: 1,
      join: { kind: "critical", names: ["a"] },
      merge: { kind: "context-update", fields: ["x"], reducers: { x: "sum" } },
    });
  });

  const decide = () => "join" as const;
  const merge = (before: unknown) => before;
  it.each([
    ["all", { kind: "all" }],
    ["settled", { kind: "settled" }],
    ["any", { kind: "any" }],
    [{ atLeast: 2 }, { kind: "atLeast", count: 2 }],
    [{ custom: decide }, { kind: "custom", name: "custom", decide }],
    [
      { custom: decide, name: "mine" },
      { kind: "custom", name: "mine", decide },
    ],
  ] as const)("join under %o", (join, wanted) => {
    const built = start.parallel("p", { a: add, b: add }, { join }).build();
    expect(at(built, "root/p", "fork").join).toEqual(wanted);
  });

  it.each([
    ["no-merge", { kind: "no-merge" }],
    ["overwrite", { kind: "overwrite" }],
    ["keep-first", { kind: "keep-first" }],
    ["error-on-conflict", { kind: "error-on-conflict" }],
    ["context-update", { kind: "context-update" }],
    [{ reducers: { x: "max" } }, { kind: "context-update", reducers: { x: "max" } }],
    [{ custom: merge }, { kind: "custom", name: "custom", merge }],
    [
      { custom: merge, name: "mine" },
      { kind: "custom", name: "mine", merge },
    ],
  ] as const)("merge under %o", (how, wanted) => {
    const built = start.parallel("p", { a: add, b: add }, { merge: how }).build();
    expect(at(built, "root/p", "fork").merge).toEqual(wanted);
  });

  it("map over the flowing list, ten at a time", () => {
    const built = flow("m", { version: "1" }).input(z.array(z.number())).map("each", add).build();
    const node = at(built, "root/each", "fork");
    expect(node).toMatchObject({ label: "map", concurrency: 10, join: { kind: "all" }, children: { kind: "map" } });
    expect(node.children).not.toHaveProperty("items");
    expect(paths(built)).toEqual(["root", "root/each", "root/each/body", "root/each/body/add"]);
  });

  it("map over what a function gives", () => {
    const built = start.map("each", (n) => [n, n], add, { concurrency: 2, join: "settled" }).build();
    const node = at(built, "root/each", "fork");
    expect(node).toMatchObject({ concurrency: 2, join: { kind: "settled" } });
    expect(node.children.kind === "map" && node.children.items?.(4, VIEW)).toEqual([4, 4]);
  });
});

describe("waits", () => {
  it("sleep for a time that is fixed or computed", () => {
    const built = start
      .sleep("a", "2s")
      .sleep("b", (n) => `${n}s`)
      .build();
    const [fixed, computed] = [at(built, "root/a", "wait").wait, at(built, "root/b", "wait").wait];
    expect(fixed.kind === "sleep" && constantOf(fixed.forMs)).toBe(2_000);
    expect(computed.kind === "sleep" && computed.forMs(3, VIEW)).toBe(3_000);
    expect(computed.kind === "sleep" && constantOf(computed.forMs)).toBeUndefined();
  });

  it("sleep until an instant that is fixed or computed", () => {
    const built = start
      .sleepUntil("a", new Date(5_000))
      .sleepUntil("b", (n) => new Date(n))
      .build();
    const [fixed, computed] = [at(built, "root/a", "wait").wait, at(built, "root/b", "wait").wait];
    expect(fixed.kind === "sleepUntil" && constantOf(fixed.at)).toBe(5_000);
    expect(computed.kind === "sleepUntil" && computed.at(7, VIEW)).toEqual(new Date(7));
  });

  it("wait for one signal and give its data", () => {
    const schema = z.string();
    const built = start.waitForSignal("w", "paid", { schema, deadline: "1h", onTimeout: (n) => n }).build();
    const node = at(built, "root/w", "wait");
    expect(node.wait).toEqual({ kind: "signal", names: ["paid"], schemas: { paid: schema }, named: false });
    expect(node.deadlineMs?.(1, VIEW)).toBe(3_600_000);
    expect(node.onTimeout?.(7, VIEW)).toBe(7);
  });

  it("wait for any of several signals and name the one that came", () => {
    const schema = z.string();
    const built = start
      .waitForAnySignal("w", { paid: schema, cancelled: null })
      .waitForAnySignal("v", ["a", "b"])
      .build();
    expect(at(built, "root/w", "wait").wait).toEqual({
      kind: "signal",
      names: ["paid", "cancelled"],
      schemas: { paid: schema },
      named: true,
    });
    expect(at(built, "root/v", "wait").wait).toEqual({ kind: "signal", names: ["a", "b"], schemas: {}, named: true });
    expect(at(built, "root/v", "wait")).not.toHaveProperty("deadlineMs");
  });

  it("ask a human with text or data", () => {
    const answer = z.boolean();
    const built = start
      .human("a", { message: (n) => `${n}?`, answer })
      .human("b", { message: "sure?" })
      .human("c", { question: () => ({ title: "x" }) })
      .build();
    const asked = ["a", "b", "c"].map((id) => {
      const { wait } = at(built, `root/${id}`, "wait");
      return wait.kind === "human" ? wait.question(3, VIEW) : undefined;
    });
    expect(asked).toEqual(["3?", "sure?", { title: "x" }]);
    expect(at(built, "root/a", "wait").wait).toEqual({ kind: "human", question: fn, answer });
  });
});

describe("calls", () => {
  const child = flow("child", { version: "2" }).input(z.number()).step("x", one).build();
  const ref = { name: "child", version: "2", fingerprint: child.fingerprint };

  it("lower to one kind of node", () => {
    const many = { inputs: (n: number) => [n, n] };
    const single = { input: (n: unknown) => Number(n) };
    const built = flow("calls", { version: "1" })
      .input(z.number())
      .callMany("a", child, many)
      .step("n", one)
      .callMany("b", child, { ...many, wait: "any" })
      .background("c", child, single)
      .step("m", one)
      .backgroundMany("d", child, many)
      .call("e", child, single)
      .call("f", child)
      .build();
    const shapes = ["a", "b", "c", "d", "e", "f"].map((id) => {
      const { label, single: alone, wait, flow: called, inputs } = at(built, `root/${id}`, "call");
      return [label, alone, wait, called, inputs(3, VIEW)];
    });
    expect(shapes).toEqual([
      ["callMany", false, "all", ref, [3, 3]],
      ["callMany", false, "any", ref, [3, 3]],
      ["background", true, "none", ref, 3],
      ["backgroundMany", false, "none", ref, [3, 3]],
      ["call", true, "all", ref, 3],
      ["call", true, "all", ref, 3],
    ]);
    expect(built.calls).toEqual([child]);
  });

  it("are collected from every body, and reach further", () => {
    const parent = flow("parent", { version: "1" })
      .input(z.number())
      .if(
        "i",
        () => true,
        (b) => b.call("c", child),
      )
      .build();
    const grand = flow("grand", { version: "1" })
      .input(z.number())
      .times("t", 2, (b) => b.call("p", parent))
      .build();
    expect(grand.calls.map(({ name }) => name)).toEqual(["parent"]);
    expect(grand.calls[0]?.calls).toEqual([child]);
  });
});

describe("attempts", () => {
  it("have a fallback, a catch, or compensate only", () => {
    const built = start
      .attempt("a", add, { fallback: (b) => b.step("n", one) })
      .attempt("b", add, {
        catch: (b) => b.step("n", ({ error, input }) => error.code.length + input),
        compensate: true,
      })
      .attempt("c", add, { compensate: true })
      .build();
    expect(at(built, "root/a", "attempt")).toMatchObject({ compensate: false, handler: { kind: "fallback" } });
    expect(at(built, "root/b", "attempt")).toMatchObject({ compensate: true, handler: { kind: "catch" } });
    expect(at(built, "root/c", "attempt")).not.toHaveProperty("handler");
    expect(paths(built)).toEqual([
      "root",
      ...["root/a", "root/a/body", "root/a/body/add", "root/a/fallback", "root/a/fallback/n"],
      ...["root/b", "root/b/body", "root/b/body/add", "root/b/catch", "root/b/catch/n"],
      ...["root/c", "root/c/body", "root/c/body/add"],
    ]);
  });
});

describe("fragments", () => {
  const double = step("double", (n: number) => n * 2);

  it("are constructs of the place where they are used", () => {
    const both = (b: Body<number>) => b.use(double).step("more", (n) => n + 1);
    const built = start.use(both).parallel("p", { left: double, right: both }).build();
    expect(paths(built)).toEqual([
      ...["root", "root/double", "root/more", "root/p"],
      ...["root/p/left", "root/p/left/double", "root/p/right", "root/p/right/double", "root/p/right/more"],
    ]);
  });
});
