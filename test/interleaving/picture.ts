import type { Store } from "../../src/ports/store.ts";
import { workerId } from "../../src/domain/ids.ts";
import { FINGERPRINT, LEASE_MS, QUEUE } from "../../src/testing/conformance/records.ts";
import { RUNS } from "./scenes.ts";

/*
 * What a store says, without what may differ between two orders that mean the same: numbers of events and messages.
 */

const NUMBERS = new Set(["seq"]);

/** Sorted, without numbers that only count what came before in the whole store. The last look at a store: it claims. */
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
  const rules = await store.queueRules();
  return withoutEpochs(JSON.stringify({ runs, workers, rules, claimable: await claimable(store) }));
}

/** Which fibers a worker finds who comes now; it keeps them. A row that nobody can claim looks like any other. */
async function claimable(store: Store): Promise<readonly string[]> {
  const worker = workerId("worker-looking");
  const { epoch } = await store.register(worker, LEASE_MS);
  const request = { worker, epoch, fingerprints: [FINGERPRINT], queues: [QUEUE], limit: 100 };
  return (await store.claim(request)).map(({ run, key }) => `${run}/${key}`).sort();
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
