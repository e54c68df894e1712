import type { Transition } from "../../ports/store.ts";
import { json, jsonOrNull } from "../../ports/stored-text.ts";
import type { FiberData } from "./documents.ts";
import { kept, type Keeper } from "./texts.ts";

/** A transition as JSON text, made before anything is changed: what cannot be written is refused here. Large texts go to the keeper. */
export interface Encoded {
  data(keeper: Keeper): FiberData & { readonly state: string };
  facts(keeper: Keeper): string;
  wait(keeper: Keeper): string | undefined;
  sent(index: number): string;
  spawned(keeper: Keeper, index: number): Required<FiberData>;
  started(keeper: Keeper, index: number): string;
  end(keeper: Keeper): { readonly output?: string; readonly failure?: string };
}

const optional = (value: unknown): string | undefined => jsonOrNull(value) ?? undefined;
const keptOrNot = (keeper: Keeper, text: string | undefined): string | undefined =>
  text === undefined ? undefined : kept(keeper, text);

export const dataTexts = ({
  state,
  value,
  context,
  aside,
}: { readonly [Field in keyof FiberData]-?: unknown }): Required<FiberData> => ({
  state: json(state),
  value: json(value),
  context: json(context),
  aside: json(aside),
});

export const keptData = (
  keeper: Keeper,
  { state, value, context, aside }: Required<FiberData>,
): Required<FiberData> => ({
  state: kept(keeper, state),
  value: kept(keeper, value),
  context: kept(keeper, context),
  aside: kept(keeper, aside),
});

export function encodeTransition(t: Transition): Encoded {
  const state = json(t.state);
  const [value, context, aside] = [optional(t.value), optional(t.context), optional(t.aside)];
  const facts = optional(t.event?.facts);
  const wait = optional(t.wait);
  const sent = t.send.map(({ data }) => json(data));
  const spawned = t.spawn.map(dataTexts);
  const started = t.startRuns.map((run) => json(run));
  const [output, failure] = [optional(t.endRun?.output), optional(t.endRun?.failure)];
  return {
    data: (keeper) => ({
      state: kept(keeper, state),
      ...(value !== undefined && { value: kept(keeper, value) }),
      ...(context !== undefined && { context: kept(keeper, context) }),
      ...(aside !== undefined && { aside: kept(keeper, aside) }),
    }),
    facts: (keeper) => kept(keeper, facts ?? "null"),
    wait: (keeper) => keptOrNot(keeper, wait),
    sent: (index) => sent[index] ?? "null",
    spawned: (keeper, index) => keptData(keeper, spawned[index] ?? NOTHING),
    started: (keeper, index) => kept(keeper, started[index] ?? "null"),
    end: (keeper) => ({
      ...(output !== undefined && { output: kept(keeper, output) }),
      ...(failure !== undefined && { failure: kept(keeper, failure) }),
    }),
  };
}

const NOTHING: Required<FiberData> = { state: "null", value: "null", context: "null", aside: "null" };
