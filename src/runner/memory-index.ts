import { unlessAborted } from "../domain/abort.ts";
import type { Clock } from "../domain/ambient.ts";
import type { Fact } from "../domain/event.ts";
import { placeOf } from "../domain/ids.ts";
import { sha256 } from "../domain/sha256.ts";
import type { Memory, MemoryEntry } from "../agents/memory/memory.ts";
import type { StepLogger } from "../worker/step-context.ts";

/** A step whose output may be remembered. */
export interface IndexedStep {
  readonly run: string;
  readonly flow: string;
  /** `root/draft`. */
  readonly path: string;
  readonly visit: string;
}

export interface IndexDeps {
  readonly memoryUntil: (signal: AbortSignal) => Memory;
  readonly wanted: (step: IndexedStep) => boolean;
  readonly logger: StepLogger;
  readonly clock: Pick<Clock, "after">;
  /** Puts placeholders where people stand. */
  readonly conceal?: (text: string) => Promise<string>;
}

/** Outputs that wait to be embedded: at 4 KB each, 4 MB. What comes to a full queue is not remembered. */
const MAX_WAITING = 1_000;
const MAX_BATCH = 64;
/** How long closing waits for what is left. */
const DRAIN_MS = 5_000;

/**
 * Remembers texts that steps gave, after they were recorded and beside the runs: nothing waits for it, nothing fails with it. An
 * entry is named by run and step, so what is recorded twice is remembered once. Source: Flujo, MemoryManager.
 */
export class MemoryIndex {
  readonly #with: IndexDeps;
  readonly #stop = new AbortController();
  #waiting: MemoryEntry[] = [];
  #working: Promise<void> | undefined;
  #dropped = 0;

  constructor(deps: IndexDeps) {
    this.#with = deps;
  }

  /** Takes in what was just recorded. Never throws. */
  take({ run, flow }: Pick<IndexedStep, "run" | "flow">, facts: readonly Fact[]): void {
    for (const fact of facts) {
      if (fact.type !== "step.completed" || typeof fact.output !== "string" || fact.output.trim() === "") continue;
      const { path, visit, output } = fact;
      if (!this.#isWanted({ run, flow, path, visit })) continue;
      if (this.#waiting.length === MAX_WAITING) this.#dropped += 1;
      else this.#waiting.push(entryOf({ run, flow, path, visit }, output));
    }
    if (this.#waiting.length > 0) this.#working ??= this.#work();
  }

  /** Gives what is left some seconds, then up. */
  async close(): Promise<void> {
    const cancel = this.#with.clock.after(DRAIN_MS, () => this.#stop.abort());
    await this.#working;
    cancel();
  }

  #isWanted(step: IndexedStep): boolean {
    try {
      return this.#with.wanted(step);
    } catch (error) {
      this.#say("memory.index threw", { ...step, error });
      return false;
    }
  }

  async #work(): Promise<void> {
    const memory = this.#with.memoryUntil(this.#stop.signal);
    while (this.#waiting.length > 0 && !this.#stop.signal.aborted) {
      const batch = this.#waiting.splice(0, MAX_BATCH);
      try {
        await unlessAborted(this.#remember(memory, batch), this.#stop.signal);
      } catch (error) {
        this.#say("outputs could not be remembered", { outputs: batch.length, error });
      }
      if (this.#dropped > 0) this.#say("outputs came faster than they could be remembered", { outputs: this.#dropped });
      this.#dropped = 0;
    }
    if (this.#waiting.length > 0)
      this.#say("closed before all outputs were remembered", { outputs: this.#waiting.length });
    this.#waiting = [];
    this.#working = undefined;
  }

  async #remember(memory: Memory, batch: readonly MemoryEntry[]): Promise<void> {
    const { conceal = (text) => Promise.resolve(text) } = this.#with;
    const texts = await Promise.all(batch.map(({ text }) => conceal(text)));
    await memory.rememberAll(batch.map((entry, i) => ({ ...entry, text: texts[i] ?? "" })));
  }

  #say(message: string, fields: Readonly<Record<string, unknown>>): void {
    this.#with.logger.log("warn", message, fields);
  }
}

const entryOf = ({ run, flow, path, visit }: IndexedStep, text: string): MemoryEntry => ({
  text,
  metadata: { run, flow, step: path, visit },
  id: sha256(`${run}/${placeOf(path, visit)}`),
});
