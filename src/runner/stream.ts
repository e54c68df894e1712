import type { HistoryEvent } from "../domain/event.ts";
import type { RunId } from "../domain/ids.ts";
import type { Flujo } from "./flujo.ts";
import type { RunResult } from "./result.ts";

/** A recorded fact, or a piece that a step emitted: pieces are not stored, and seen only in the process that runs the step. */
export type StreamItem =
  | { readonly kind: "event"; readonly event: HistoryEvent }
  | {
      readonly kind: "chunk";
      readonly run: string;
      readonly path: string;
      readonly visit: string;
      readonly attempt: number;
      readonly chunk: unknown;
    };

type Chunk = Extract<StreamItem, { kind: "chunk" }>;

/** A reader that cannot keep up loses the oldest pieces, never the engine's time (I12). */
const MAX_BUFFERED = 10_000;
const LOOK_EVERY_MS = 100;

/** Hands emitted pieces to whoever follows the run in this process. */
export class Chunks {
  readonly #followers = new Map<string, Set<(chunk: Chunk) => void>>();

  emit(chunk: Omit<Chunk, "kind">): void {
    for (const follower of this.#followers.get(chunk.run) ?? []) follower({ kind: "chunk", ...chunk });
  }

  follow(run: string, follower: (chunk: Chunk) => void): () => void {
    const followers = this.#followers.get(run) ?? new Set();
    this.#followers.set(run, followers.add(follower));
    return () => {
      followers.delete(follower);
      if (followers.size === 0) this.#followers.delete(run);
    };
  }
}

/** Yields what happens to a run until it has ended or paused; returns that result. */
export async function* followRun(flujo: Flujo, run: RunId): AsyncGenerator<StreamItem, RunResult, undefined> {
  const chunks: Chunk[] = [];
  let wake = (): void => undefined;
  const unfollow = flujo.chunks.follow(run, (chunk) => {
    if (chunks.push(chunk) > MAX_BUFFERED) chunks.shift();
    wake();
  });
  const over = new AbortController();
  let result: RunResult | undefined;
  let failed: { readonly error: unknown } | undefined;
  void flujo.result(run, { signal: over.signal }).then(
    (value) => {
      result = value;
      wake();
    },
    (error: unknown) => {
      failed = { error };
      wake();
    },
  );
  let after = 0;
  try {
    for (;;) {
      const last = result; // read before the history: what led to it is then in it
      for (const event of await flujo.history(run, { after })) {
        yield { kind: "event", event };
        after = event.seq;
      }
      for (let chunk = chunks.shift(); chunk !== undefined; chunk = chunks.shift()) yield chunk;
      if (failed !== undefined) throw failed.error;
      if (last !== undefined) return last;
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, LOOK_EVERY_MS);
        wake = () => {
          clearTimeout(timer);
          resolve();
        };
        if (result !== undefined || failed !== undefined || chunks.length > 0) wake();
      });
    }
  } finally {
    unfollow();
    over.abort();
  }
}
