import { describe, expect, it } from "vitest";
import { simulate } from "../../src/testing/simulator/simulate.ts";

/** One seed to look at, with all that led to its failure: SEED=123 npx vitest run test/simulation */
const ONE = process.env["SEED"];
/** How many seeds: SEEDS=100000 npx vitest run test/simulation */
const SEEDS = Number(process.env["SEEDS"] ?? 2_400);
const PER_CASE = 200;

describe.skipIf(ONE === undefined)("one simulated world", () => {
  it(`keeps every invariant (seed ${ONE})`, async () => {
    const { failure } = await simulate({ seed: Number(ONE), show: 2_000 });
    expect(failure ?? "").toBe("");
  });
});

describe.skipIf(ONE !== undefined)("simulated clusters", () => {
  const cases = Array.from({ length: Math.ceil(SEEDS / PER_CASE) }, (_, i) => 1 + i * PER_CASE);

  it.each(cases)(
    "keep every invariant and finish every run (200 seeds from %i)",
    { timeout: 120_000 },
    async (from) => {
      for (let seed = from; seed < from + PER_CASE; seed++) {
        const { failure } = await simulate({ seed });
        expect(failure ?? "").toBe("");
      }
    },
  );

  it("are the same world when the seed is the same", async () => {
    const [one, two] = [await simulate({ seed: 7 }), await simulate({ seed: 7 })];
    expect(two).toEqual(one);
  });

  it("see every kind of fact and of end", async () => {
    const seen = new Map<string, number>();
    for (let seed = 1; seed <= 200; seed++)
      for (const [fact, count] of (await simulate({ seed })).facts) seen.set(fact, (seen.get(fact) ?? 0) + count);
    const rare = EXPECTED.filter((fact) => (seen.get(fact) ?? 0) < 5);
    expect(rare).toEqual([]);
  });
});

const EXPECTED: readonly string[] = [
  "run completed",
  "run failed",
  "run cancelled",
  "run.started",
  "step.completed",
  "step.keyed",
  "step.failed",
  "branch.chosen",
  "loop.decided",
  "fork.opened",
  "fork.spawned",
  "fork.child_ended",
  "fork.decided",
  "fork.joined",
  "fork.failed",
  "wait.opened",
  "wait.answered",
  "wait.timed_out",
  "timer.fired",
  "call.started",
  "call.child_ended",
  "call.completed",
  "node.failed",
  "undo.completed",
  "undo.failed",
  "cancel.requested",
  "fiber.ended",
];
