import { describe, expect, it } from "vitest";
import { type SimulationOptions, simulate } from "../../src/testing/simulator/simulate.ts";
import { BrokenFence, LostCount, LostRates, LostWakeUp, TornCommit } from "./mutants.ts";

const SEEDS = 500;

type Mutant = NonNullable<SimulationOptions["commit"]>;

const MUTANTS: readonly (readonly [string, Mutant, RegExp])[] = [
  ["a fence that holds nobody", (tables) => new BrokenFence(tables), /I2|I4|I9|I1\b/],
  ["a mailbox that parking does not look into", (tables) => new LostWakeUp(tables), /I5/],
  ["a commit in two steps", (tables, { random }) => new TornCommit(tables, random), /I1\b|I11/],
];

const GOVERNED: readonly (readonly [string, Mutant, RegExp])[] = [
  ["a count of places that forgets some", (tables, { random }) => new LostCount(tables, random), /governed queues/],
  ["rates that forget", (tables, { random }) => new LostRates(tables, random), /rates/],
];

/** The seeds, one after another, until one shows what is broken. */
async function hunt(options: Omit<SimulationOptions, "seed">, expected: RegExp): Promise<void> {
  for (let seed = 1; seed <= SEEDS; seed++) {
    const { failure } = await simulate({ ...options, seed });
    if (failure === undefined) continue;
    console.log(`caught at seed ${seed}: ${failure.split("\n")[0] ?? ""}`);
    expect(failure).toMatch(expected);
    return;
  }
  expect.fail(`not caught within ${SEEDS} seeds`);
}

/** What the simulator is worth: each promise, once broken, must be found broken. */
describe("a store with", () => {
  it.each(MUTANTS)("%s is caught", { timeout: 120_000 }, async (_, commit, expected) => {
    await hunt({ commit }, expected);
  });

  it.each(GOVERNED)("%s is caught", { timeout: 120_000 }, async (_, commit, expected) => {
    await hunt({ commit, governed: true }, expected);
  });
});
