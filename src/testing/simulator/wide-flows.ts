import type { Definition } from "../../definition/definition.ts";
import { flow } from "../../dsl/flow.ts";
import { pay } from "./flows.ts";

/*
 * Flows that split a budget as far as it goes: 64 ways at once, through windows, forks inside forks, loops and child runs. What
 * their steps do is what all simulated steps do.
 */

const WAYS = 64;
const upTo = (count: number) => (): readonly number[] => Array.from({ length: count }, (_, i) => i);
const RETRY = { retry: { attempts: 3, delay: 50 } };

const wide = flow("wide", { version: "1" })
  .map("each", upTo(WAYS), (b) => b.step("work", pay, RETRY), { concurrency: WAYS, join: "settled" })
  .step("last", pay, RETRY)
  .build();

const windowed = flow("windowed", { version: "1" })
  .map("each", upTo(WAYS), (b) => b.step("work", pay, RETRY).step("more", pay, RETRY), { concurrency: 7 })
  .build();

const nested = flow("nested", { version: "1" })
  .parallel("sides", {
    left: (b) => b.map("each", upTo(16), (inner) => inner.step("work", pay, RETRY), { concurrency: 16 }),
    right: (b) => b.map("each", upTo(16), (inner) => inner.step("work", pay), { concurrency: 5, join: { atLeast: 4 } }),
    alone: (b) => b.times("again", 5, (inner) => inner.step("work", pay, RETRY)),
    // Whoever is first has the others stopped, wherever they are.
    first: (b) => b.map("race", upTo(8), (inner) => inner.step("work", pay, RETRY), { concurrency: 8, join: "any" }),
  })
  .build();

const helped = flow("helped", { version: "1" })
  .attempt("try", (b) => b.step("work", pay), { fallback: (b) => b.step("instead", pay, RETRY) })
  .build();

const families = flow("families", { version: "1" })
  .step("before", pay, RETRY)
  .callMany("all", helped, { inputs: upTo(12) })
  .callMany("any", helped, { inputs: upTo(6), wait: "any" })
  .background("apart", windowed, { input: () => 0 })
  .call("one", nested, { input: () => 0 })
  .step("after", pay, RETRY)
  .build();

export const WIDE_FLOWS: readonly Definition[] = [wide, windowed, nested, helped, families];
