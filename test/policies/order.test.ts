import { flow, scoped } from "flujo";
import { describe, expect, it } from "vitest";
import { listening } from "./bench.ts";

describe("what stands around a step", () => {
  it("is asked in one order, the first time and when its result is kept", async () => {
    const told: string[] = [];
    const note = <T>(what: string, answer: T): T => {
      told.push(what);
      return answer;
    };
    const { runner } = listening({
      resources: { db: scoped({ open: () => note("open", 1), close: () => note("close", undefined) }) },
      hooks: [{ preStep: () => note("preStep", undefined), postStep: () => note("postStep", undefined) }],
    });
    await using _ = runner;
    const schema = (what: string) => ({
      "~standard": { version: 1 as const, vendor: "test", validate: (value: unknown) => note(what, { value }) },
    });
    const built = flow("ordered", { version: "1", invariants: [() => note("invariant of the flow", true)] })
      .step("work", (value, { resources }) => [note("call", value), resources["db"]], {
        timeout: "1s",
        cache: { key: () => note("cache key", 1) },
        input: schema("input schema"),
        output: schema("output schema"),
        processors: {
          prompt: [(data) => note("prompt processor", data)],
          output: [(data) => note("output processor", data)],
        },
        plugins: [{ name: "one", validate: () => note("plugin", { success: true }) }],
        validators: [{ validate: () => note("validator", true) }],
        invariants: [() => note("invariant of the step", true)],
      })
      .build();
    await runner.run(built, 1);
    const first = told.splice(0);
    await runner.run(built, 1);
    expect(first).toEqual([
      "preStep",
      "cache key",
      "input schema",
      "prompt processor",
      "call",
      "open",
      "output processor",
      "plugin",
      "output schema",
      "validator",
      "invariant of the flow",
      "invariant of the step",
      "postStep",
      "close",
    ]);
    expect(told).toEqual(["preStep", "cache key", "invariant of the flow", "invariant of the step", "postStep"]);
  });
});
