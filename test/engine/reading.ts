import type { Flujo } from "flujo";
import type { HistoryEvent } from "../../src/domain/event.ts";
import { placeOf } from "../../src/domain/ids.ts";

type Event<Type extends HistoryEvent["type"]> = Extract<HistoryEvent, { type: Type }>;

/** The events of one type, in order. */
export async function eventsOf<Type extends HistoryEvent["type"]>(
  flujo: Flujo,
  run: string,
  type: Type,
): Promise<Event<Type>[]> {
  const history = await flujo.history(run);
  return history.filter((event): event is Event<Type> => event.type === type);
}

/** A history in short: `step.completed root/charge#2`. */
export async function outline(flujo: Flujo, run: string): Promise<string[]> {
  return (await flujo.history(run)).map((event) =>
    "path" in event ? `${event.type} ${placeOf(event.path, event.visit)}` : event.type,
  );
}

/** The places of all results that were recorded of steps. One place twice = a result recorded twice. */
export async function completedSteps(flujo: Flujo, run: string): Promise<string[]> {
  return (await eventsOf(flujo, run, "step.completed")).map(({ path, visit }) => placeOf(path, visit));
}

/** Looks again and again until what is looked for is there. Never waits longer than the deadline. */
export async function eventually<T>(
  what: string,
  look: () => T | undefined | false | Promise<T | undefined | false>,
  deadlineMs = 10_000,
): Promise<T> {
  const giveUp = Date.now() + deadlineMs;
  for (;;) {
    const found = await look();
    if (found !== undefined && found !== false) return found;
    if (Date.now() > giveUp) throw new Error(`expected ${what} within ${deadlineMs} ms`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** What a promise is rejected with, as the code of flujo's errors; "nothing" when it resolves. */
export async function codeOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
    return "nothing";
  } catch (error) {
    return error instanceof Error && "code" in error ? String(error.code) : String(error);
  }
}

/** A promise that a test settles from outside. */
export function gate(): { readonly opened: Promise<void>; readonly open: () => void } {
  let open = (): void => undefined;
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { opened, open };
}
