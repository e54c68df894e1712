import { decode, type Wire } from "../domain/wire.ts";
import type { Resident } from "../engine/resident.ts";
import type { Advance } from "../engine/transitions.ts";
import type { Happened } from "../planner/planning.ts";
import type { HookChain, HookRun } from "../policies/hooks.ts";
import type { Resources } from "../policies/resources.ts";

/** What hooks are told of a run. `context`: where it is not the fiber's own any more. */
export function hookRun(resident: Resident, resources: Resources, context: Wire = resident.fiber.context): HookRun {
  const { run, definition, metadata, parentRun, fiber } = resident;
  return {
    runId: run,
    flow: definition.name,
    version: definition.version,
    metadata,
    isBackground: parentRun?.reply === "",
    context: decode(context),
    quotaLeft: fiber.quota?.left ?? {},
    resources: resources.shared,
  };
}

/** Before a run begins. The reason of who aborts it. */
export const tellBegin = (hooks: HookChain, resident: Resident, resources: Resources): Promise<string | undefined> =>
  hooks.tell("preRun", () => ({ ...hookRun(resident, resources), input: decode(resident.fiber.value) }));

/** Before a transition is recorded that ends a run, or asks a person. The reason of who aborts it. */
export async function tellAdvance(
  hooks: HookChain,
  resident: Resident,
  { advance: { facts, transition, after }, resources }: { readonly advance: Advance; readonly resources: Resources },
): Promise<string | undefined> {
  const about = (): HookRun => hookRun(resident, resources, after.context);
  const { endRun } = transition;
  if (endRun !== undefined) {
    const { status, failure } = endRun;
    const output = status === "completed" ? decode(after.value) : undefined;
    await hooks.tell("postRun", () => ({ ...about(), status, output, failure }));
    return undefined;
  }
  for (const fact of facts) {
    if (fact.type !== "wait.opened" || fact.wait !== "human") continue;
    const { path, visit, question = null } = fact;
    const abort = await hooks.tell("onPause", () => ({ ...about(), path, visit, question: decode(question) }));
    if (abort !== undefined) return abort;
  }
  return undefined;
}

/** What happens instead of what a step came to. */
export type Stopped = Extract<Happened, { type: "cancelled" | "broken" }>;

/** Not undone by whoever stops the run: what was spent is spent. */
export const spentBy = (happened: Happened): Pick<Stopped, "settled"> =>
  "settled" in happened && happened.settled !== undefined ? { settled: happened.settled } : {};
