import type { Store } from "../../src/ports/store.ts";
import { RUNS } from "./scenes.ts";

/*
 * What a store says, without what may differ between two orders that mean the same: numbers of events and messages.
 */

const NUMBERS = new Set(["seq"]);

/** Sorted, without numbers that only count what came before in the whole store. */
export async function picture(store: Store): Promise<string> {
  const runs = await Promise.all(
    RUNS.map(async (run) => {
      const record = await store.load(run);
      if (record === undefined) return undefined;
      const [fibers, events, messages] = await Promise.all([
        store.fibers(run),
        store.history(run),
        store.messages(run),
      ]);
      return {
        record,
        fibers,
        events: events.map(({ facts, fiber, worker }) => ({ facts, fiber, worker })),
        messages: messages.map(({ seq: _seq, ...message }) => message).sort(byText),
      };
    }),
  );
  const workers = (await store.workers()).map(({ worker, held, leaseUntil }) => ({ worker, held, leaseUntil }));
  return withoutEpochs(JSON.stringify({ runs, workers, rules: await store.queueRules() }));
}

/** Epochs count the registrations of a whole test; who owns what is said by the worker's name. */
const withoutEpochs = (text: string): string => text.replaceAll(/"epoch":\d+/g, '"epoch":0');

/** The answer of an operation, so that two answers that mean the same are equal. */
export function answer(value: unknown): string {
  const text = JSON.stringify(value, (key, inner: unknown) => {
    if (key === "messages" && Array.isArray(inner)) return inner.map(withoutNumbers).sort(byText);
    if (key === "error") return "error";
    return inner;
  });
  return withoutEpochs(text ?? "nothing");
}

const withoutNumbers = (message: unknown): unknown =>
  Object.fromEntries(Object.entries(message as object).filter(([key]) => !NUMBERS.has(key)));

const byText = (a: unknown, b: unknown): number => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1);
