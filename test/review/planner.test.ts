import { flow } from "flujo";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { mergeContexts } from "../../src/planner/context.ts";
import { codeOf, eventually, eventsOf, gate } from "../engine/reading.ts";
import { Scene, STORES } from "../engine/scene.ts";

describe("merging contexts", () => {
  it("keeps a key with a dot apart from a path", () => {
    const before = { "a.b": 1, a: { b: 1 } };
    const children = [
      { name: "x", context: { "a.b": 2, a: { b: 1 } } },
      { name: "y", context: { "a.b": 1, a: { b: 3 } } },
    ];
    expect(mergeContexts(before, children, { kind: "context-update" })).toEqual({ "a.b": 2, a: { b: 3 } });
  });

  it("sees the conflict between a branch that replaces a record and one that changes a leaf of it", () => {
    const children = [
      { name: "x", context: { a: null } },
      { name: "y", context: { a: { b: 2 } } },
    ];
    expect(() => mergeContexts({ a: { b: 1 } }, children, { kind: "context-update" })).toThrow(
      /CONTEXT_CONFLICT|different/,
    );
  });

  it("takes the maximum of all branches, also of those that left the value as it was", () => {
    const children = [
      { name: "x", context: { n: 5 } },
      { name: "y", context: { n: 10 } },
    ];
    expect(mergeContexts({ n: 10 }, children, { kind: "context-update", reducers: { n: "max" } })).toEqual({ n: 10 });
  });

  it("takes the maximum of very many branches", () => {
    const children = Array.from({ length: 200_000 }, (_, i) => ({ name: `${i}`, context: { n: i + 1 } }));
    expect(mergeContexts({ n: 0 }, children, { kind: "context-update", reducers: { n: "max" } })).toEqual({
      n: 200_000,
    });
  });
});

describe.each(STORES)("attempts on %s", (store) => {
  it("fall back when an inner attempt's compensation failed, whether or not they have something to undo themselves", async () => {
    await using scene = new Scene(store);
    const nested = (outerUndo: boolean) =>
      flow(`nested-${outerUndo}`, { version: "1" })
        .attempt(
          "outer",
          (b) =>
            b
              .step("x", () => 1, outerUndo ? { compensate: () => undefined } : {})
              .attempt(
                "inner",
                (c) =>
                  c
                    .step("y", () => 1, {
                      compensate: () => {
                        throw new Error("cannot undo y");
                      },
                    })
                    .step("z", () => {
                      throw new Error("z");
                    }),
                { compensate: true },
              ),
          { compensate: true, fallback: (b) => b.step("plan-b", () => "plan b") },
        )
        .build();
    const flujo = scene.open();
    const without = await flujo.run(nested(false), null);
    const with_ = await flujo.run(nested(true), null);
    expect([without.status, with_.status]).toEqual(["completed", "completed"]);
  });
});

describe.each(STORES)("a fork of a run on %s", (store) => {
  it("that begins in a child can be forked and retried like any other", async () => {
    await using scene = new Scene(store);
    let broken = false;
    const maps = flow("maps", { version: "1" })
      .map(
        "m",
        () => [1, 2, 3],
        (b) =>
          b
            .step("double", (n) => n * 2)
            .step("check", (n) => {
              if (broken) throw new Error("not yet");
              return n;
            }),
        { concurrency: 1 },
      )
      .build();
    const flujo = scene.open({ flows: [maps] });
    const { runId } = await flujo.run(maps, null);
    const [first] = await eventsOf(flujo, runId, "step.completed");
    expect(first?.fiber).not.toBe("0");
    broken = true;
    const fork = await flujo.fork(runId, { at: first?.seq ?? 0, input: 100 });
    expect(await fork.result()).toMatchObject({ status: "failed" });
    broken = false;
    await flujo.retry(fork.runId);
    expect(await fork.result({ until: "end" })).toMatchObject({ status: "completed", output: [100, 4, 6] });
  });

  it("checks a new input as a start does", async () => {
    await using scene = new Scene(store);
    const strict = flow("strict", { version: "1" })
      .input(z.object({ n: z.number() }))
      .step("s", ({ n }) => n.toFixed(1))
      .build();
    const flujo = scene.open({ flows: [strict] });
    const { runId } = await flujo.run(strict, { n: 1 });
    expect(await codeOf(flujo.fork(runId, { input: "nonsense" }))).toBe("INPUT_INVALID");
  });
});

describe.each(STORES)("pauses on %s", (store) => {
  it("can be answered by token however long the run's id is", async () => {
    await using scene = new Scene(store);
    const two = flow("two", { version: "1" })
      .parallel("p", { a: (b) => b.human("q", { message: "a?" }), b: (b) => b.human("q", { message: "b?" }) })
      .build();
    const flujo = scene.open({ flows: [two] });
    const id = "r".repeat(128);
    const result = await flujo.run(two, null, { id });
    const pauses = result.status === "paused" ? result.pauses : [];
    expect(pauses).toHaveLength(2);
    const codes: string[] = [];
    for (const { token } of pauses) codes.push(await codeOf(flujo.answer(id, "yes", { token })));
    if (codes.some((code) => code !== "nothing")) await flujo.cancel(id);
    await flujo.result(id, { until: "end" });
    expect(codes).toEqual(["nothing", "nothing"]);
  });

  it("are resumed with what has become of the run, not with an older look", async () => {
    await using scene = new Scene(store);
    const held = gate();
    const ask = flow("ask", { version: "1" })
      .human("q", { message: "?" })
      .step("s", () => held.opened)
      .build();
    const flujo = scene.open({ flows: [ask] });
    const { runId } = await flujo.run(ask, null);
    const resumed = flujo.resume(runId, 1);
    setTimeout(held.open, 100);
    expect((await resumed).status).toBe("completed");
  });
});

describe.each(STORES)("two retries at once on %s", (store) => {
  it("repeat nothing that finished in between", async () => {
    await using scene = new Scene(store);
    const calls: string[] = [];
    let broken = true;
    const three = flow("three", { version: "1" })
      .step("a", () => {
        if (broken) throw new Error("a");
      })
      .step("b", () => void calls.push("b"))
      .step("c", () => {
        if (calls.length === 1) throw new Error("c");
        return "done";
      })
      .build();
    const flujo = scene.open({ flows: [three] });
    const { runId } = await flujo.run(three, null);
    broken = false;
    await Promise.allSettled([flujo.retry(runId), flujo.retry(runId), flujo.retry(runId)]);
    await eventually("the end", async () => (await flujo.get(runId)).endedAt !== undefined);
    expect(calls).toEqual(["b"]);
  });
});
