import { agent, enforceJson, flow, Flujo, stripMarkdownFences } from "flujo";
import { memoryStore } from "flujo/testing";
import { describe, expect, it } from "vitest";
import { scriptedModel } from "../../src/agents/models/scripted/scripted-model.ts";
import type { ModelRequest } from "../../src/ports/model.ts";
import { factsOf } from "./bench.ts";

const promptOf = ({ messages }: ModelRequest): string =>
  messages.map((one) => ("text" in one ? one.text : "")).join("|");
const usage = { inputTokens: 10, outputTokens: 5 };

describe.each([false, true])("around an agent (granular: %s)", (granular) => {
  it("processors act on its prompt and on the text of its answer", async () => {
    await using flujo = new Flujo({ store: memoryStore() });
    const model = scriptedModel([{ text: "```sql\nselect 1\n```" }]);
    const writer = agent({ name: "writer", model, prompt: "Write SQL" });
    const built = flow("processed", { version: "1" })
      .agent("write", writer, {
        granular,
        processors: { prompt: [(prompt) => `${String(prompt)}, please`], output: [stripMarkdownFences("sql")] },
      })
      .build();
    expect(await flujo.run(built, null)).toMatchObject({ output: "select 1" });
    expect(model.calls.map(({ request }) => promptOf(request))).toEqual(["Write SQL, please"]);
  });

  it("validators judge its answer", async () => {
    await using flujo = new Flujo({ store: memoryStore() });
    const writer = agent({ name: "writer", model: scriptedModel([{ text: "no" }]) });
    const built = flow("judged", { version: "1" })
      .agent("write", writer, {
        granular,
        validators: [
          { name: "long", validate: (text) => ({ isValid: text.length > 3, feedback: `"${text}" is short` }) },
        ],
      })
      .build();
    expect(await flujo.run(built, "x")).toMatchObject({
      failure: { code: "VALIDATION_FAILED", message: '"no" is short' },
    });
  });

  it("another agent takes over when it fails, and what both spent is counted", async () => {
    await using flujo = new Flujo({ store: memoryStore() });
    const first = agent({ name: "first", model: scriptedModel([{ text: "bad", usage }]) });
    const second = agent({ name: "second", model: scriptedModel([{ text: "good", usage }]) });
    const built = flow("fallback", { version: "1" })
      .agent("write", first, { granular, validators: [{ validate: (text) => text !== "bad" }], fallback: second })
      .build();
    const result = await flujo.run(built, "x");
    expect(result).toMatchObject({ output: "good" });
    expect((await factsOf(flujo, result.runId, "step.completed")).at(-1)?.path).toBe("root/write/fallback");
    expect(await flujo.usage(result.runId)).toMatchObject({ inputTokens: 20, outputTokens: 10, requests: 2 });
  });
});

describe("an agent that is one step", () => {
  it("is not asked again, and spends nothing, when its answer is kept", async () => {
    await using flujo = new Flujo({ store: memoryStore() });
    const model = scriptedModel([
      { text: "{}", usage },
      { text: "other", usage },
    ]);
    const build = (prompt: string) =>
      flow("cached", { version: prompt.length.toString() })
        .agent("write", agent({ name: "writer", model, prompt }), { cache: true })
        .build();
    await flujo.run(build("one"), "x");
    const hit = await flujo.run(build("one"), "x");
    expect(hit).toMatchObject({ output: "{}" });
    expect(await flujo.usage(hit.runId)).toMatchObject({ requests: 0, inputTokens: 0 });
    expect(await flujo.run(build("another"), "x")).toMatchObject({ output: "other" });
  });

  it("asks again when an output processor refuses its text, while attempts remain", async () => {
    await using flujo = new Flujo({ store: memoryStore() });
    const model = scriptedModel([{ text: "no JSON" }, { text: '{"a":1}' }]);
    const built = flow("retried", { version: "1" })
      .agent("write", agent({ name: "writer", model }), {
        retry: { attempts: 2, backoff: "immediate" },
        processors: { output: [enforceJson()] },
      })
      .build();
    expect(await flujo.run(built, "x")).toMatchObject({ output: { a: 1 } });
  });

  it("sends its input to another agent when a plugin says so", async () => {
    await using flujo = new Flujo({ store: memoryStore() });
    const expertModel = scriptedModel([{ text: "expert" }]);
    const expert = agent({ name: "expert", model: expertModel });
    const built = flow("redirected", { version: "1" })
      .agent("write", agent({ name: "writer", model: scriptedModel([{ text: "guess" }]) }), {
        plugins: [{ name: "check", validate: (text) => ({ success: text === "expert", redirectTo: expert }) }],
      })
      .build();
    expect(await flujo.run(built, "the question")).toMatchObject({ output: "expert" });
    expect(expertModel.calls.map(({ request }) => promptOf(request))).toEqual(["the question"]);
  });
});

describe("a granular agent", () => {
  const writer = agent({ name: "writer", model: scriptedModel([]) });

  it.each([
    ["cache", { cache: true }],
    ["plugins", { plugins: [{ name: "one", validate: () => ({ success: true }) }] }],
    ["onInvalid", { onInvalid: "retry", validators: [{ validate: () => true }] }],
  ] as const)("cannot have %s: its turns are recorded", (name, options) => {
    const build = () =>
      flow("refused", { version: "1" })
        .agent("write", writer, { granular: true, ...options })
        .build();
    expect(build).toThrow(`${name}:`);
  });
});
