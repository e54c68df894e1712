import { constant } from "../definition/constant.ts";
import type { Pure, WaitNode } from "../definition/node.ts";
import type { Duration } from "../domain/duration.ts";
import type { Schema } from "../domain/schema.ts";
import type { HumanOptions, WaitOptions } from "./options.ts";
import { type Erased, type Place, pure, pureMs, recordOf } from "./place.ts";

type AnyWaitOptions = WaitOptions<never, never, unknown>;

function waitNode(
  place: Place,
  label: string,
  wait: WaitNode["wait"],
  { deadline, onTimeout }: AnyWaitOptions = {},
): WaitNode {
  return {
    kind: "wait",
    id: place.id,
    path: place.path,
    label,
    wait,
    ...(deadline !== undefined && { deadlineMs: pureMs(place, "deadline", deadline) }),
    ...(onTimeout && { onTimeout: pure<unknown>(onTimeout) }),
  };
}

export function lowerSleep(place: Place, duration: Duration | Erased): WaitNode {
  return waitNode(place, "sleep", { kind: "sleep", forMs: pureMs(place, "a sleep", duration) });
}

export function lowerSleepUntil(place: Place, at: Date | Erased): WaitNode {
  return waitNode(place, "sleepUntil", { kind: "sleepUntil", at: instant(place, at) });
}

function instant(place: Place, at: Date | Erased): Pure<Date | number> {
  if (typeof at === "function") return pure(at);
  const ms = at.getTime();
  if (Number.isNaN(ms)) place.problems.push({ path: place.path, says: "sleeps until an invalid Date" });
  return constant(ms);
}

export function lowerSignal(
  place: Place,
  name: string,
  options: AnyWaitOptions & { readonly schema?: Schema } = {},
): WaitNode {
  const schemas = recordOf(options.schema === undefined ? [] : [[name, options.schema] as const]);
  return waitNode(place, "waitForSignal", { kind: "signal", names: [name], schemas, named: false }, options);
}

/** Names alone, or names with the schema of their data (null: any data). */
export type SignalNames = readonly string[] | Readonly<Record<string, Schema | null>>;

const isList = (signals: SignalNames): signals is readonly string[] => Array.isArray(signals);

export function lowerAnySignal(place: Place, signals: SignalNames, options?: AnyWaitOptions): WaitNode {
  const names = isList(signals) ? [...signals] : Object.keys(signals);
  const entries = isList(signals) ? [] : Object.entries(signals);
  const schemas = recordOf(entries.flatMap(([name, schema]) => (schema === null ? [] : [[name, schema] as const])));
  return waitNode(place, "waitForAnySignal", { kind: "signal", names, schemas, named: true }, options);
}

export function lowerHuman(place: Place, options: HumanOptions<never, never, Schema, unknown>): WaitNode {
  const { message, question, answer } = options;
  if ((message === undefined) === (question === undefined)) {
    place.problems.push({ path: place.path, says: "needs a question: give either message or question" });
  }
  const ask = question ?? message ?? "";
  return waitNode(
    place,
    "human",
    {
      kind: "human",
      question: typeof ask === "string" ? constant(ask) : pure<unknown>(ask),
      ...(answer && { answer }),
    },
    options,
  );
}
