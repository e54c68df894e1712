/**
 * A saga: steps that know how to be undone. When one fails for good, those that had finished are undone, newest first: the
 * whole run's, or those of an `attempt`, which then goes on with its fallback. A compensation is durable and retried as any step.
 */
import { flow, Flujo } from "flujo";

const say = (what: string) => (): void => console.log(`  ${what}`);

const book = flow("book", { version: "1" })
  .step("hotel", say("hotel booked"), { compensate: say("hotel cancelled") })
  .step("flight", say("flight booked"), {
    compensate: {
      retry: { attempts: 3, delay: "10ms" },
      run: (_, { attempt }) => {
        if (attempt === 1) throw new Error("the airline does not answer");
        console.log(`  flight cancelled (attempt ${attempt})`);
      },
    },
  })
  .step("pay", () => {
    throw new Error("the card was declined");
  })
  .build();

const bookOrWait = flow("bookOrWait", { version: "1" })
  .step("profile", say("profile saved"), { compensate: say("profile deleted") })
  .attempt(
    "trip",
    (b) =>
      b.step("train", say("train booked"), { compensate: say("train cancelled") }).step("seat", () => {
        throw new Error("no seats left");
      }),
    { compensate: true, catch: (b) => b.step("waitlist", ({ error }) => `on the waiting list: ${error.message}`) },
  )
  .build();

await using flujo = new Flujo({ store: "memory:", flows: [book, bookOrWait] });

console.log("a run that fails undoes what it did:");
const failed = await flujo.run(book, null);
console.log(`  ${failed.status}: ${failed.status === "failed" ? failed.failure.message : ""}`);

console.log("an attempt that fails undoes its own steps, and goes on:");
const completed = await flujo.run(bookOrWait, null);
console.log(`  ${completed.status}: ${completed.status === "completed" ? String(completed.output) : ""}`);
