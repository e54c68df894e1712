import { FlujoError } from "../domain/errors.ts";
import type { NewRun } from "./store.ts";

/** Why a run cannot be kept by any store: its place in the queue is no place. Undefined when it can. */
export function unplaceable({ id, createdAt, root: { priority, readyAt } }: NewRun): FlujoError | undefined {
  for (const [name, number] of Object.entries({ createdAt, priority, readyAt })) {
    if (Number.isNaN(number)) return cannotStore(id, `${name} is not a number`);
  }
  return undefined;
}

/** The error of a run that was refused while its neighbours were stored. */
export const cannotStore = (id: string, said: string, cause?: unknown): FlujoError =>
  new FlujoError("VALUE_NOT_SERIALIZABLE", `cannot store the run ${id}: ${said}`, { cause });
