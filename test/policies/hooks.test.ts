import { flow, type Hooks } from "flujo";
import { describe, expect, it } from "vitest";
import { Scene } from "../engine/scene.ts";
import { factsOf, listening, lone } from "./bench.ts";

/** Hooks that write down what they are told. */
function scribe(told: string[], name = ""): Hooks {
  return {
    preRun: ({ flow: of, input }) => void told.push(`${name}preRun ${of} ${String(input)}`),
    postRun: ({ status, output, failure }) =>
      void told.push(`${name}postRun ${status} ${failure?.code ?? String(output)}`),
    preStep: ({ path, attempt, input }) => void told.push(`${name}preStep ${path} ${attempt} ${String(input)}`),
    postStep: ({ path, output, cacheHit }) =>
      void told.push(`${name}postStep ${path} ${String(output)} ${String(cacheHit)}`),
    onStepFailure: ({ attempt, failure, isLast }) =>
      void told.push(`${name}onStepFailure ${attempt} ${failure.message} ${String(isLast)}`),
    onPause: ({ path, question }) => void told.push(`${name}onPause ${path} ${JSON.stringify(question)}`),
  };
}

const throwing = (): never => {
  throw new Error("broken hook");
};

describe("hooks", () => {
  it("are told of a run, its steps, their attempts and its questions, in order", async () => {
    const told: string[] = [];
    const { runner } = listening({ hooks: [scribe(told)] });
    await using _ = runner;
    const built = flow("told", { version: "1" })
      .step(
        "work",
        (_input, { attempt }) => {
          if (attempt === 1) throw new Error("no");
          return "done";
        },
        { retry: { attempts: 2, backoff: "immediate" } },
      )
      .human("ask", { message: "Well?" })
      .build();
    const { runId } = await runner.run(built, "x");
    await runner.resume(runId, "yes");
    expect(told).toEqual([
      "preRun told x",
      "preStep root/work 1 x",
      "onStepFailure 1 no false",
      "preStep root/work 2 x",
      "postStep root/work done false",
      'onPause root/ask "Well?"',
      "postRun completed yes",
    ]);
  });

  it("are all told, one after the other", async () => {
    const told: string[] = [];
    const { runner } = listening({ hooks: [scribe(told, "a "), scribe(told, "b ")] });
    await using _ = runner;
    await runner.run(
      lone(() => 1),
      "x",
    );
    expect(told.slice(0, 4)).toEqual([
      "a preRun lone x",
      "b preRun lone x",
      "a preStep root/work 1 x",
      "b preStep root/work 1 x",
    ]);
  });

  it.each(["preRun", "preStep", "postStep", "postRun"] as const)(
    "change nothing when %s throws, which is logged",
    async (event) => {
      const { runner, lines } = listening({ hooks: [{ name: "mine", [event]: throwing }] });
      await using _ = runner;
      expect(
        await runner.run(
          lone(() => "done"),
          1,
        ),
      ).toMatchObject({ status: "completed", output: "done" });
      expect(lines.map(({ message }) => message)).toEqual([`${event} of mine failed: broken hook`]);
    },
  );

  it.each(["preRun", "preStep", "postStep", "postRun"] as const)(
    "that are strict fail the run when %s throws, whatever would handle failures",
    async (event) => {
      const { runner } = listening({ hooks: [{ name: "mine", [event]: throwing }], strictHooks: true });
      await using _ = runner;
      const built = lone(() => "done", { retry: 3, fallback: () => "fallback" });
      expect(await runner.run(built, 1)).toMatchObject({
        status: "failed",
        failure: { code: "HOOK_FAILED", message: `${event} of mine failed: broken hook` },
      });
    },
  );

  it("that are strict make the last word of a failure theirs", async () => {
    const { runner } = listening({ hooks: [{ onStepFailure: throwing }], strictHooks: true });
    await using _ = runner;
    const built = lone(() => throwing(), { retry: 3 });
    expect(await runner.run(built, 1)).toMatchObject({ failure: { code: "HOOK_FAILED", attempt: 1 } });
  });

  it("that hang are left behind after 10 seconds", async () => {
    const { runner, lines } = listening({ hooks: [{ preRun: () => new Promise<undefined>(() => undefined) }] });
    await using _ = runner;
    const running = runner.run(
      lone(() => "done"),
      1,
    );
    expect(await running).toMatchObject({ output: "done" });
    expect(lines.map(({ message }) => message)).toEqual(["preRun of hook failed: it took longer than 10000 ms"]);
  });

  it.each<readonly [keyof Hooks, number]>([
    ["preRun", 0],
    ["preStep", 0],
    ["postStep", 1],
    ["onPause", 1],
  ])("cancel the run when %s aborts", async (event, steps) => {
    let calls = 0;
    const { runner } = listening({ hooks: [{ [event]: () => ({ abort: "enough" }) }] });
    await using _ = runner;
    const built = flow("aborted", { version: "1" })
      .step("work", () => (calls += 1))
      .human("ask", { message: "Well?" })
      .step("never", () => (calls += 10))
      .build();
    const result = await runner.run(built, 1);
    expect(result).toMatchObject({ status: "cancelled", reason: "HOOK_ABORTED: enough" });
    expect(calls).toBe(steps);
    const [asked] = await factsOf(runner.flujo, result.runId, "cancel.requested");
    expect(asked?.reason).toBe("HOOK_ABORTED: enough");
  });

  it("cancel the whole run from inside a branch, also where failures are tolerated", async () => {
    const { runner } = listening({
      hooks: [{ preStep: ({ path }) => (path.endsWith("bad") ? { abort: "enough" } : undefined) }],
    });
    await using _ = runner;
    const built = flow("branches", { version: "1" })
      .parallel(
        "both",
        { good: (b) => b.step("good", () => 1), bad: (b) => b.step("bad", () => 2) },
        { join: "settled" },
      )
      .step("after", () => "never")
      .build();
    expect(await runner.run(built, 1)).toMatchObject({ status: "cancelled", reason: "HOOK_ABORTED: enough" });
  });

  it.each<readonly [keyof Hooks, number]>([
    ["preStep", 0],
    ["postStep", 1],
  ])(
    "cancel a run in the middle of a transaction when %s aborts, and wait for nothing that waits for it",
    async (event, times) => {
      await using scene = new Scene("sqlite");
      let calls = 0;
      const built = flow("inside", { version: "1" })
        .transaction("work", () => Promise.resolve((calls += 1)))
        .step("never", () => (calls += 10))
        .build();
      const flujo = scene.open({ hooks: [{ [event]: () => ({ abort: "enough" }) }] });
      expect(await flujo.run(built, 1)).toMatchObject({ status: "cancelled", reason: "HOOK_ABORTED: enough" });
      expect(calls).toBe(times);
    },
  );
});
