/**
 * Branches that run at the same time, and a map with a window: at most three items at once, results in the order of the
 * items. Branches work on copies of the context; a reducer says how their changes come together.
 */
import { setTimeout as pause } from "node:timers/promises";
import { flow, Flujo } from "flujo";
import { z } from "zod";

let now = 0;
let most = 0;

/** Stands for a request: counts how many are under way. */
async function request<T>(answer: T): Promise<T> {
  most = Math.max(most, ++now);
  await pause(20);
  now -= 1;
  return answer;
}

const prices = flow("prices", { version: "1" })
  .input(z.array(z.string()))
  .context(z.object({ requests: z.number().default(0) }))
  .map(
    "each",
    (article) =>
      article.step("price", (name, { context }) => {
        context.requests += 1;
        return request({ name, cents: name.length * 100 });
      }),
    { concurrency: 3, merge: { reducers: { requests: "sum" } } },
  )
  .parallel("sums", {
    total: (list) => list.step("add", (items) => items.reduce((sum, { cents }) => sum + cents, 0)),
    dearest: (list) => list.step("find", (items) => items.toSorted((a, b) => b.cents - a.cents)[0]?.name),
  })
  .step("report", (sums, { context }) => ({ ...sums, requests: context.requests }))
  .build();

/** The first source that answers wins; the others are cancelled. */
const fastest = flow("fastest", { version: "1" })
  .parallel(
    "ask",
    {
      far: (b) => b.step("far", async (_, { signal }) => pause(5_000, "far", { signal })),
      near: (b) => b.step("near", async (_, { signal }) => pause(20, "near", { signal })),
    },
    { join: "any" },
  )
  .build();

await using flujo = new Flujo({ store: "memory:", flows: [prices, fastest] });

const result = await flujo.run(prices, ["lamp", "chair", "bookshelf", "rug", "mirror", "desk", "clock"]);
console.log("prices:", result.status === "completed" ? result.output : result);
console.log(`requests under way at once: ${most}`);

const first = await flujo.run(fastest, null);
console.log("fastest:", first.status === "completed" ? first.output : first);
