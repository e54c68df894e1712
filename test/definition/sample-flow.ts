import { z } from "zod";
import type { Definition } from "../../src/definition/definition.ts";
import { flow } from "../../src/dsl/flow.ts";

const one = (): number => 1;

/** A flow with every construct. */
export function sample(): Definition {
  const child = flow("child", { version: "1" }).step("a", one).build();
  return flow("sample", { version: "1" })
    .step("fetch", one)
    .if(
      "long",
      (n) => n > 1,
      (b) => b.step("cut", one),
    )
    .switch(
      "route",
      (n) => (n > 1 ? "up" : "down"),
      { up: (b) => b.step("rise", one), down: (b) => b.step("fall", one) },
      { default: (b) => b.step("stay", one) },
    )
    .loop("refine", (b) => b.step("better", one), { until: () => true, max: 5 })
    .times("twice", 2, (b) => b.step("again", one))
    .parallel(
      "check",
      { left: (b) => b.step("x", one), right: (b) => b.step("y", one) },
      {
        concurrency: 1,
        join: { critical: ["left"] },
        merge: { fields: ["x"], reducers: { x: "sum" } },
        choose: () => ["left"],
      },
    )
    .map(
      "each",
      () => [1, 2],
      (b) => b.step("item", one),
      { concurrency: 3, join: { atLeast: 1 }, merge: { custom: (before) => before, name: "mine" } },
    )
    .waitForAnySignal("payment", { paid: z.string(), cancelled: null }, { deadline: "1h", onTimeout: one })
    .human("approve", { message: 'Publish "it"?', answer: z.boolean() })
    .sleepUntil("later", new Date(5))
    .call("ask", child, { input: one })
    .attempt("try", (b) => b.step("risky", one), { catch: (b) => b.step("tell", one), compensate: true })
    .build();
}
