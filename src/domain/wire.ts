import { FlujoError } from "./errors.ts";
import { LIMITS } from "./limits.ts";

/**
 * The codec. A value of user code becomes a `Wire`: a fresh JSON tree that shares nothing with the original, in which
 * everything JSON cannot say is a tagged object from a closed list. Decoding gives a fresh value each time, so no two
 * parties ever hold the same mutable object (I9), and no class is ever revived.
 *
 *   undefined {"$undefined":true}   NaN, ±Infinity, -0 {"$number":"NaN"}   bigint {"$bigint":"12"}   Date {"$date":"…Z"}
 *   Uint8Array {"$bytes":"base64"}  Map {"$map":[[k,v],…]}                 Set {"$set":[…]}          blob {"$blob":"sha256"}
 *   a user's own object with exactly one key that starts with "$" is escaped: {"$object":[key, value]}
 */
export type Wire = null | boolean | number | string | readonly Wire[] | { readonly [key: string]: Wire };

type Seen = { readonly value: unknown; readonly key: string | number }[];

const pathOf = (trail: Seen): string =>
  trail.reduce((text, { key }) => (typeof key === "number" ? `${text}[${key}]` : `${text}.${key}`), "$");

function refuse(what: string, trail: Seen): never {
  throw new FlujoError("VALUE_NOT_SERIALIZABLE", `cannot store ${what}`, {
    at: pathOf(trail),
    details: { path: pathOf(trail) },
  });
}

/** Sizes are counted while walking, so that nobody has to stringify a value only to learn how big it is. */
class Encoder {
  bytes = 0;
  readonly #trail: Seen = [];
  readonly #maxBytes: number;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** Asked as soon as it is known: 65 MB of bytes took 4 s to become text that was then refused. */
  checkSize(): void {
    if (this.bytes <= this.#maxBytes) return;
    const found = `expected a value of at most ${this.#maxBytes} bytes but found about ${this.bytes}`;
    throw new FlujoError("VALUE_TOO_LARGE", found, { at: pathOf(this.#trail) });
  }

  encode(value: unknown): Wire {
    switch (typeof value) {
      case "string":
        this.bytes += value.length + 2;
        return value;
      case "number":
        this.bytes += 8;
        return Number.isFinite(value) && !Object.is(value, -0)
          ? value
          : { $number: Object.is(value, -0) ? "-0" : String(value) };
      case "boolean":
        this.bytes += 5;
        return value;
      case "undefined":
        return { $undefined: true };
      case "bigint":
        this.bytes += 24;
        return { $bigint: value.toString() };
      case "object":
        return value === null ? null : this.#object(value);
      case "function":
        return refuse(`a function${value.name === "" ? "" : ` (${value.name})`}`, this.#trail);
      case "symbol":
        return refuse(`a symbol (${String(value)})`, this.#trail);
    }
  }

  #child(value: unknown, key: string | number, parent: object): Wire {
    // Primitives need no trail: only an error reads it, and of them only functions and symbols fail.
    this.#trail.push({ value: parent, key });
    const wire = this.encode(value);
    this.#trail.pop();
    return wire;
  }

  #object(value: object): Wire {
    if (this.#trail.length >= 32) this.#refuseCycles(value);
    if (Array.isArray(value)) return this.#list(value, value);
    const prototype: unknown = Object.getPrototypeOf(value);
    if (prototype === Object.prototype || prototype === null) return this.#record(value);
    return this.#builtIn(value);
  }

  #refuseCycles(value: object): void {
    if (this.#trail.some((seen) => seen.value === value)) refuse("a cyclic reference", this.#trail);
    if (this.#trail.length >= LIMITS.valueDepth)
      refuse(`a value nested deeper than ${LIMITS.valueDepth} levels`, this.#trail);
  }

  #list(items: readonly unknown[], parent: object): Wire[] {
    this.bytes += items.length;
    const wire: Wire[] = [];
    for (let i = 0; i < items.length; i++) wire.push(this.#child(items[i], i, parent)); // holes become undefined
    return wire;
  }

  #record(value: object): Wire {
    const keys = Object.keys(value);
    const symbol = Object.getOwnPropertySymbols(value)[0];
    if (symbol !== undefined) refuse(`a property named by a symbol (${String(symbol)})`, this.#trail);
    const wire: Record<string, Wire> = {};
    for (const key of keys) {
      this.bytes += key.length + 4;
      setOwn(wire, key, this.#child((value as Record<string, unknown>)[key], key, value));
    }
    const only = keys[0];
    return keys.length === 1 && only?.startsWith("$") === true ? { $object: [only, wire[only] ?? null] } : wire;
  }

  #builtIn(value: object): Wire {
    if (value instanceof Date) {
      if (Number.isNaN(value.getTime())) refuse("an invalid Date", this.#trail);
      this.bytes += 32;
      return { $date: value.toISOString() };
    }
    if (value instanceof Uint8Array) {
      this.bytes += Math.ceil(value.byteLength * 1.34);
      this.checkSize();
      return { $bytes: bytesToBase64(value) };
    }
    if (value instanceof Map) {
      return { $map: [...value].map(([k, v], i) => [this.#child(k, `key(${i})`, value), this.#child(v, i, value)]) };
    }
    if (value instanceof Set) return { $set: this.#list([...value], value) };
    const type: unknown = (value as { constructor?: { name?: unknown } }).constructor?.name;
    return refuse(`an instance of ${typeof type === "string" && type !== "" ? type : "an unknown class"}`, this.#trail);
  }
}

/** `__proto__` as an own key must stay data. */
function setOwn(target: object, key: string, value: unknown): void {
  if (key === "__proto__")
    Object.defineProperty(target, key, { value, enumerable: true, configurable: true, writable: true });
  else (target as Record<string, unknown>)[key] = value;
}

export interface Sized {
  readonly wire: Wire;
  /** Roughly the length of its JSON text. */
  readonly bytes: number;
}

/** Encodes and measures. Throws VALUE_NOT_SERIALIZABLE (with JSON path) or VALUE_TOO_LARGE. */
export function encodeSized(value: unknown, maxBytes: number = LIMITS.payloadBytes): Sized {
  const encoder = new Encoder(maxBytes);
  const wire = encoder.encode(value);
  encoder.checkSize();
  return { wire, bytes: encoder.bytes };
}

/** Encodes a value for storage. Throws VALUE_NOT_SERIALIZABLE (with JSON path) or VALUE_TOO_LARGE. */
export function encode(value: unknown): Wire {
  // Most values of a busy pipeline are numbers and short strings: spare them the encoder.
  if (typeof value === "string" && value.length <= LIMITS.inlineBytes) return value;
  if (typeof value === "boolean" || value === null) return value;
  return encodeSized(value).wire;
}

const isRecord = (wire: Wire): wire is { readonly [key: string]: Wire } =>
  typeof wire === "object" && wire !== null && !Array.isArray(wire);

/** A fresh value, sharing nothing with the wire. Throws RECORD_UNDECODABLE for a tag this version does not know. */
export function decode(wire: Wire): unknown {
  if (typeof wire !== "object" || wire === null) return wire;
  if (!isRecord(wire)) return (wire as readonly Wire[]).map(decode);
  const keys = Object.keys(wire);
  const only = keys[0];
  if (keys.length === 1 && only?.startsWith("$") === true) return decodeTagged(only, wire[only] ?? null);
  const value: Record<string, unknown> = {};
  for (const key of keys) setOwn(value, key, decode(wire[key] ?? null));
  return value;
}

const pairs = (wire: Wire): readonly (readonly [Wire, Wire])[] => wire as unknown as readonly (readonly [Wire, Wire])[];

function decodeTagged(tag: string, wire: Wire): unknown {
  try {
    return decodeTag(tag, wire);
  } catch (error) {
    if (error instanceof FlujoError) throw error;
    throw new FlujoError("RECORD_UNDECODABLE", `a stored value has a malformed "${tag}"`, { cause: error });
  }
}

function decodeTag(tag: string, wire: Wire): unknown {
  switch (tag) {
    case "$undefined":
      return undefined;
    case "$number":
      return Number(wire);
    case "$bigint":
      return BigInt(wire as string);
    case "$date":
      return new Date(wire as string);
    case "$bytes":
      return base64ToBytes(wire as string);
    case "$map":
      return new Map(pairs(wire).map(([k, v]) => [decode(k), decode(v)]));
    case "$set":
      return new Set((wire as readonly Wire[]).map(decode));
    case "$object": {
      const [key, value] = wire as readonly [string, Wire];
      const record: Record<string, unknown> = {};
      setOwn(record, key, decode(value));
      return record;
    }
    default:
      throw new FlujoError("RECORD_UNDECODABLE", `a stored value has the unknown tag "${tag}"`);
  }
}

const CHUNK = 0x8000; // String.fromCharCode takes its characters as arguments: more overflow the stack

function bytesToBase64(bytes: Uint8Array): string {
  let binary = "";
  for (let i = 0; i < bytes.length; i += CHUNK) binary += String.fromCharCode(...bytes.subarray(i, i + CHUNK));
  return btoa(binary);
}

function base64ToBytes(text: string): Uint8Array {
  const binary = atob(text);
  const bytes = new Uint8Array(binary.length);
  for (let i = 0; i < binary.length; i++) bytes[i] = binary.charCodeAt(i);
  return bytes;
}

/** The wire form of `undefined`: what a step that returns nothing leaves. */
export const UNDEFINED: Wire = Object.freeze({ $undefined: true });
export const NO_CONTEXT: Wire = Object.freeze({});

/** A reference to a value kept once, content-addressed, in the store's blobs. */
export const isBlobRef = (wire: Wire): wire is { readonly $blob: string } =>
  isRecord(wire) && typeof wire["$blob"] === "string" && Object.keys(wire).length === 1;
