import { FlujoError } from "../domain/errors.ts";
import type { NewMessage } from "./store.ts";

/** Why no store takes this message: nobody could say whether it is the engine's own. Undefined when it can be taken. */
export const unsendable = ({ id, once, name }: NewMessage): FlujoError | undefined =>
  id === undefined || once === undefined
    ? undefined
    : new FlujoError("OPTION_INVALID", `the message "${name}": expected an id or a once but found both`);

export function refuseUnsendable(message: NewMessage): void {
  const error = unsendable(message);
  if (error !== undefined) throw error;
}
