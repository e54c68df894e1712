import type { RunId } from "../../domain/ids.ts";
import type { WakeHint } from "../../ports/store.ts";
import type { Partition } from "./partition.ts";

/** Runs that one message names. Those beyond are found by polling. */
const RUNS_PER_HINT = 500;
/** After one message the next one gathers for so long: 200 messages a second at most, whatever is committed. */
const GATHER_MS = 5;
/** Wait before the next try to hear the channel. */
const RETRY_MS = 1_000;

/**
 * Who waits for news of this store. Listeners of this process are told directly; those of others over one channel, after the
 * commit and apart from it. Nothing depends on it: polling is the safety net.
 */
export class Hints {
  readonly #partition: Partition;
  readonly #channel: string;
  /** Marks our own messages: our listeners know already. */
  readonly #self: string;
  readonly #listeners = new Set<(hint: WakeHint) => void>();
  #ready = false;
  #runs = new Set<RunId>();
  #timer: NodeJS.Timeout | undefined;
  #hearing: Promise<(() => Promise<void>) | undefined> | undefined;
  #retry: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(partition: Partition, self: string) {
    this.#partition = partition;
    this.#channel = `${partition.prefix}hints`;
    this.#self = self;
  }

  subscribe(wake: (hint: WakeHint) => void): () => void {
    const listener = (hint: WakeHint): void => wake(hint);
    this.#listeners.add(listener);
    this.#hear();
    return () => {
      this.#listeners.delete(listener);
      if (this.#listeners.size === 0) this.#stopHearing();
    };
  }

  tell(ready: boolean, runs: readonly RunId[]): void {
    if (!ready && runs.length === 0) return;
    for (const listener of this.#listeners) listener({ ready, runs });
    this.#ready ||= ready;
    for (const run of runs) this.#runs.add(run);
    if (this.#timer !== undefined || this.#closed) return;
    this.#publish();
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#publish();
    }, GATHER_MS);
    this.#timer.unref();
  }

  /** Says what has gathered and hears nothing any more. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#publish();
    this.#listeners.clear();
    this.#stopHearing();
  }

  #publish(): void {
    if (!this.#ready && this.#runs.size === 0) return;
    const text = JSON.stringify([this.#self, this.#ready, [...this.#runs].slice(0, RUNS_PER_HINT)]);
    this.#ready = false;
    this.#runs = new Set();
    this.#partition.ask("PUBLISH", this.#channel, text).catch(() => undefined); // lost with the connection: pollers notice
  }

  #hear(): void {
    if (this.#hearing !== undefined || this.#closed) return;
    this.#hearing = this.#partition
      .hear(this.#channel, (text) => this.#heard(text))
      .catch(() => {
        this.#hearing = undefined;
        this.#hearLater();
        return undefined;
      });
  }

  #hearLater(): void {
    if (this.#closed || this.#listeners.size === 0 || this.#retry !== undefined) return;
    this.#retry = setTimeout(() => {
      this.#retry = undefined;
      if (this.#listeners.size > 0) this.#hear();
    }, RETRY_MS);
    this.#retry.unref();
  }

  /** Not waited for: a server that does not answer must not hold up a store that closes. */
  #stopHearing(): void {
    clearTimeout(this.#retry);
    this.#retry = undefined;
    const hearing = this.#hearing;
    this.#hearing = undefined;
    // A way out that fails: the connection is gone, and the channel with it.
    hearing?.then((leave) => leave?.()).catch(() => undefined);
  }

  #heard(text: string): void {
    const [from, ready, runs] = JSON.parse(text) as readonly [string, boolean, readonly RunId[]];
    if (from === this.#self) return;
    for (const listener of this.#listeners) listener({ ready, runs });
  }
}
