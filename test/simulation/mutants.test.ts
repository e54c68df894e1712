import { describe, expect, it } from "vitest";
import { type SimulationOptions, simulate } from "../../src/testing/simulator/simulate.ts";
import { BrokenFence, LostWakeUp, TornCommit } from "./mutants.ts";

const SEEDS = 500;

const MUTANTS: readonly (readonly [string, NonNullable<SimulationOptions["commit"]>, RegExp])[] = [
  ["a fence that holds nobody", (tables) => new BrokenFence(tables), /I2|I4|I9|I1\b/],
  ["a mailbox that parking does not look into", (tables) => new LostWakeUp(tables), /I5/],
  ["a commit in two steps", (tables, { random }) => new TornCommit(tables, random), /I1\b|I11/],
];

/** What the simulator is worth: each promise, once broken, must be found broken. */
describe("a store with", () => {
  it.each(MUTANTS)("%s is caught", { timeout: 120_000 }, async (_, commit, expected) => {
    for (let seed = 1; seed <= SEEDS; seed++) {
      const { failure } = await simulate({ seed, commit });
      if (failure === undefined) continue;
      console.log(`caught at seed ${seed}: ${failure.split("\n")[0] ?? ""}`);
      expect(failure).toMatch(expected);
      return;
    }
    expect.fail(`not caught within ${SEEDS} seeds`);
  });
});
