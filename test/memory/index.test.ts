import { type Embedder, memory, memoryVectors } from "flujo";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { MemoryManager } from "../../src/agents/memory/memory.ts";
import type { Fact } from "../../src/domain/event.ts";
import { nodePath } from "../../src/domain/ids.ts";
import type { Wire } from "../../src/domain/wire.ts";
import type { VectorStore } from "../../src/ports/vector.ts";
import { MemoryIndex } from "../../src/runner/memory-index.ts";

let store: VectorStore;
let said: string[];
/** Ends the time that closing waits. */
let timeIsUp: (() => void) | undefined;
beforeEach(() => {
  store = memoryVectors();
  said = [];
  timeIsUp = undefined;
});
afterEach(() => store.close());

const completed = (output: Wire, n = 0): Fact => ({
  type: "step.completed",
  path: nodePath("root/say"),
  visit: String(n),
  attempt: 1,
  startedAt: 0,
  output,
});
const RUN = { run: "run-1", flow: "talk" };

const flat: Embedder = {
  provider: "test",
  id: "flat",
  embed: async (texts) => ({ vectors: texts.map(() => [1]), usage: { inputTokens: 0 } }),
};
const silent: Embedder = { ...flat, embed: () => new Promise(() => undefined) };

const indexWith = (embedder: Embedder, wanted: () => boolean = () => true): MemoryIndex =>
  new MemoryIndex({
    memoryUntil: (signal) => new MemoryManager(store, embedder).until(signal, () => Promise.resolve(embedder)),
    wanted,
    logger: {
      log: (level, message, fields) => void said.push(`${level}: ${message} ${JSON.stringify(fields["outputs"] ?? 0)}`),
    },
    clock: {
      after: (_, callback) => {
        timeIsUp = callback;
        return () => undefined;
      },
    },
  });

const texts = async (): Promise<readonly unknown[]> =>
  (await memory(store, flat).retrieve([1], { limit: 1_000 })).map(({ text }) => text);

describe("an index of outputs", () => {
  it("takes texts that say something, and nothing else", async () => {
    const index = indexWith(flat);
    index.take(RUN, [
      completed("one", 1),
      completed("  ", 2),
      completed(3, 3),
      completed({ a: "b" }, 4),
      completed(null, 5),
    ]);
    await index.close();
    expect(await texts()).toEqual(["one"]);
  });

  it("keeps one entry of a step that is recorded twice", async () => {
    const index = indexWith(flat);
    index.take(RUN, [completed("first")]);
    index.take(RUN, [completed("second")]);
    await index.close();
    expect(await texts()).toEqual(["second"]);
  });

  it("leaves out what comes to a full queue, and says how much", async () => {
    const index = indexWith(flat);
    index.take(
      RUN,
      Array.from({ length: 1_100 }, (_, n) => completed(`n${n}`, n)),
    );
    await index.close();
    expect(await texts()).toHaveLength(1_000);
    expect(said).toEqual(["warn: outputs came faster than they could be remembered 100"]);
  });

  it("is not stopped by a rule that throws", async () => {
    const index = indexWith(flat, () => {
      throw new Error("broken");
    });
    index.take(RUN, [completed("one")]);
    await index.close();
    expect(await texts()).toEqual([]);
    expect(said).toEqual(["warn: memory.index threw 0"]);
  });

  it("gives up on an embedder that never answers when the time to close is over", async () => {
    const index = indexWith(silent);
    index.take(
      RUN,
      Array.from({ length: 65 }, (_, n) => completed(`n${n}`, n)),
    );
    const closing = index.close();
    timeIsUp?.();
    await closing;
    expect(said).toEqual([
      "warn: outputs could not be remembered 64",
      "warn: closed before all outputs were remembered 1",
    ]);
  });
});
