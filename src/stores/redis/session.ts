import { FlujoError } from "../../domain/errors.ts";
import type { WakeHint } from "../../ports/store.ts";
import type { Hints } from "./hints.ts";
import type { Partition } from "./partition.ts";
import { listIn, runIdIn } from "./rows.ts";
import type { Operation } from "./scripts.ts";

/** Runs, ids and fibers that one script takes. */
export const STEP = 200;

export interface Written {
  readonly result: unknown;
  /** Whether the operation has more to do. */
  readonly more: boolean;
}

/** A partition while its store is open; what a write made ready is told once it was acknowledged. */
export class Session {
  readonly partition: Partition;
  readonly #hints: Hints;
  #closed = false;

  constructor(partition: Partition, hints: Hints) {
    this.partition = partition;
    this.#hints = hints;
  }

  /** Itself, or STORE_CLOSED. */
  get open(): this {
    if (this.#closed) throw new FlujoError("STORE_CLOSED", `the store ${this.partition.where} was closed`);
    return this;
  }

  async read(operation: Operation, ...args: readonly string[]): Promise<unknown> {
    return this.open.partition.run(operation, ...args);
  }

  /** From { result, whether something became ready, runs to tell of, whether there is more to do }. */
  async write(operation: Operation, ...args: readonly string[]): Promise<Written> {
    const [result, ready, runs, more] = listIn(await this.read(operation, ...args));
    this.#hints.tell(ready === 1, listIn(runs).map(runIdIn));
    return { result, more: more === 1 };
  }

  async send(command: string, key: string, ...args: readonly string[]): Promise<unknown> {
    return this.open.partition.send(command, key, ...args);
  }

  subscribe(wake: (hint: WakeHint) => void): () => void {
    return this.#hints.subscribe(wake);
  }

  /** Whether it was open. */
  close(): boolean {
    if (this.#closed) return false;
    this.#closed = true;
    this.#hints.close();
    return true;
  }
}
