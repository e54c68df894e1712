import {
  agent,
  type ContextReference,
  flow,
  isReference,
  reference,
  scriptedModel,
  storeStateProvider,
  tool,
} from "flujo";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { Scene } from "../engine/scene.ts";

const NOTES = reference<string>("state", "notes");

/** Adds a line to what the run has by reference. */
const note = tool({
  name: "note",
  description: "Takes a note",
  input: z.object({ line: z.string() }),
  run: async ({ line }, ctx) => {
    const { notes } = ctx.context as { readonly notes: ContextReference<string> };
    const [held] = await ctx.hydrate(notes);
    held.set(`${held.get()}, ${line}`);
    return "noted";
  },
});

describe.each([
  ["whole", false],
  ["granular", true],
] as const)("a tool of a %s agent", (_, granular) => {
  it("reads and changes what the run has by reference", async () => {
    await using scene = new Scene("sqlite");
    const call = (line: string): { readonly calls: [{ name: string; arguments: { line: string } }] } => ({
      calls: [{ name: "note", arguments: { line } }],
    });
    using model = scriptedModel([call("one"), call("two"), "done"]);
    const noter = agent({ name: "noter", model, tools: [note] });
    const take = flow("take", { version: "1" })
      .input(z.string())
      .context(z.object({ notes: z.custom<ContextReference<string>>(isReference).default(NOTES) }))
      .step("begin", (said, ctx) => {
        ctx.reference(ctx.context.notes).set("zero");
        return said;
      })
      .agent("note", noter, { granular })
      .step("read", async (_said, ctx) => (await ctx.hydrate(ctx.context.notes))[0].get())
      .build();
    const flujo = scene.open({ flows: [take], stateProviders: { state: storeStateProvider() } });
    expect(await flujo.run(take, "go")).toMatchObject({ status: "completed", output: "zero, one, two" });
  });
});
