import type { Fact } from "../domain/event.ts";
import type { FiberKey } from "../domain/ids.ts";
import { leaving, type Quota } from "../domain/quota.ts";
import type { Wire } from "../domain/wire.ts";
import type { Ending } from "../planner/fiber.ts";
import type { ChildEnd } from "../planner/planning.ts";
import type { NewEvent } from "../ports/store.ts";

/** An event of one fact that carries no large value. Facts are plain JSON by construction. */
export const eventOf = (fact: Fact, at: number): NewEvent => ({ at, facts: [fact as unknown as Wire] });

/** The fiber that facts are of. A fork is recorded with the run, that is, with its root, and may be about another fiber. */
export const fiberOfFacts = (fiber: FiberKey, [first]: readonly Fact[]): FiberKey =>
  (first?.type === "run.forked" && first.target) || fiber;

/** What the end of a child fiber or child run tells its parent: read back as `ChildEnd` when the parent is adopted. */
export function childEndData({ ordinal, outcome, failure, quota }: Omit<ChildEnd, "seq">): Wire {
  return {
    ordinal,
    outcome,
    ...(failure !== undefined && { failure: JSON.parse(JSON.stringify(failure)) as Wire }),
    ...(quota !== undefined && { quota: quota as unknown as Wire }),
  };
}

/** The same from the fiber that has ended. */
export const endOf = (
  { outcome, failure }: Ending,
  quota: Quota | undefined,
): Pick<ChildEnd, "outcome" | "failure" | "quota"> => ({
  outcome,
  ...(failure !== undefined && { failure }),
  ...(quota !== undefined && { quota: leaving(quota) }),
});
