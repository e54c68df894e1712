import { describe, expect, expectTypeOf, it } from "vitest";
import { flow } from "../../src/dsl/flow.ts";
import { localRunner } from "../../src/testing/local-runner.ts";
import { VirtualClock } from "../../src/testing/virtual-clock.ts";

const DAY_MS = 86_400_000;

describe("a local runner", () => {
  it("runs a flow to its end", async () => {
    const double = flow("double", { version: "1" })
      .step("double", (n) => Number(n) * 2)
      .build();
    await using runner = localRunner({ flows: [double] });
    const result = await runner.run(double, 21);
    expect(result).toMatchObject({ status: "completed", output: 42 });
    if (result.status === "completed") expectTypeOf(result.output).toEqualTypeOf<number>();
  });

  it("sleeps a year in no time, and its clock shows it", async () => {
    const patient = flow("patient", { version: "1" })
      .sleep("year", "365 days")
      .step("done", () => "rested")
      .build();
    const clock = new VirtualClock();
    await using runner = localRunner({ flows: [patient], clock });
    const before = clock.now();
    const real = performance.now();
    expect(await runner.run(patient, null)).toMatchObject({ status: "completed", output: "rested" });
    expect(clock.now() - before).toBeGreaterThanOrEqual(365 * DAY_MS);
    expect(clock.now() - before).toBeLessThan(365 * DAY_MS + 10_000);
    expect(performance.now() - real).toBeLessThan(1_000);
  });

  it("lets deadlines pass and retries come", async () => {
    let tries = 0;
    const stubborn = flow("stubborn", { version: "1" })
      .step(
        "try",
        () => {
          if (++tries < 5) throw new Error("not yet");
          return tries;
        },
        { retry: { attempts: 5, delay: "1h", maxDelay: "1 day" } },
      )
      .waitForSignal("answer", "answer", { deadline: "2 days", onTimeout: () => "nobody" })
      .build();
    await using runner = localRunner({ flows: [stubborn] });
    const id = await runner.start(stubborn, null);
    expect(await runner.await(id, { until: "end" })).toMatchObject({ status: "completed", output: "nobody" });
    expect(tries).toBe(5);
  });

  it("stops at a question, and goes on with its answer", async () => {
    const asks = flow("asks", { version: "1" })
      .human("ok", { message: "Go on?" })
      .sleep("rest", "3 days")
      .step("tell", (answer) => answer)
      .build();
    await using runner = localRunner();
    await runner.register(asks);
    const first = await runner.run("asks", 1);
    expect(first.status).toBe("paused");
    const inspected = await runner.inspect(first.runId);
    expect(inspected.pauses).toHaveLength(1);
    expect(inspected.history.map(({ type }) => type)).toContain("wait.opened");
    expect(await runner.resume(first.runId, "yes")).toMatchObject({ status: "completed", output: "yes" });
  });

  it("takes signals and cancellations", async () => {
    const waits = flow("waits", { version: "1" }).waitForSignal("go", "go").build();
    await using runner = localRunner({ flows: [waits] });
    const [one, two] = [await runner.start(waits, null), await runner.start(waits, null)];
    await runner.signal(one, "go", 7);
    await runner.cancel(two, "not needed");
    expect(await runner.await(one)).toMatchObject({ status: "completed", output: 7 });
    expect(await runner.await(two)).toMatchObject({ status: "cancelled" });
  });

  it("leaves a step that hangs to its timeout, when the clock is moved by hand", async () => {
    const hangs = flow("hangs", { version: "1" })
      .step("hang", () => new Promise<never>(() => undefined), { timeout: "10s" })
      .build();
    await using runner = localRunner({ flows: [hangs] });
    const id = await runner.start(hangs, null);
    await runner.clock.advance(11_000);
    expect(await runner.await(id)).toMatchObject({ status: "failed", failure: { code: "STEP_TIMEOUT" } });
  });

  it("is the same run when the seed is the same", async () => {
    const draws = flow("draws", { version: "1" })
      .step("draw", (_, ctx) => ctx.random())
      .build();
    const outcomes = [];
    for (const seed of [3, 3, 4]) {
      await using runner = localRunner({ flows: [draws], seed });
      outcomes.push(await runner.run(draws, null));
    }
    expect(outcomes[1]).toEqual(outcomes[0]);
    expect(outcomes[2]).not.toEqual(outcomes[0]);
  });
});
