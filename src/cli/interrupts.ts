import type { Io, StopSignal } from "./io.ts";

/** What Ctrl-C means: the first asks a command that can stop gracefully to do so, the second (or the first, for others) ends it. */
export class Interrupts {
  /** Resolves when nobody shall wait any longer. */
  readonly now: Promise<void>;
  readonly #graceful = new AbortController();
  readonly #stop: () => void;
  #end: () => void = () => undefined;
  #listening = false;
  /** The signal that came first. */
  signal: StopSignal | undefined;

  constructor(io: Io) {
    this.now = new Promise((resolve) => {
      this.#end = resolve;
    });
    this.#stop = io.onSignal((signal) => this.#received(signal));
  }

  /** For commands that stop gracefully: aborted at the first signal. */
  get graceful(): AbortSignal {
    this.#listening = true;
    return this.#graceful.signal;
  }

  close(): void {
    this.#stop();
  }

  #received(signal: StopSignal): void {
    if (this.signal !== undefined || !this.#listening) this.#end();
    this.signal ??= signal;
    this.#graceful.abort(new Error(`interrupted by ${signal}`));
  }
}
