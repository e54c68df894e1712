import type { Wire } from "../domain/wire.ts";

/** What is kept with a vector, to find it by and to read: plain JSON, without NUL characters and halves of surrogate pairs. */
export type VectorMetadata = { readonly [key: string]: Wire };

export interface VectorItem {
  /** 1 to 512 characters. Adding another item under the same id replaces it. */
  readonly id: string;
  /** Only its direction counts: of any length but zero. */
  readonly vector: readonly number[];
  /** What the vector stands for. */
  readonly text?: string;
  readonly metadata?: VectorMetadata;
}

export interface VectorMatch {
  readonly id: string;
  readonly text?: string;
  readonly metadata: VectorMetadata;
  /** The cosine of the angle between both vectors: 1 = the same direction, 0 = nothing in common, -1 = the opposite. */
  readonly score: number;
}

export interface VectorQuery {
  /** How many at most: 1 to 1,000. Default 5. */
  readonly limit?: number;
  /**
   * Only items whose metadata contain this, as `@>` of Postgres has it: each named field, with objects contained in objects, each
   * item of a list in some item of the other, and anything else equal.
   */
  readonly filter?: VectorMetadata;
}

/**
 * Finds texts by what they mean. All vectors of a store have one length: that of the first one kept, unless the store was opened
 * for another. Throws VECTOR_INVALID for a vector of another length, of nothing but zeros, or with something else than numbers;
 * nothing of the same call is kept then. Source: Flujo, vector store.
 */
export interface VectorStore extends AsyncDisposable {
  /** All or nothing of a call, durable when it resolves as far as the store is. */
  add(items: readonly VectorItem[]): Promise<void>;
  /** The nearest first; equally near ones by id. */
  query(vector: readonly number[], options?: VectorQuery): Promise<readonly VectorMatch[]>;
  /** How many there were. */
  delete(ids: readonly string[]): Promise<number>;
  /** Closes what the store opened itself. */
  close(): Promise<void>;
}
