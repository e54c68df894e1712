import { type Constant, constant } from "../definition/constant.ts";
import type { Definition } from "../definition/definition.ts";
import type { FlowMeta } from "../definition/meta.ts";
import type { Pure, SequenceNode } from "../definition/node.ts";
import type { Problem } from "../definition/problem.ts";
import { type Duration, durationMs } from "../domain/duration.ts";
import { FlujoError } from "../domain/errors.ts";
import { childPath, type NodePath } from "../domain/ids.ts";

/** A function of the author whose types the builder has checked and the definition does not know. */
export type Erased = (value: never, view: never) => unknown;
/** A body as the lowering sees it: from a builder to a builder. */
export type ErasedBody = (builder: never) => unknown;

/** Where a construct is being lowered, and what is learnt on the way. */
export interface Place {
  readonly id: string;
  readonly path: NodePath;
  /** The flow that it is a part of. */
  readonly flow: FlowMeta;
  readonly problems: Problem[];
  readonly calls: Definition[];
  /** Runs a body below this construct; `id` is also its segment in the path. */
  readonly open: (id: string, label: string, body: ErasedBody) => SequenceNode;
}

/** A part of a construct that is a construct itself; what is learnt there is learnt here. It opens no body. */
export const partOf = (place: Place, id: string): Place => ({ ...place, id, path: childPath(place.path, id) });

/** The only cast from the author's types to the definition's. */
export const pure = <Out>(fn: Erased): Pure<Out> => fn as Pure<Out>;

/** Runs `parse`; what it refuses becomes a problem of this place, so that all are reported at once. */
export function orProblem<T>(place: Place, instead: T, parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    if (!(error instanceof FlujoError)) throw error;
    place.problems.push({ path: place.path, says: error.message });
    return instead;
  }
}

/** A duration, fixed or computed from the value, as a function that gives milliseconds. */
export function pureMs(place: Place, what: string, duration: Duration | Erased): Pure<number> | Constant<number> {
  if (typeof duration !== "function") return constant(orProblem(place, 0, () => durationMs(duration, what)));
  const compute = pure<Duration>(duration);
  return (value, view) => durationMs(compute(value, view), what);
}

/** A record without a prototype: a selector that gives "constructor" must find nothing. */
export function recordOf<T>(entries: readonly (readonly [string, T])[]): Readonly<Record<string, T>> {
  const record = Object.create(null) as Record<string, T>;
  for (const [name, value] of entries) record[name] = value;
  return record;
}
