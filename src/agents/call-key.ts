import { canonical } from "../domain/canonical.ts";
import { sha256 } from "../domain/sha256.ts";
import type { Wire } from "../domain/wire.ts";
import type { Tool } from "./tool.ts";
import type { PlannedCall } from "./turn-record.ts";

/** A payload that has a place for the key gets it: models do not make up keys. Source: Flujo, GranularStep. */
const KEY_FIELDS = ["idempotency_key", "idempotencyKey"] as const;

export function keyField({ offer }: Pick<Tool, "offer">): string | undefined {
  const { properties } = offer.parameters;
  return typeof properties === "object" && properties !== null
    ? KEY_FIELDS.find((name) => Object.hasOwn(properties, name))
    : undefined;
}

export function withKey(tool: Pick<Tool, "offer">, { arguments: given }: PlannedCall, key: string): Wire {
  const field = keyField(tool);
  if (field === undefined || typeof given !== "object" || given === null || Array.isArray(given)) return given;
  return { ...(given as { readonly [name: string]: Wire }), [field]: key };
}

/**
 * Keys of the tool calls of an attempt in which nothing was recorded: where it is made again, the model may say something else. So a
 * key is of what is called, and of how often the same was called before; never of a turn, which may call something else next time.
 */
export class CallKeys {
  readonly #step: string;
  readonly #times = new Map<string, number>();

  /** `step`: the idempotency key of the whole step. */
  constructor(step: string) {
    this.#step = step;
  }

  of(tool: Pick<Tool, "offer" | "name">, call: PlannedCall): string {
    const what = sha256(canonical({ step: this.#step, tool: tool.name, arguments: withKey(tool, call, "") }));
    const time = this.#times.get(what) ?? 0;
    this.#times.set(what, time + 1);
    return `${what}-${time}`;
  }
}
