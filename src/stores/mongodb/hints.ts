import type { RunId } from "../../domain/ids.ts";
import type { WakeHint } from "../../ports/store.ts";

/**
 * Hints of this process only. Change streams would tell of others, but exist only on replica sets; polling finds what others
 * made ready.
 */
export class Hints {
  readonly #listeners = new Set<(hint: WakeHint) => void>();

  subscribe(wake: (hint: WakeHint) => void): () => void {
    const listener = (hint: WakeHint): void => wake(hint);
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  tell(ready: boolean, runs: readonly string[]): void {
    if (!ready && runs.length === 0) return;
    const hint: WakeHint = { ready, runs: runs as readonly RunId[] };
    for (const listener of this.#listeners) listener(hint);
  }

  close(): void {
    this.#listeners.clear();
  }
}
