import { describe, expect, it } from "vitest";
import { Commit } from "../../src/stores/memory/commit.ts";
import { MemoryStore } from "../../src/stores/memory/store.ts";
import type { Tables } from "../../src/stores/memory/tables.ts";
import { storeConformance } from "../../src/testing/conformance/conformance.ts";
import { ASPECTS, type UnderTest } from "../../src/testing/conformance/under-test.ts";
import { seededRandom } from "../../src/testing/random.ts";
import { BrokenFence, LostWakeUp, TornCommit } from "../simulation/mutants.ts";

/** Deduplication broken: with each commit a run forgets which messages it has had. */
class ForgottenIds extends Commit {
  protected override applyEffects(...args: Parameters<Commit["applyEffects"]>): void {
    super.applyEffects(...args);
    args[0].run.messageIds.clear();
  }
}

const MUTANTS: readonly (readonly [string, (tables: Tables) => Commit])[] = [
  ["a fence that holds nobody", (tables) => new BrokenFence(tables)],
  ["a mailbox that parking does not look into", (tables) => new LostWakeUp(tables)],
  ["ids of messages that are forgotten with them", (tables) => new ForgottenIds(tables)],
  ["a commit in two steps", (tables) => new TornCommit(tables, seededRandom(1))],
];

interface Case {
  readonly name: string;
  readonly body: () => Promise<void>;
}

/** The cases of the suite that compare with the model, without running them. */
function modelCases(commit: (tables: Tables) => Commit): readonly Case[] {
  const cases: Case[] = [];
  const test = Object.assign((name: string, body: Case["body"]): unknown => cases.push({ name, body }), {
    skip: (): unknown => undefined,
  });
  const others = ASPECTS.filter((aspect) => aspect !== "model");
  const underTest: UnderTest = {
    name: "mutant",
    open: async ({ clock }) => new MemoryStore({ clock, commit }),
    lacks: Object.fromEntries(others.map((aspect) => [aspect, "only the model is asked"])),
  };
  storeConformance(underTest, { describe: (_, body) => body(), test, expect });
  return cases.filter(({ name }) => name.startsWith("agrees for"));
}

/** What the model is worth: each promise, once broken, must be found broken by the sequences that every store gets. */
describe("a store with", () => {
  it.each(MUTANTS)("%s disagrees with the model", async (_, commit) => {
    const found: string[] = [];
    for (const { body } of modelCases(commit)) {
      try {
        await body();
      } catch (error) {
        found.push(String(error).split("\n").slice(0, 2).join(" "));
      }
    }
    console.log(`${found.length}: ${found[0] ?? "nothing"}`);
    expect(found).not.toEqual([]);
  });
});
