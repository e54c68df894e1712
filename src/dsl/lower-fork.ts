import type { ForkNode, JoinPolicy, MergeStrategy, Reducer } from "../definition/node.ts";
import { LIMITS } from "../domain/limits.ts";
import type { Join, Merge } from "./options.ts";
import { type Erased, type ErasedBody, type Place, pure, recordOf } from "./place.ts";

type ErasedMerge =
  | Extract<Merge<never>, string>
  | {
      readonly fields?: readonly string[];
      readonly reducers?: Readonly<Record<string, Reducer>>;
    }
  | { readonly custom: (before: never, children: readonly never[]) => unknown; readonly name?: string };

/** ParallelOptions and MapOptions without their types. */
export interface ErasedForkOptions {
  readonly concurrency?: number;
  readonly join?: Join;
  readonly merge?: ErasedMerge;
  readonly choose?: Erased;
}

export function lowerParallel(
  place: Place,
  branches: Readonly<Record<string, ErasedBody>>,
  { concurrency, join, merge, choose }: ErasedForkOptions = {},
): ForkNode {
  const entries = Object.entries(branches).map(([name, body]) => [name, place.open(name, "branch", body)] as const);
  return {
    kind: "fork",
    id: place.id,
    path: place.path,
    label: "parallel",
    children: {
      kind: "branches",
      branches: recordOf(entries),
      ...(choose && { choose: pure<readonly string[]>(choose) }),
    },
    concurrency: concurrency ?? Math.max(1, entries.length),
    join: joinPolicy(join),
    merge: mergeStrategy(merge),
  };
}

export function lowerMap(
  place: Place,
  body: ErasedBody,
  items: Erased | undefined,
  { concurrency, join, merge }: ErasedForkOptions = {},
): ForkNode {
  return {
    kind: "fork",
    id: place.id,
    path: place.path,
    label: "map",
    children: {
      kind: "map",
      body: place.open("body", "body", body),
      ...(items && { items: pure<Iterable<unknown>>(items) }),
    },
    concurrency: concurrency ?? LIMITS.mapConcurrency,
    join: joinPolicy(join),
    merge: mergeStrategy(merge),
  };
}

function joinPolicy(join: Join = "all"): JoinPolicy {
  if (typeof join === "string") return { kind: join };
  if ("atLeast" in join) return { kind: "atLeast", count: join.atLeast };
  if ("critical" in join) return { kind: "critical", names: [...join.critical] };
  const { custom, name = "custom" } = join;
  return { kind: "custom", name, decide: custom as Extract<JoinPolicy, { kind: "custom" }>["decide"] };
}

function mergeStrategy(merge: ErasedMerge = "context-update"): MergeStrategy {
  if (typeof merge === "string") return { kind: merge };
  if ("custom" in merge) {
    const { custom, name = "custom" } = merge;
    return { kind: "custom", name, merge: custom as Extract<MergeStrategy, { kind: "custom" }>["merge"] };
  }
  const { fields, reducers } = merge;
  return {
    kind: "context-update",
    ...(fields && { fields: [...fields] }),
    ...(reducers && { reducers: recordOf(Object.entries(reducers)) }),
  };
}
