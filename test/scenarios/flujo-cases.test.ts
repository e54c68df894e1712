import { flow, type RunResult } from "flujo";
import { expect, it } from "vitest";
import { z } from "zod";
import { eventsOf, gate } from "../engine/reading.ts";
import { Scene } from "../engine/scene.ts";
import { BACKENDS, describeOn } from "../setup/backends.ts";

const THREE = BACKENDS.filter(({ name }) => ["memory", "sqlite", "postgres"].includes(name));

/** Black-box cases of Flujo's users, by their numbers; those of agents, budgets, caches and replays have files of their own. */
describeOn(THREE, "what Flujo's users rely on, on %s", (store) => {
  it("case 1: gives the output of the last step, and a history of both", async () => {
    await using scene = new Scene(store);
    const two = flow("two", { version: "1" })
      .input(z.number())
      .step("same", (n) => n)
      .step("double", (n) => n * 2)
      .build();
    const flujo = scene.open({ flows: [two] });
    const result = await flujo.run(two, 3);
    expect(result).toMatchObject({ status: "completed", output: 6 });
    expect(await eventsOf(flujo, result.runId, "step.completed")).toHaveLength(2);
    expect(await flujo.usage(result.runId)).toMatchObject({ costUsd: 0, totalTokens: 0 });
  });

  it("case 2: keeps what the attempt that succeeded did to the context, and nothing of the failed ones", async () => {
    await using scene = new Scene(store);
    const stubborn = flow("stubborn", { version: "1" })
      .context(z.object({ seen: z.array(z.number()).default([]) }))
      .step(
        "try",
        (_, { attempt, context }) => {
          context.seen.push(attempt);
          if (attempt < 3) throw new Error("not yet");
          return attempt;
        },
        { retry: { attempts: 3, backoff: "immediate" } },
      )
      .step("look", (attempts, { context }) => ({ attempts, seen: context.seen }))
      .build();
    const flujo = scene.open({ flows: [stubborn] });
    expect(await flujo.run(stubborn, null)).toMatchObject({ output: { attempts: 3, seen: [3] } });
  });

  it("case 3: aborts an attempt that takes too long, tries again, and fails with a word about time", async () => {
    await using scene = new Scene(store);
    let aborted = 0;
    const slow = flow("slow", { version: "1" })
      .step(
        "sleep",
        (_, { signal }) =>
          new Promise((_resolve, reject) => {
            signal.addEventListener("abort", () => {
              aborted += 1;
              reject(signal.reason as Error);
            });
          }),
        { timeout: "50ms", retry: { attempts: 2, backoff: "immediate" } },
      )
      .build();
    const flujo = scene.open({ flows: [slow] });
    const result = await flujo.run(slow, null);
    expect(result).toMatchObject({ status: "failed", failure: { code: "STEP_TIMEOUT", attempt: 2 } });
    expect(result.status === "failed" && result.failure.message).toContain("timeout of 50 ms");
    expect(aborted).toBe(2);
  });

  it("case 5: takes the case that the key names, the default for another, and records which", async () => {
    await using scene = new Scene(store);
    const routed = flow("routed", { version: "1" })
      .input(z.object({ key: z.union([z.string(), z.boolean()]) }))
      .switch(
        "route",
        ({ key }) => String(key),
        {
          a: (b) => b.step("a", () => "A"),
          b: (b) => b.step("b", () => "B"),
          true: (b) => b.step("yes", () => "yes"),
        },
        { default: (b) => b.step("other", () => "default") },
      )
      .build();
    const flujo = scene.open({ flows: [routed] });
    const outputs = await Promise.all(
      ["a", "zzz", true].map(async (key) => {
        const result = await flujo.run(routed, { key });
        const [chosen] = await eventsOf(flujo, result.runId, "branch.chosen");
        return [result.status === "completed" && result.output, chosen?.key, chosen?.taken];
      }),
    );
    expect(outputs).toEqual([
      ["A", "a", "case"],
      ["default", "zzz", "otherwise"],
      ["yes", "true", "case"],
    ]);
  });

  it("case 6: stops when its condition holds, and fails at its bound when it never does", async () => {
    await using scene = new Scene(store);
    const until = (wanted: number) =>
      flow(`until-${wanted}`, { version: "1" })
        .input(z.number())
        .loop("again", (b) => b.step("add", (n) => n + 1), { until: (n) => n >= wanted, max: 5 })
        .build();
    const [third, never] = [until(3), until(99)];
    const flujo = scene.open({ flows: [third, never] });
    const result = await flujo.run(third, 0);
    expect(result).toMatchObject({ output: 3 });
    expect(await eventsOf(flujo, result.runId, "step.completed")).toHaveLength(3);
    expect(await flujo.run(never, 0)).toMatchObject({ status: "failed", failure: { code: "LOOP_LIMIT" } });
  });

  it("case 9: names the key that two branches set differently, unless it is told what to do", async () => {
    await using scene = new Scene(store);
    const context = z.object({ value: z.string().default(""), a: z.string().default(""), b: z.string().default("") });
    const both = (merge?: "overwrite" | { fields: ("a" | "b")[] }) =>
      flow(`both-${typeof merge === "string" ? merge : merge === undefined ? "default" : "fields"}`, { version: "1" })
        .context(context)
        .parallel(
          "set",
          {
            a: (b) => b.step("a", (_, ctx) => void Object.assign(ctx.context, { value: "from a", a: "A" })),
            b: (b) => b.step("b", (_, ctx) => void Object.assign(ctx.context, { value: "from b", b: "B" })),
          },
          merge === undefined ? {} : { merge },
        )
        .step("look", (_, ctx) => ctx.context)
        .build();
    const [conflict, overwrite, mapped] = [both(), both("overwrite"), both({ fields: ["a", "b"] })];
    const flujo = scene.open({ flows: [conflict, overwrite, mapped] });
    const failed = await flujo.run(conflict, null);
    expect(failed).toMatchObject({ status: "failed", failure: { code: "CONTEXT_CONFLICT" } });
    expect(failed.status === "failed" && failed.failure.message).toContain("context.value");
    expect(await flujo.run(overwrite, null)).toMatchObject({ output: { value: "from b" } });
    expect(await flujo.run(mapped, null)).toMatchObject({ output: { value: "", a: "A", b: "B" } });
  });

  it("case 11: runs the branches that a router names, none when it names none, and refuses what is no name", async () => {
    await using scene = new Scene(store);
    const router = flow("router", { version: "1" })
      .input(z.object({ names: z.unknown() }))
      .step("router", ({ names }) => names as ("x" | "y")[])
      .parallel(
        "chosen",
        { x: (b) => b.step("x", () => 1), y: (b) => b.step("y", () => 2) },
        { choose: (names) => names },
      )
      .build();
    const flujo = scene.open({ flows: [router] });
    const run = (names: unknown): Promise<RunResult> => flujo.run(router, { names });
    expect(await run(["x"])).toMatchObject({ output: { x: 1 } });
    expect(await run([])).toMatchObject({ status: "completed", output: {} });
    expect(await run(["x", "missing"])).toMatchObject({ failure: { code: "BRANCH_UNKNOWN" } }); // said, not dropped
    const refused = await run(7);
    expect(refused.status === "failed" && refused.failure.message).toContain("number");
  });

  it("case 15: pauses in a child run inside a loop, twice, and goes on exactly there", async () => {
    await using scene = new Scene(store);
    const prompts: number[] = [];
    const child = flow("child", { version: "1" })
      .input(z.number())
      .step("prepare", (n) => {
        prompts.push(n);
        return n;
      })
      .human("ask", { message: (n) => `add to ${n}?`, answer: z.number() })
      .build();
    const parent = flow("parent", { version: "1" })
      .input(z.number())
      .loop("twice", (b) => b.call("child", child).step("sum", (n) => n + 100), { until: (n) => n > 110, max: 3 })
      .build();
    const flujo = scene.open({ flows: [parent, child] });
    let result: RunResult = await flujo.run(parent, 1);
    const questions: unknown[] = [];
    for (const answer of [5, 20]) {
      if (result.status !== "paused") break;
      questions.push(result.pauses[0]?.question);
      result = await flujo.resume(result.runId, answer);
    }
    expect(questions).toEqual(["add to 1?", "add to 105?"]);
    expect(prompts).toEqual([1, 105]);
    expect(result).toMatchObject({ status: "completed", output: 120 });
  });
});

const SHARED = THREE.filter(({ place }) => place !== undefined);

describeOn(SHARED, "what Flujo's users rely on after a death, on %s", (store) => {
  it("case 16: executes only the step that was under way, with the output of the one before it", async () => {
    await using scene = new Scene(store);
    const reached = gate();
    const calls: string[] = [];
    let dies = true;
    const two = flow("two", { version: "1" })
      .step("one", () => {
        calls.push("one");
        return "from one";
      })
      .step("two", async (value, { signal }) => {
        calls.push(`two with ${value}`);
        if (!dies) return "done";
        reached.open();
        return new Promise<string>((_, reject) => {
          signal.addEventListener("abort", () => reject(signal.reason as Error));
        });
      })
      .build();
    const first = scene.open({ flows: [two], worker: { drain: 0 } });
    await first.start(two, null, { id: "same" });
    await reached.opened;
    dies = false;
    await first.close();
    const second = scene.open({ flows: [two] });
    expect(await second.run(two, null, { id: "same" })).toMatchObject({ status: "completed", output: "done" });
    expect(calls).toEqual(["one", "two with from one", "two with from one"]);
    expect(await eventsOf(second, "same", "step.completed")).toHaveLength(2);
    expect((await second.list()).items).toHaveLength(1);
  });
});
