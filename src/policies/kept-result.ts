import { sameWire } from "../domain/canonical.ts";
import { FlujoError } from "../domain/errors.ts";
import { decode, type Wire } from "../domain/wire.ts";

type Fields = { readonly [key: string]: Wire };

/** A result as a cache keeps it: the output, and what the step changed in the context, field by field. */
export type KeptResult = {
  readonly output: Wire;
  readonly set: readonly (readonly [string, Wire])[];
  readonly removed: readonly string[];
};

/** `after`: absent where the step did not change the context. */
export function keptResult(output: Wire, before: Wire, after: Wire | undefined): KeptResult {
  if (after === undefined) return { output, set: [], removed: [] };
  const [old, now] = [fieldsOf(before), fieldsOf(after)];
  const set = Object.entries(now).filter(
    ([field, value]) => !Object.hasOwn(old, field) || !sameWire(old[field] ?? null, value),
  );
  return { output, set, removed: Object.keys(old).filter((field) => !Object.hasOwn(now, field)) };
}

/** The context after the step, in which it has changed what it changed then. A copy; undefined when that was nothing. */
export function changedContext({ set, removed }: KeptResult, before: Wire): unknown {
  if (set.length === 0 && removed.length === 0) return undefined;
  const gone = new Set(removed);
  const rest = Object.entries(fieldsOf(before)).filter(([field]) => !gone.has(field));
  return decode(Object.fromEntries([...rest, ...set]));
}

/** Throws RECORD_UNDECODABLE for what is no such thing. */
export function parseKept(text: string): KeptResult {
  const found = JSON.parse(text) as Partial<KeptResult> | null;
  if (found?.output !== undefined && Array.isArray(found.set) && Array.isArray(found.removed))
    return found as KeptResult;
  throw new FlujoError(
    "RECORD_UNDECODABLE",
    "expected a kept result { output, set, removed } but found something else",
  );
}

/** A context that is one tagged value (a Map, a Date) or a list has no fields: it changes as a whole, which no field says. */
function fieldsOf(context: Wire): Fields {
  if (typeof context === "object" && context !== null && !Array.isArray(context)) return context as Fields;
  throw new FlujoError("OPTION_INVALID", "a cached step that changes its context needs one with named fields");
}
