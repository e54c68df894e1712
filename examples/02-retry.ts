/**
 * What a step does about failure: attempts with growing delays, a timeout for each of them, an answer that says when to try
 * again, and one that says never. Every attempt is in the history of its run.
 */
import { setTimeout as pause } from "node:timers/promises";
import { flow, Flujo, NonRetryableError, RetryAfter } from "flujo";

const weather = flow("weather", { version: "1" })
  .step(
    "forecast",
    async (_, { attempt, signal }) => {
      if (attempt === 1) throw new Error("connection reset");
      if (attempt === 2) throw new RetryAfter(30, "429: too many requests");
      if (attempt === 3) await pause(10_000, undefined, { signal }); // answers nobody; the timeout aborts it
      return "rain";
    },
    { retry: { attempts: 5, delay: "20ms", maxDelay: "1s" }, timeout: "100ms" },
  )
  .build();

const payment = flow("payment", { version: "1" })
  .step(
    "charge",
    () => {
      throw new NonRetryableError("the card has expired");
    },
    { retry: 5 },
  )
  .build();

await using flujo = new Flujo({ store: "memory:", flows: [weather, payment] });

for (const each of [weather, payment]) {
  const result = await flujo.run(each, null);
  console.log(`${each.name}: ${result.status}`);
  for (const event of await flujo.history(result.runId)) {
    if (event.type === "step.completed") console.log(`  attempt ${event.attempt} completed`);
    if (event.type !== "step.failed") continue;
    const next =
      event.retryAt === undefined ? "no further attempt" : `again in ${Math.round(event.retryAt - event.at)} ms`;
    console.log(`  attempt ${event.attempt} failed: ${event.failure.code}, ${event.failure.message}; ${next}`);
  }
}
