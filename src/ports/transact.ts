import { FlujoError } from "../domain/errors.ts";
import type { RunId } from "../domain/ids.ts";
import type { Transition } from "./store.ts";

/** What the work of a transaction answered, if it may be committed there. Throws OPTION_INVALID. */
export function ofRun(run: RunId, transition: Transition | undefined): Transition | undefined {
  if (transition === undefined || transition.run === run) return transition;
  throw new FlujoError("OPTION_INVALID", `expected a transition of the run ${run} but found one of ${transition.run}`);
}
