import { afterAll, describe, expect, it } from "vitest";
import { simulate } from "../../src/testing/simulator/simulate.ts";
import { WIDE_FLOWS } from "../../src/testing/simulator/wide-flows.ts";

/** One seed to look at, with all that led to its failure: SEED=123 npx vitest run test/simulation/money.test.ts */
const ONE = process.env["SEED"];
/** Calls in all of them together. */
const CALLS = 100_000;
const WIDE_SEEDS = 42;
const GROWN_SEEDS = 100;

let calls = 0;

/** Of odd numbers flows that are as wide as can be, of even ones flows of every construct inside every other. */
async function world(seed: number, show = 40): Promise<string> {
  const wide = WIDE_FLOWS[seed % WIDE_FLOWS.length];
  const flows = seed <= WIDE_SEEDS && wide !== undefined ? { flows: [wide] } : {};
  const report = await simulate({ seed, show, money: true, ...flows });
  calls += report.calls;
  return report.failure ?? "";
}

describe.skipIf(ONE === undefined)("one simulated world that pays", () => {
  it(`keeps every invariant (seed ${ONE})`, async () => {
    expect(await world(Number(ONE), 2_000)).toBe("");
  });
});

/**
 * What was really called is counted outside the engine. It never exceeds the limit of a run, nor of a flow, a key or a day that
 * several runs share, whatever is forked, retried, cancelled, paused or killed; and in the end each reservation was settled, each
 * slice came back, and no account holds anything.
 */
describe.skipIf(ONE !== undefined)("simulated clusters that pay", () => {
  const cases = Array.from({ length: 6 }, (_, i) => i);
  const all = Array.from({ length: WIDE_SEEDS + GROWN_SEEDS }, (_, i) => i + 1);

  it.each(cases)("never overspend, and lose nothing (every 6th seed from %i)", async (part) => {
    for (const seed of all.filter((one) => one % cases.length === part)) expect(await world(seed)).toBe("");
  });

  afterAll(() => {
    console.log(`seeds 1 to ${all.length}: ${calls} calls of models and tools`);
    expect(calls).toBeGreaterThanOrEqual(CALLS);
  });
});
