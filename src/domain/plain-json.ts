export type PlainJson = null | boolean | number | string | readonly PlainJson[] | { readonly [key: string]: PlainJson };

const MAX_DEPTH = 16; // deeper is a cycle, or nothing that anybody reads in an error

/**
 * Anything as plain JSON that says enough about it to be read: what JSON cannot say is described, what is too long or too
 * deep is cut. Never throws, whatever its getters do.
 */
export function plainJson(value: unknown, maxCharacters: number): PlainJson {
  return new Plainer(maxCharacters).plain(value, 0);
}

class Plainer {
  #room: number;

  constructor(maxCharacters: number) {
    this.#room = maxCharacters;
  }

  plain(value: unknown, depth: number): PlainJson {
    try {
      return this.#any(value, depth);
    } catch {
      return "[unreadable]";
    }
  }

  #any(value: unknown, depth: number): PlainJson {
    switch (typeof value) {
      case "string":
        return this.#text(value);
      case "boolean":
        this.#room -= 5;
        return value;
      case "number":
        this.#room -= 8;
        return Number.isFinite(value) ? value : String(value);
      case "bigint":
      case "undefined":
      case "symbol":
        return this.#text(String(value));
      case "function":
        return this.#text(`[function ${value.name}]`);
      case "object":
        return value === null ? null : this.#object(value, depth);
    }
  }

  #text(text: string): string {
    const kept = text.length <= this.#room ? text : `${text.slice(0, Math.max(0, this.#room))}…`;
    this.#room -= kept.length + 2;
    return kept;
  }

  #object(value: object, depth: number): PlainJson {
    if (depth >= MAX_DEPTH || this.#room <= 0) return "…";
    if (value instanceof Date) return this.#text(Number.isNaN(value.getTime()) ? "Invalid Date" : value.toISOString());
    if (value instanceof Error) return this.#text(`${value.name}: ${value.message}`);
    if (ArrayBuffer.isView(value)) return this.#text(`[${value.byteLength} bytes]`);
    if (value instanceof Map || value instanceof Set) return this.#list(value, depth);
    return Array.isArray(value) ? this.#list(value, depth) : this.#record(value, depth);
  }

  #list(items: Iterable<unknown>, depth: number): readonly PlainJson[] {
    const list: PlainJson[] = [];
    for (const item of items) {
      if (this.#room <= 0) {
        list.push("…");
        break;
      }
      this.#room -= 1;
      list.push(this.plain(item, depth + 1));
    }
    return list;
  }

  #record(value: object, depth: number): { readonly [key: string]: PlainJson } {
    const entries: [string, PlainJson][] = [];
    for (const key of Object.keys(value)) {
      if (this.#room <= 0) break;
      const found = readFrom(value, key);
      if (found === undefined) continue;
      this.#room -= 4;
      entries.push([this.#text(key), this.plain(found, depth + 1)]);
    }
    return Object.fromEntries(entries); // defines own keys, also one called __proto__
  }
}

/** A getter that throws spoils its own property only. */
function readFrom(value: object, key: string): unknown {
  try {
    return Reflect.get(value, key);
  } catch {
    return "[unreadable]";
  }
}
