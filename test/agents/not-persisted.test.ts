import { agent, flow, scriptedModel, tool } from "flujo";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { Scene } from "../engine/scene.ts";

const ADD = tool({ name: "add", description: "adds one", input: z.object({ n: z.number() }), run: ({ n }) => n + 1 });
const ASK = tool({
  name: "ask",
  description: "asks a person, who never answers",
  input: z.object({ n: z.number() }),
  requiresApproval: true,
  approvalDeadline: 1,
  run: ({ n }) => n + 1,
});
const add = (n: number, name = "add") => ({ name, arguments: { n } });

describe("a granular agent in a run that is not persisted", () => {
  it.each([
    ["after several calls at once", [{ calls: [add(1), add(2)] }]],
    ["after a model that asked to slow down", [{ calls: [add(1)] }, { error: { status: 429, retryAfterMs: 1 } }]],
    ["after a pause that nobody ended", [{ calls: [add(1, "ask")] }]],
  ])("knows what was said %s", async (_, before) => {
    using model = scriptedModel([...before, ({ messages }) => messages.map(({ role }) => role).join(" ")]);
    const f = flow("f", { version: "1" })
      .input<string>()
      .agent("a", agent({ name: "a", model, tools: [ADD, ASK] }), { granular: true, retry: { attempts: 2, delay: 0 } })
      .build();
    await using scene = new Scene("memory");
    const flujo = scene.open({ flows: [f] });
    const handle = await flujo.run(f, "hi", { persist: false });
    expect(handle).toMatchObject({ status: "completed", output: "user assistant tool" });
    expect((await flujo.list()).items).toEqual([]);
  });
});
