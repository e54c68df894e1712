import type { AttemptNode, BranchNode, LoopNode } from "../definition/node.ts";
import { FlujoError } from "../domain/errors.ts";
import { type Erased, type ErasedBody, type Place, pure, recordOf } from "./place.ts";

/** `.if`: a branch whose cases are named "then" and "else". */
export function lowerIf(place: Place, when: Erased, then: ErasedBody, otherwise: ErasedBody | undefined): BranchNode {
  const decide = pure<boolean>(when);
  return {
    kind: "branch",
    id: place.id,
    path: place.path,
    label: "if",
    select: (value, view) => caseOf(decide(value, view)),
    cases: recordOf([
      ["then", place.open("then", "then", then)] as const,
      ...(otherwise === undefined ? [] : [["else", place.open("else", "else", otherwise)] as const]),
    ]),
  };
}

function caseOf(decision: unknown): string {
  if (typeof decision === "boolean") return decision ? "then" : "else";
  // The planner refuses promises itself, because it must also silence them. Anything else would silently pass through.
  if (decision instanceof Promise) return decision as never;
  throw new FlujoError("PREDICATE_FAILED", `when: expected true or false but found ${typeof decision}`);
}

export interface SwitchParts {
  readonly select: Erased;
  readonly cases: Readonly<Record<string, ErasedBody>>;
  readonly otherwise: ErasedBody | undefined;
}

export function lowerSwitch(place: Place, { select, cases, otherwise }: SwitchParts): BranchNode {
  return {
    kind: "branch",
    id: place.id,
    path: place.path,
    label: "switch",
    select: pure(select),
    cases: recordOf(Object.entries(cases).map(([name, body]) => [name, place.open(name, "case", body)])),
    ...(otherwise && { otherwise: place.open("default", "default", otherwise) }),
  };
}

export interface LoopParts extends Pick<LoopNode, "mode" | "max"> {
  readonly label: string;
  readonly body: ErasedBody;
  readonly test?: Erased;
}

export function lowerLoop(place: Place, { label, mode, max, body, test }: LoopParts): LoopNode {
  return {
    kind: "loop",
    id: place.id,
    path: place.path,
    label,
    mode,
    ...(test && { test: pure<boolean>(test) }),
    max,
    body: place.open("body", "body", body),
  };
}

export interface AttemptParts {
  readonly body: ErasedBody;
  readonly fallback?: ErasedBody | undefined;
  readonly catch?: ErasedBody | undefined;
  readonly compensate?: boolean | undefined;
}

export function lowerAttempt(
  place: Place,
  { body, fallback, catch: caught, compensate = false }: AttemptParts,
): AttemptNode {
  if (fallback && caught) {
    place.problems.push({ path: place.path, says: "has both a fallback and a catch: choose one" });
  }
  const kind = caught ? "catch" : "fallback";
  const handler = caught ?? fallback;
  return {
    kind: "attempt",
    id: place.id,
    path: place.path,
    label: "attempt",
    body: place.open("body", "body", body),
    compensate,
    ...(handler && { handler: { kind, node: place.open(kind, kind, handler) } }),
  };
}
