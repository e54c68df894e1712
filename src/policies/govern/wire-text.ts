import type { Wire } from "../../domain/wire.ts";

/** What becomes of one text. Must answer the same text for the same text. */
export type Rewrite = (text: string) => string;

type WireRecord = { readonly [key: string]: Wire };

/** Tags whose content is no text of a user's, or would be no number any more: see the codec in domain/wire.ts. */
const OPAQUE: ReadonlySet<string> = new Set(["$bytes", "$date", "$number", "$bigint", "$undefined", "$blob"]);

export const isRecord = (wire: Wire): wire is WireRecord =>
  typeof wire === "object" && wire !== null && !Array.isArray(wire);

/** A wire with all its texts rewritten, keys too. The very same object where nothing changed. */
export function throughWire(wire: Wire, rewrite: Rewrite): Wire {
  if (typeof wire === "string") return rewrite(wire);
  if (typeof wire !== "object" || wire === null) return wire;
  if (!isRecord(wire)) return throughList(wire as readonly Wire[], (item) => throughWire(item, rewrite));
  const keys = Object.keys(wire);
  const [only = ""] = keys;
  if (keys.length === 1 && only.startsWith("$")) {
    if (OPAQUE.has(only)) return wire;
    const content = wire[only] ?? null;
    const after = throughWire(content, rewrite);
    return after === content ? wire : { [only]: after };
  }
  return throughEntries(wire, rewrite, (value) => throughWire(value, rewrite));
}

/** The very same list where nothing changed. */
export function throughList<T>(items: readonly T[], change: (item: T) => T): readonly T[] {
  let changed: T[] | undefined;
  for (const [index, item] of items.entries()) {
    const after = change(item);
    if (after === item && changed === undefined) continue;
    changed ??= items.slice(0, index);
    changed.push(after);
  }
  return changed ?? items;
}

/** A record with its keys and values rewritten; the very same one where nothing changed. */
export function throughEntries(
  record: WireRecord,
  key: Rewrite,
  value: (value: Wire, key: string) => Wire,
): WireRecord {
  let changed = false;
  const entries = Object.keys(record).map((name): [string, Wire] => {
    const before = record[name] ?? null;
    const [newName, after] = [key(name), value(before, name)];
    changed ||= newName !== name || after !== before;
    return [newName, after];
  });
  return changed ? Object.fromEntries(entries) : record; // fromEntries defines own keys, also one called __proto__
}
