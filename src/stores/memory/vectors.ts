import { FlujoError } from "../../domain/errors.ts";
import type { VectorItem, VectorMatch, VectorQuery, VectorStore } from "../../ports/vector.ts";
import {
  checkedQuery,
  contains,
  cosine,
  type DirectedItem,
  directed,
  directionOf,
  Nearest,
} from "../../ports/vector-rules.ts";

/** Vectors in this process's memory: exact, and gone with it. */
export function memoryVectors(): VectorStore {
  const kept = new Map<string, DirectedItem>();
  let closed = false;
  const dimensions = (): number | undefined => {
    if (closed) throw new FlujoError("STORE_CLOSED", "the vector store was closed");
    return kept.values().next().value?.direction.length;
  };
  const close = async (): Promise<void> => {
    closed = true;
    kept.clear();
  };
  return {
    add: async (items: readonly VectorItem[]) => {
      for (const item of directed(items, dimensions())) kept.set(item.id, structuredClone(item));
    },
    query: async (vector, options: VectorQuery = {}) => {
      const { limit, filter } = checkedQuery(options);
      const direction = directionOf(vector, dimensions());
      const nearest = new Nearest<VectorMatch>(limit);
      for (const item of kept.values()) {
        const score = cosine(direction, item.direction);
        if (!nearest.takes(score) || (filter !== undefined && !contains(item.metadata, filter))) continue;
        const { id, text, metadata } = item;
        nearest.add({ id, ...(text !== undefined && { text }), metadata, score });
      }
      return structuredClone(nearest.found);
    },
    delete: async (ids) => ids.reduce((count, id) => count + (kept.delete(id) ? 1 : 0), 0),
    close,
    [Symbol.asyncDispose]: close,
  };
}
