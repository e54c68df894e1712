import { type Flow, flow } from "flujo";
import { z } from "zod";
import type { Body, Builder } from "../../src/dsl/builder.ts";
import type { InBody } from "../../src/dsl/shape.ts";
import type { StepContext } from "../../src/dsl/context.ts";
import { placeOf } from "../../src/domain/ids.ts";
import { record } from "../crash/ledger.ts";

type Ctx = Pick<StepContext<unknown>, "path" | "visit" | "resources">;

/** How many items are asked about, on two sides each, at the same time. */
export const ITEMS = 25;
/** How often each side asks, one question after the other. */
export const ROUNDS = 2;

const answer = z.object({ item: z.number(), text: z.string() });
const act = ({ path, visit, resources }: Ctx): void => record(String(resources["ledger"]), placeOf(path, visit));

type Answers = { answers: string[] };

function rounds(side: Body<number, Answers>): Builder<Answers, InBody, number> {
  return side.times("rounds", ROUNDS, (round) =>
    round
      .step("prepare", (item, ctx) => {
        act(ctx);
        return item;
      })
      .if(
        "odd",
        (_, { iteration }) => iteration % 2 === 1,
        (yes) => yes.human("first", { question: (item) => item, answer }),
        (no) => no.human("second", { question: (item) => item, answer }),
      )
      .step("note", ({ item, text }, ctx) => {
        act(ctx);
        ctx.context.answers.push(text);
        return item;
      }),
  );
}

/** A human inside an if, inside a loop, inside a parallel, inside a map, inside a child flow. */
const asking = flow("asking", { version: "1" })
  .input(z.array(z.number()))
  .context(z.object({ answers: z.array(z.string()).default([]) }))
  .map(
    "each",
    (items) => items,
    (item) =>
      item
        .parallel(
          "sides",
          {
            left: (side) => side.use(rounds),
            right: (side) => side.use(rounds),
          },
          { merge: { reducers: { answers: "append" } } },
        )
        .step("item", ({ left }) => left),
    { concurrency: ITEMS, merge: { reducers: { answers: "append" } } },
  )
  .step("all", (_, ctx) => ctx.context.answers)
  .build();

export const outer: Flow<number, string[]> = flow("outer", { version: "1" })
  .input(z.number())
  .call("ask", asking, { input: (count) => Array.from({ length: count }, (_, i) => i) })
  .build();
