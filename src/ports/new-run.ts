import { FlujoError } from "../domain/errors.ts";
import { unsendable } from "./new-message.ts";
import type { NewRun } from "./store.ts";

/** Why a run cannot be kept by any store: its place in the queue is no place, or a message is none. Undefined when it can. */
export function unplaceable({ id, createdAt, root: { priority, readyAt }, continued }: NewRun): FlujoError | undefined {
  for (const [name, number] of Object.entries({ createdAt, priority, readyAt })) {
    if (Number.isNaN(number)) return cannotStore(id, `${name} is not a number`);
  }
  for (const message of continued?.messages ?? []) {
    const error = unsendable(message);
    if (error !== undefined) return error;
  }
  return undefined;
}

/** The error of a run that was refused while its neighbours were stored. */
export const cannotStore = (id: string, said: string, cause?: unknown): FlujoError =>
  new FlujoError("VALUE_NOT_SERIALIZABLE", `cannot store the run ${id}: ${said}`, { cause });
