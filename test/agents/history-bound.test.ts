import { agent, flow, scriptedModel, tool } from "flujo";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { Scene } from "../engine/scene.ts";

const HISTORY_MAX_TOKENS = 1_000;
const CHARACTERS_PER_TOKEN = 4;

const reading = tool({
  name: "read",
  description: "Reads a page.",
  input: z.object({}),
  run: () => "x".repeat(100_000),
});

describe.each([
  ["granular", true],
  ["whole", false],
] as const)("a %s agent", (_, granular) => {
  it("shows its model no more of a large result than the history may have, also of the last one", async () => {
    using model = scriptedModel([{ calls: [{ name: "read" }] }, { calls: [{ name: "read" }] }, "read"]);
    const reader = agent({ name: "reader", model, tools: [reading] });
    const read = flow("read", { version: "1" })
      .input<string>()
      .agent("read", reader, { granular, historyMaxTokens: HISTORY_MAX_TOKENS })
      .build();
    await using scene = new Scene("memory");
    const result = await scene.open({ flows: [read] }).run(read, "read it");
    expect(result).toMatchObject({ status: "completed", output: "read" });
    const shown = model.calls.map(({ request }) => JSON.stringify(request.messages).length);
    // What the messages are wrapped in comes on top.
    expect(Math.max(...shown)).toBeLessThan(HISTORY_MAX_TOKENS * CHARACTERS_PER_TOKEN * 1.5);
  });
});

describe("a turn that fails", () => {
  it("asks the same again", async () => {
    using model = scriptedModel([{ calls: [{ name: "read" }] }, { error: 503 }, "read"]);
    const reader = agent({ name: "reader", model, tools: [reading] });
    const read = flow("read", { version: "1" })
      .input<string>()
      .agent("read", reader, { granular: true, retry: { attempts: 2, delay: 0 } })
      .build();
    await using scene = new Scene("memory");
    expect(await scene.open({ flows: [read] }).run(read, "read it")).toMatchObject({ output: "read" });
    const [, failed, again] = model.calls;
    expect(again).toEqual(failed);
  });
});
