import type { Wire } from "./wire.ts";

/** JSON with sorted keys and no white space: one text for one meaning, so that it can be hashed. */
export function canonical(wire: Wire): string {
  if (Array.isArray(wire)) return `[${wire.map(canonical).join(",")}]`;
  if (typeof wire === "object" && wire !== null) {
    const record = wire as { readonly [key: string]: Wire };
    const entries = Object.keys(record)
      .sort()
      .map((key) => `${JSON.stringify(key)}:${canonical(record[key] ?? null)}`);
    return `{${entries.join(",")}}`;
  }
  return JSON.stringify(wire);
}

/** Deep equality of two wires; object keys in any order. */
export function sameWire(a: Wire, b: Wire): boolean {
  if (a === b) return true;
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return false;
  if (Array.isArray(a)) {
    return (
      Array.isArray(b) &&
      a.length === b.length &&
      a.every((item: Wire, i) => sameWire(item, (b as readonly Wire[])[i] ?? null))
    );
  }
  if (Array.isArray(b)) return false;
  const left = a as { readonly [key: string]: Wire };
  const right = b as { readonly [key: string]: Wire };
  const keys = Object.keys(left);
  return (
    keys.length === Object.keys(right).length &&
    keys.every((k) => Object.hasOwn(right, k) && sameWire(left[k] ?? null, right[k] ?? null))
  );
}
