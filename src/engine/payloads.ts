import { createHash } from "node:crypto";
import { FlujoError } from "../domain/errors.ts";
import type { Fact, FactType } from "../domain/event.ts";
import { LIMITS } from "../domain/limits.ts";
import { isBlobRef, type Wire } from "../domain/wire.ts";
import type { Blob } from "../ports/store.ts";

const CACHE_BYTES = 67_108_864; // 64 MiB of inflated texts: a map's items are read once per process, not once per item

interface Large {
  readonly ref: Wire;
  readonly blob: Blob;
}

/**
 * Large values travel as references (DESIGN §7). In memory a fiber always holds the whole value; `deflate` swaps it for
 * `{ $blob: sha256 }` on the way into the store, `inflate` brings it back when a fiber is adopted.
 */
export class Payloads {
  readonly #read: (hash: string) => Promise<string | undefined>;
  /** What is known of objects that were weighed before: identity is enough, wires are never written to. */
  readonly #known = new WeakMap<object, Large | "small">();
  readonly #inflated = new Map<string, { readonly wire: Wire; readonly bytes: number }>();
  #cachedBytes = 0;

  constructor(read: (hash: string) => Promise<string | undefined>) {
    this.#read = read;
  }

  /** The wire itself, or a reference with its text added to `blobs`. */
  deflate(wire: Wire, blobs: Blob[]): Wire {
    const large = this.#largeness(wire);
    if (large === "small") return wire;
    if (!blobs.some(({ hash }) => hash === large.blob.hash)) blobs.push(large.blob);
    return large.ref;
  }

  /** A fact whose large values are references. */
  deflateFact(fact: Fact, blobs: Blob[]): Wire {
    let deflated: Record<string, Wire> | undefined;
    const record = fact as unknown as Readonly<Record<string, Wire | undefined>>;
    for (const key of VALUES_OF[fact.type] ?? NO_KEYS) {
      const wire = record[key];
      if (wire === undefined || typeof wire === "number") continue;
      const small = this.deflate(wire, blobs);
      if (small !== wire) deflated = { ...(deflated ?? (record as Record<string, Wire>)), [key]: small };
    }
    return deflated ?? (record as Record<string, Wire>);
  }

  async inflateFact(fact: Fact): Promise<Fact> {
    let whole: Record<string, unknown> | undefined;
    const record = fact as unknown as Readonly<Record<string, Wire | undefined>>;
    for (const key of VALUES_OF[fact.type] ?? NO_KEYS) {
      const wire = record[key];
      if (wire !== undefined && isBlobRef(wire)) whole = { ...(whole ?? record), [key]: await this.inflate(wire) };
    }
    return (whole as unknown as Fact | undefined) ?? fact;
  }

  /** Synchronous when the wire is no reference, or one that was read lately. Throws BLOB_MISSING. */
  inflate(wire: Wire): Wire | Promise<Wire> {
    if (!isBlobRef(wire)) return wire;
    const cached = this.#inflated.get(wire.$blob);
    if (cached === undefined) return this.#load(wire.$blob);
    this.#inflated.delete(wire.$blob);
    this.#inflated.set(wire.$blob, cached); // most recently used last
    return cached.wire;
  }

  async #load(hash: string): Promise<Wire> {
    const text = await this.#read(hash);
    if (text === undefined)
      throw new FlujoError("BLOB_MISSING", `a value of this run, blob ${hash}, is not in the store`);
    const wire = JSON.parse(text) as Wire;
    this.#remember(wire, { ref: { $blob: hash }, blob: { hash, text } });
    return wire;
  }

  #largeness(wire: Wire): Large | "small" {
    if (typeof wire === "string") return wire.length > LIMITS.inlineBytes ? this.#store(wire) : "small";
    if (typeof wire !== "object" || wire === null) return "small";
    const known = this.#known.get(wire);
    if (known !== undefined) return known;
    const found = heavier(wire, LIMITS.inlineBytes) ? this.#store(wire) : "small";
    this.#known.set(wire, found);
    return found;
  }

  #store(wire: Wire): Large {
    const text = JSON.stringify(wire);
    const hash = createHash("sha256").update(text).digest("hex");
    const large: Large = { ref: { $blob: hash }, blob: { hash, text } };
    this.#remember(wire, large);
    return large;
  }

  #remember(wire: Wire, large: Large): void {
    if (typeof wire === "object" && wire !== null) this.#known.set(wire, large);
    const { hash, text } = large.blob;
    if (this.#inflated.has(hash)) return;
    this.#inflated.set(hash, { wire, bytes: text.length });
    this.#cachedBytes += text.length;
    for (const [oldest, { bytes }] of this.#inflated) {
      if (this.#cachedBytes <= CACHE_BYTES || this.#inflated.size === 1) break;
      this.#inflated.delete(oldest);
      this.#cachedBytes -= bytes;
    }
  }
}

/** Fields of facts that carry values of user code. */
const VALUES_OF: { readonly [Type in FactType]?: readonly string[] } = {
  "run.started": ["input", "context"],
  "run.forked": ["value"],
  "step.completed": ["output", "context"],
  "fork.opened": ["items"],
  "fork.joined": ["output", "context"],
  "wait.opened": ["question"],
  "wait.answered": ["output"],
  "wait.timed_out": ["output"],
  "call.started": ["inputs"],
  "call.completed": ["output"],
  "output.checked": ["output"],
};
const NO_KEYS: readonly string[] = [];

/** Whether the JSON text of a wire is longer than `limit`. Stops looking as soon as it is, so it costs at most `limit`. */
export function heavier(wire: Wire, limit: number): boolean {
  let left = limit;
  const walk = (one: Wire): boolean => {
    if (typeof one === "string") left -= one.length + 2;
    else if (typeof one !== "object" || one === null) left -= 6;
    else if (Array.isArray(one)) {
      for (const item of one as readonly Wire[]) if (walk(item)) return true;
      left -= 2;
    } else {
      for (const [key, value] of Object.entries(one)) {
        left -= key.length + 4;
        if (walk(value)) return true;
      }
    }
    return left < 0;
  };
  return walk(wire);
}
