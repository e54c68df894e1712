import { canonical } from "../domain/canonical.ts";
import { FlujoError } from "../domain/errors.ts";
import { LIMITS } from "../domain/limits.ts";
import type { Wire } from "../domain/wire.ts";
import type { VectorItem, VectorMatch, VectorMetadata, VectorQuery } from "./vector.ts";

/** What all vector stores decide alike. */

const MAX_DIMENSIONS = 16_000; // what pgvector can hold; embeddings have 256 to 4,096
const MAX_MATCHES = 1_000;
const DEFAULT_MATCHES = 5;

/** A checked item, with the direction of its vector as a vector of length 1: then a cosine is a sum of products. */
export interface DirectedItem {
  readonly id: string;
  readonly direction: Float32Array;
  readonly text: string | undefined;
  readonly metadata: VectorMetadata;
}

/** Throws VECTOR_INVALID. Of items with one id the last one counts. `dimensions`: of the vectors that are there. */
export function directed(items: readonly VectorItem[], dimensions: number | undefined): readonly DirectedItem[] {
  const wanted = dimensions ?? items[0]?.vector.length;
  const byId = new Map<string, DirectedItem>();
  for (const { id, vector, text, metadata = {} } of items) {
    if (typeof id !== "string" || id === "" || id.length > LIMITS.itemKeyCharacters)
      throw invalid(`expected an id of 1 to ${LIMITS.itemKeyCharacters} characters but found ${JSON.stringify(id)}`);
    checkJson(metadata, `metadata of ${JSON.stringify(id)}`);
    byId.set(id, { id, direction: directionOf(vector, wanted), text, metadata });
  }
  return [...byId.values()];
}

/** Throws VECTOR_INVALID. */
export function directionOf(vector: readonly number[], dimensions: number | undefined): Float32Array {
  if (dimensions !== undefined && vector.length !== dimensions)
    throw invalid(`expected a vector of ${dimensions} numbers but found one of ${vector.length}`);
  if (vector.length === 0 || vector.length > MAX_DIMENSIONS)
    throw invalid(`expected a vector of 1 to ${MAX_DIMENSIONS} numbers but found one of ${vector.length}`);
  let largest = 0;
  for (const [i, value] of vector.entries()) {
    if (!Number.isFinite(value)) throw invalid(`expected finite numbers but found ${String(value)} at ${i}`);
    largest = Math.max(largest, Math.abs(value));
  }
  if (largest === 0) throw invalid("a vector of zeros has no direction");
  let squares = 0; // of values divided by the largest: squares of large ones would be infinite
  for (const value of vector) squares += (value / largest) ** 2;
  const length = Math.sqrt(squares);
  return Float32Array.from(vector, (value) => value / largest / length);
}

/** The cosine of two directions of one length. */
export function cosine(a: Float32Array, b: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += (a[i] ?? 0) * (b[i] ?? 0);
  return clamped(sum);
}

/** Rounding makes a little more than 1 of the same direction. */
export const clamped = (score: number): number => Math.max(-1, Math.min(1, score));

/** Throws OPTION_INVALID, and VECTOR_INVALID for a filter that is no JSON. */
export function checkedQuery({ limit = DEFAULT_MATCHES, filter }: VectorQuery): {
  readonly limit: number;
  readonly filter: VectorMetadata | undefined;
} {
  if (!Number.isInteger(limit) || limit < 1 || limit > MAX_MATCHES)
    throw new FlujoError(
      "OPTION_INVALID",
      `limit: expected a whole number from 1 to ${MAX_MATCHES} but found ${String(limit)}`,
    );
  if (filter !== undefined) checkJson(filter, "filter");
  return { limit, filter };
}

const isList = (wire: Wire): wire is readonly Wire[] => Array.isArray(wire);
const isRecord = (wire: Wire | undefined): wire is VectorMetadata =>
  typeof wire === "object" && wire !== null && !Array.isArray(wire);

/** Whether all of `part` is in `whole`, as `whole @> part` says in Postgres. */
export function contains(whole: Wire, part: Wire): boolean {
  if (isList(part)) return isList(whole) && part.every((wanted) => whole.some((item) => contains(item, wanted)));
  if (isRecord(part)) {
    return (
      isRecord(whole) &&
      Object.entries(part).every(([key, wanted]) => Object.hasOwn(whole, key) && contains(whole[key] ?? null, wanted))
    );
  }
  return canonical(whole) === canonical(part);
}

/** The nearest so far, the nearest first. */
export class Nearest<Match extends Pick<VectorMatch, "id" | "score">> {
  readonly found: Match[] = [];
  readonly #limit: number;

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Whether a score could still be among them. */
  takes(score: number): boolean {
    return this.found.length < this.#limit || score >= (this.found.at(-1)?.score ?? -1);
  }

  add(match: Match): void {
    let at = this.found.length;
    while (at > 0 && isBefore(match, this.found[at - 1])) at--;
    this.found.splice(at, 0, match);
    if (this.found.length > this.#limit) this.found.pop();
  }
}

type Ranked = Pick<VectorMatch, "id" | "score">;

const isBefore = (a: Ranked, b: Ranked | undefined): boolean =>
  b !== undefined && (a.score > b.score || (a.score === b.score && a.id < b.id));

// NUL and lone surrogates: what JSON can say and JSON columns cannot keep.
const UNKEPT = /\0|\p{Surrogate}/u;

function checkJson(wire: unknown, what: string): void {
  if (typeof wire === "string" && UNKEPT.test(wire))
    throw invalid(`${what}: a text has a character that cannot be kept`);
  if (typeof wire === "number" && !Number.isFinite(wire)) throw invalid(`${what}: ${wire} is no JSON`);
  if (wire === null || typeof wire === "string" || typeof wire === "number" || typeof wire === "boolean") return;
  if (typeof wire !== "object") throw invalid(`${what}: expected JSON but found ${typeof wire}`);
  const prototype: unknown = Object.getPrototypeOf(wire);
  if (!Array.isArray(wire) && prototype !== Object.prototype && prototype !== null)
    throw invalid(`${what}: expected JSON but found an instance of a class`);
  for (const [key, inner] of Object.entries(wire)) {
    checkJson(key, what);
    checkJson(inner, what);
  }
}

export const invalid = (message: string): FlujoError => new FlujoError("VECTOR_INVALID", message);
