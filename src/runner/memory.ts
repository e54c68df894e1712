import { FlujoError } from "../domain/errors.ts";
import { MemoryManager } from "../agents/memory/memory.ts";
import type { Clock } from "../domain/ambient.ts";
import type { Veil } from "../policies/govern/veil.ts";
import type { Agency } from "../ports/agency.ts";
import type { Embedder } from "../ports/model.ts";
import type { VectorStore } from "../ports/vector.ts";
import type { StepLogger } from "../worker/step-context.ts";
import { type IndexedStep, MemoryIndex } from "./memory-index.ts";

export interface MemoryOptions {
  /** Stays yours to close, after the runner. */
  readonly store: VectorStore;
  /** "openai:text-embedding-3-small", a name among `embedders`, or an embedder. Found when it is first needed. */
  readonly embedder: string | Embedder;
  /**
   * Which steps' outputs are remembered by themselves, when they are texts: in the background, after they were recorded. No budget
   * pays for these embeddings; what fails is logged. Where governance conceals what leaves the process, placeholders are
   * remembered. Runs that are not persisted are not. Default: none.
   */
  readonly index?: (step: IndexedStep) => boolean;
}

interface WithMemory {
  readonly memory?: MemoryOptions;
  readonly resources?: Readonly<Record<string, unknown>>;
}

/** What steps reach as resources, their memory among them, see `memoryOf`. Throws OPTION_INVALID where the name is taken. */
export function resourcesWithMemory({ memory, resources = {} }: WithMemory): Readonly<Record<string, unknown>> {
  if (memory === undefined) return resources;
  if (Object.hasOwn(resources, "memory"))
    throw new FlujoError("OPTION_INVALID", "expected no resource called memory beside the option of that name");
  return { ...resources, memory: new MemoryManager(memory.store, memory.embedder) };
}

export interface MemoryDeps {
  readonly find: Agency["embedder"];
  readonly logger: StepLogger;
  readonly clock: Pick<Clock, "after">;
  readonly veil: Veil | undefined;
}

/** Undefined where nothing is to be remembered by itself. */
export function memoryIndex(
  { memory }: WithMemory,
  { find, logger, clock, veil }: MemoryDeps,
): MemoryIndex | undefined {
  if (memory?.index === undefined) return undefined;
  const conceal = veil && ((text: string): Promise<string> => veil.conceal((hide) => hide(text)));
  return new MemoryIndex({
    memoryUntil: (signal) => new MemoryManager(memory.store, memory.embedder).until(signal, find),
    wanted: memory.index,
    logger,
    clock,
    ...(conceal && { conceal }),
  });
}
