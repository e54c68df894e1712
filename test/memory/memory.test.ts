import { agent, type Embedder, flow, memory, memoryOf, memoryVectors, tool, type VectorStore } from "flujo";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { z } from "zod";
import { scriptedModel } from "../../src/testing.ts";
import { Scene } from "../engine/scene.ts";

const WORDS = ["cat", "dog", "car", "bus"];

/** A text is what it says of four words; each token is a micro-dollar. */
class Words implements Embedder {
  readonly provider = "test";
  readonly id = "words";
  readonly price = { input: 1_000_000, output: 0 };
  readonly asked: (readonly string[])[] = [];
  fails: Error | undefined;

  async embed(texts: readonly string[]): ReturnType<Embedder["embed"]> {
    this.asked.push(texts);
    if (this.fails !== undefined) throw this.fails;
    const vectors = texts.map((text) => [0.01, ...WORDS.map((word) => text.split(word).length - 1)]);
    return { vectors, usage: { inputTokens: texts.length } };
  }
}

let words: Words;
let store: VectorStore;
beforeEach(() => {
  words = new Words();
  store = memoryVectors();
});
afterEach(() => store.close());

const PETS = ["a cat", "a cat and a dog", "a car", "a bus"];

describe("a memory", () => {
  it("finds what is nearest to a text", async () => {
    const mind = memory(store, words);
    await mind.rememberAll(PETS.map((text) => ({ text, metadata: { pet: text.includes("cat") } })));
    const found = await mind.retrieve("cat", { limit: 2 });
    expect(found.map(({ text }) => text)).toEqual(["a cat", "a cat and a dog"]);
    const others = await mind.retrieve("cat", { filter: { pet: false } });
    expect(new Set(others.map(({ text }) => text))).toEqual(new Set(["a car", "a bus"]));
    expect(words.asked).toEqual([PETS, ["cat"], ["cat"]]);
  });

  it("takes a vector without asking the embedder", async () => {
    const mind = memory(store, words);
    await mind.remember("a dog");
    expect(await mind.retrieve([0, 0, 1, 0, 0])).toMatchObject([{ text: "a dog" }]);
    expect(words.asked).toHaveLength(1);
  });

  it("remembers the same text once, and another meaning of it apart", async () => {
    const mind = memory(store, words);
    const first = await mind.remember("a cat", { of: 1 });
    expect(await mind.remember("a cat", { of: 1 })).toBe(first);
    expect(await mind.remember("a cat", { of: 2 })).not.toBe(first);
    expect(await mind.retrieve("cat")).toHaveLength(2);
    expect(await mind.forget([first])).toBe(1);
    expect(await mind.retrieve("cat")).toMatchObject([{ metadata: { of: 2 } }]);
  });

  it("takes no other number of vectors than it asked for", async () => {
    words.embed = () => Promise.resolve({ vectors: [], usage: { inputTokens: 0 } });
    await expect(memory(store, words).remember("a cat")).rejects.toMatchObject({ code: "MODEL_ANSWER_UNREADABLE" });
  });
});

const ask = flow("ask", { version: "1" })
  .input(z.string())
  .step("ask", async (question, ctx) => (await memoryOf(ctx).retrieve(question, { limit: 1 }))[0]?.text ?? "nothing")
  .build();

describe("a memory in a step", () => {
  it("is that of the runner, and the budget of the run pays", async () => {
    await using scene = new Scene("memory");
    await memory(store, words).rememberAll(PETS.map((text) => ({ text })));
    const options = { flows: [ask], memory: { store, embedder: "words" }, embedders: { words } };
    const flujo = scene.open({ ...options, limits: { costUsd: 1 } });
    const { runId, ...result } = await flujo.run(ask, "which bus");
    expect(result).toMatchObject({ status: "completed", output: "a bus" });
    expect(await flujo.usage(runId)).toMatchObject({ costUsd: 0.000_001, inputTokens: 1, requests: 1 });
  });

  it("does not embed what the budget cannot pay", async () => {
    await using scene = new Scene("memory");
    const flujo = scene.open({ flows: [ask], memory: { store, embedder: words }, limits: { costUsd: 0.000_001 } });
    const result = await flujo.run(ask, "which bus is it that goes where I want to go");
    expect(result).toMatchObject({ status: "failed", error: { code: "COST_LIMIT_EXCEEDED" } });
    expect(words.asked).toEqual([]);
  });

  it("is refused under a cost limit when nobody knows the price", async () => {
    await using scene = new Scene("memory");
    const unknown: Embedder = { provider: "test", id: "unknown", embed: (texts) => words.embed(texts) };
    const flujo = scene.open({ flows: [ask], memory: { store, embedder: unknown }, limits: { costUsd: 1 } });
    const result = await flujo.run(ask, "which bus");
    expect(result).toMatchObject({ status: "failed", error: { code: "PRICING_NOT_CONFIGURED" } });
    expect(words.asked).toEqual([]);
  });

  it("is paid for in a tool of an agent, too", async () => {
    await using scene = new Scene("memory");
    await memory(store, words).rememberAll(PETS.map((text) => ({ text })));
    const search = tool({
      name: "search",
      description: "Searches",
      input: z.object({ query: z.string() }),
      run: async ({ query }, ctx) => (await memoryOf(ctx).retrieve(query, { limit: 1 })).map(({ text }) => text ?? ""),
    });
    const model = scriptedModel([{ calls: [{ name: "search", arguments: { query: "dog" } }] }, { text: "found" }]);
    const reader = agent({ name: "reader", model, tools: [search] });
    const read = flow("read", { version: "1" }).input(z.string()).agent("read", reader).build();
    const flujo = scene.open({ flows: [read], memory: { store, embedder: words } });
    const { runId, ...result } = await flujo.run(read, "go");
    expect(result).toMatchObject({ status: "completed", output: "found" });
    expect(await flujo.usage(runId)).toMatchObject({ costUsd: 0.000_001, requests: 3, toolCalls: 1 });
  });

  it("that has none says what to do", async () => {
    await using scene = new Scene("memory");
    const result = await scene.open({ flows: [ask] }).run(ask, "which bus");
    expect(result).toMatchObject({ status: "failed", error: { code: "OPTION_INVALID" } });
  });

  it("cannot be hidden by a resource of the same name", async () => {
    await using scene = new Scene("memory");
    const both = { memory: { store, embedder: words }, resources: { memory: 1 } };
    expect(() => scene.open(both)).toThrow(expect.objectContaining({ code: "OPTION_INVALID" }));
  });
});

const draft = flow("draft", { version: "1" })
  .input(z.string())
  .step("write", (text) => `a ${text}`)
  .step("measure", (text) => text.length)
  .step("say", (length) => `length ${length}`)
  .build();

describe("outputs of steps", () => {
  const onlyWrite = (step: { readonly path: string }): boolean => step.path.endsWith("write");

  it("are remembered by themselves where they are wanted, and texts", async () => {
    await using scene = new Scene("memory");
    const flujo = scene.open({ flows: [draft], memory: { store, embedder: words, index: () => true } });
    const { runId } = await flujo.run(draft, "cat");
    await flujo.close();
    const found = await memory(store, words).retrieve("cat");
    expect(found.map(({ text }) => text)).toEqual(["a cat", "length 5"]);
    expect(found[0]?.metadata).toEqual({ run: runId, flow: "draft", step: "root/write", visit: "" });
  });

  it("are left alone where they are not wanted", async () => {
    await using scene = new Scene("memory");
    const flujo = scene.open({ flows: [draft], memory: { store, embedder: words, index: onlyWrite } });
    await flujo.run(draft, "cat");
    await flujo.run(draft, "dog", { persist: false });
    await flujo.close();
    expect((await memory(store, words).retrieve("cat")).map(({ text }) => text)).toEqual(["a cat"]);
  });

  it("that cannot be remembered are logged, and the run knows nothing of it", async () => {
    await using scene = new Scene("memory");
    const said: string[] = [];
    words.fails = new Error("no network");
    const flujo = scene.open({
      flows: [draft],
      memory: { store, embedder: words, index: onlyWrite },
      logger: { log: (level, message) => void said.push(`${level}: ${message}`) },
    });
    expect(await flujo.run(draft, "cat")).toMatchObject({ status: "completed" });
    await flujo.close();
    expect(said).toEqual(["warn: outputs could not be remembered"]);
  });

  it("wait for nobody: a run ends while its output is embedded", async () => {
    await using scene = new Scene("memory");
    let goOn = (): void => undefined;
    const gate = new Promise<void>((resolve) => {
      goOn = resolve;
    });
    const slow: Embedder = {
      provider: "test",
      id: "slow",
      embed: async (texts) => {
        await gate;
        return words.embed(texts);
      },
    };
    const flujo = scene.open({ flows: [draft], memory: { store, embedder: slow, index: onlyWrite } });
    expect(await flujo.run(draft, "cat")).toMatchObject({ status: "completed" });
    expect(await flujo.run(draft, "dog")).toMatchObject({ status: "completed" });
    expect(words.asked).toEqual([]);
    goOn();
    await flujo.close();
    expect(words.asked).toEqual([["a cat"], ["a dog"]]);
  });
});
