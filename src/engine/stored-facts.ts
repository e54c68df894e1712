import type { Fact } from "../domain/event.ts";
import type { Failure } from "../domain/failure.ts";
import type { EndStatus } from "../domain/run.ts";
import type { Wire } from "../domain/wire.ts";
import type { NewEvent } from "../ports/store.ts";

/** An event of one fact that carries no large value. Facts are plain JSON by construction. */
export const eventOf = (fact: Fact, at: number): NewEvent => ({ at, facts: [fact as unknown as Wire] });

/** What the end of a child fiber or child run tells its parent: read back as `ChildEnd` when the parent is adopted. */
export function childEndData(ordinal: number, outcome: EndStatus, why: Failure | undefined): Wire {
  if (why === undefined) return { ordinal, outcome };
  return { ordinal, outcome, failure: JSON.parse(JSON.stringify(why)) as Wire };
}
