import type { Definition } from "../definition/definition.ts";
import type { CallNode } from "../definition/node.ts";
import { type Erased, type Place, pure } from "./place.ts";

export interface CallParts extends Pick<CallNode, "single" | "wait"> {
  readonly label: string;
  readonly flow: Definition;
  /** Without it the flowing value is the input. */
  readonly inputs: Erased | undefined;
}

export function lowerCall(place: Place, { label, flow, inputs, single, wait }: CallParts): CallNode {
  const built = typeof flow === "object" && flow !== null && typeof flow.fingerprint === "string";
  if (built) place.calls.push(flow);
  return {
    kind: "call",
    id: place.id,
    path: place.path,
    label,
    flow: built
      ? { name: flow.name, version: flow.version, fingerprint: flow.fingerprint }
      : { name: "", version: "", fingerprint: "" }, // check says what is wrong
    inputs: inputs === undefined ? (value): unknown => value : pure(inputs),
    single,
    wait,
  };
}
