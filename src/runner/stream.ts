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

/** Keeps what the steps of a run emit from now on, until somebody reads it. */
export class Pieces {
  /** Told of each piece. */
  wake: () => void = () => undefined;
  readonly stop: () => void;
  readonly #pieces: Chunk[] = [];

  constructor(chunks: Chunks, run: RunId) {
    this.stop = chunks.follow(run, (chunk) => {
      if (this.#pieces.push(chunk) > MAX_BUFFERED) this.#pieces.shift();
      this.wake();
    });
  }

  get waiting(): number {
    return this.#pieces.length;
  }

  next(): Chunk | undefined {
    return this.#pieces.shift();
  }
}

/** Yields what happens to a run until it has ended or paused; returns that result. Lets go of `pieces` at its end. */
export async function* followRun(
  flujo: Flujo,
  run: RunId,
  pieces: Pieces = new Pieces(flujo.chunks, run),
): AsyncGenerator<StreamItem, RunResult, undefined> {
  const over = new AbortController();
  let result: RunResult | undefined;
  let failed: { readonly error: unknown } | undefined;
  void flujo.result(run, { signal: over.signal }).then(
    (value) => {
      result = value;
      pieces.wake();
    },
    (error: unknown) => {
      failed = { error };
      pieces.wake();
    },
  );
  try {
    const tail = await flujo.tail(run);
    for (;;) {
      const last = result; // read before the history: what led to it is then in it
      for (const event of await tail.next({ last: last !== undefined })) yield { kind: "event", event };
      for (let piece = pieces.next(); piece !== undefined; piece = pieces.next()) yield piece;
      if (failed !== undefined) throw failed.error;
      if (last !== undefined) return last;
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, LOOK_EVERY_MS);
        pieces.wake = () => {
          clearTimeout(timer);
          resolve();
        };
        if (result !== undefined || failed !== undefined || pieces.waiting > 0) pieces.wake();
      });
    }
  } finally {
    pieces.stop();
    over.abort();
  }
}
