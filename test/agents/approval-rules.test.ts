import { agent, flow, type RunResult, scriptedModel, tool } from "flujo";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { Scene } from "../engine/scene.ts";

const PRICE = { input: 1_000_000, output: 1_000_000 };
const PAYMENT = z.object({ to: z.object({ name: z.string() }), idempotency_key: z.string() });
const quiet = { log: () => undefined };

/** A run whose model wants to make one payment, and then repeats what it was told of it. */
async function paying(
  given: unknown,
  requiresApproval: (payment: z.infer<typeof PAYMENT>) => boolean,
): Promise<{ result: RunResult; paid: number; requests: number }> {
  let paid = 0;
  const pay = tool({ name: "pay", description: "", input: PAYMENT, requiresApproval, run: () => void (paid += 1) });
  const model = scriptedModel(
    [{ calls: [{ name: "pay", arguments: given as never }] }, ({ messages }) => JSON.stringify(messages.at(-1))],
    { price: PRICE },
  );
  const f = flow("f", { version: "1" })
    .input<string>()
    .agent("a", agent({ name: "a", model, tools: [pay] }), { granular: true })
    .build();
  await using scene = new Scene("memory");
  const result = await scene.open({ flows: [f], logger: quiet }).run(f, "");
  return { result, paid, requests: model.calls.length };
}

describe("a rule that says which calls a person has to approve", () => {
  it("is asked of what satisfies the schema, with the key that the call will get", async () => {
    const { result, paid } = await paying({ to: { name: "ann" } }, ({ to }) => to.name !== "ann");
    expect(result).toMatchObject({ status: "completed" });
    expect(paid).toBe(1);
  });

  it("makes the run wait for a person", async () => {
    const { result, paid } = await paying({ to: { name: "bob" } }, ({ to }) => to.name !== "ann");
    expect(result).toMatchObject({ status: "paused", pauses: [{ question: { tool: "pay" } }] });
    expect(paid).toBe(0);
  });

  it("is not asked of what the model got wrong: that is told to the model, after one call", async () => {
    const { result, paid, requests } = await paying({ to: null }, ({ to }) => to.name !== "ann");
    expect(result).toMatchObject({ status: "completed", output: expect.stringContaining("TOOL_ARGUMENTS_INVALID") });
    expect([paid, requests]).toEqual([0, 2]);
  });

  it("is no permission when it throws", async () => {
    const { result, paid } = await paying({ to: { name: "ann" } }, () => {
      throw new Error("who is that?");
    });
    expect(result).toMatchObject({ status: "paused" });
    expect(paid).toBe(0);
  });

  it("lets nothing pass that nobody was asked about", async () => {
    let asked = 0;
    const { result, paid } = await paying({ to: { name: "ann" } }, () => asked++ > 0);
    expect(result).toMatchObject({ status: "completed", output: expect.stringContaining("APPROVAL_INVALID") });
    expect(paid).toBe(0);
  });
});

describe("a turn whose answer stays useless", () => {
  it("is not paid for again: the model was told what is wrong", async () => {
    const model = scriptedModel(["prose", "prose", "prose"], { price: PRICE });
    const f = flow("f", { version: "1" })
      .input<string>()
      .agent("a", agent({ name: "a", model, output: z.object({ ok: z.boolean() }) }), { granular: true })
      .build();
    await using scene = new Scene("memory");
    expect(await scene.open({ flows: [f] }).run(f, "")).toMatchObject({ failure: { code: "AGENT_OUTPUT_INVALID" } });
    model.assertDone();
  });
});
