import { agent, type Agent, flow, scriptedModel, tool, type ToolContext } from "flujo";
import { setImmediate as turnOfTheEventLoop } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { Scene } from "../engine/scene.ts";

const PRICE = { input: 1_000_000, output: 1_000_000 };
const RETRY = { attempts: 2, delay: 0 } as const;
const NAMED = z.object({ name: z.string() });

const oneStep = (whole: Agent<unknown, string>, options: { readonly toolConcurrency?: number } = {}) =>
  flow("f", { version: "1" })
    .input<string>()
    .agent("a", whole, { retry: RETRY, ...options })
    .build();

const call = (name: string, argument: string) => ({ name, arguments: { name: argument } });

describe("an agent in one step that is tried again", () => {
  it("keeps the key of a call that is the same, and gives any other call another one", async () => {
    const charged: (readonly [name: string, key: string])[] = [];
    const charge = tool({
      name: "charge",
      description: "charges somebody",
      input: NAMED,
      run: ({ name }, { idempotencyKey }) => void charged.push([name, idempotencyKey]),
    });
    using model = scriptedModel(
      [
        { calls: [call("charge", "ann")] },
        { error: 503 },
        { calls: [call("charge", "bob")] },
        { calls: [call("charge", "ann"), call("charge", "ann")] },
        "done",
      ],
      { price: PRICE },
    );
    await using scene = new Scene("memory");
    const once = oneStep(agent({ name: "a", model, tools: [charge] }));
    expect(await scene.open({ flows: [once] }).run(once, "")).toMatchObject({ status: "completed", output: "done" });
    const [ann, bob, again, twice] = charged.map(([, key]) => key);
    expect(charged.map(([name]) => name)).toEqual(["ann", "bob", "ann", "ann"]);
    expect(again).toBe(ann);
    expect(new Set([ann, bob, twice]).size).toBe(3);
  });

  it("does not begin before the other tools of the attempt have ended: they are told to stop", async () => {
    let running = 0;
    const seen: number[] = [];
    const listening = async ({ signal }: ToolContext): Promise<void> => {
      running += 1;
      await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
      running -= 1;
    };
    const slow = tool({ name: "slow", description: "", input: NAMED, run: (_, ctx) => listening(ctx) });
    const bad = tool({
      name: "bad",
      description: "",
      input: NAMED,
      onError: "fail",
      run: () => {
        throw new Error("no");
      },
    });
    const both = { calls: [call("slow", "a"), call("bad", "b")] };
    const second = (): string => {
      seen.push(running);
      return "done";
    };
    using model = scriptedModel([both, second], { price: PRICE });
    await using scene = new Scene("memory");
    const once = oneStep(agent({ name: "a", model, tools: [slow, bad] }));
    expect(await scene.open({ flows: [once] }).run(once, "")).toMatchObject({ status: "completed" });
    expect(seen).toEqual([0]);
  });

  it("runs no more tools at once than it may", async () => {
    let running = 0;
    let most = 0;
    const work = tool({
      name: "work",
      description: "",
      input: NAMED,
      run: async () => {
        most = Math.max(most, ++running);
        await turnOfTheEventLoop();
        running -= 1;
      },
    });
    using model = scriptedModel([{ calls: ["a", "b", "c", "d", "e"].map((name) => call("work", name)) }, "done"], {
      price: PRICE,
    });
    await using scene = new Scene("memory");
    const once = oneStep(agent({ name: "a", model, tools: [work] }), { toolConcurrency: 2 });
    expect(await scene.open({ flows: [once] }).run(once, "")).toMatchObject({ status: "completed" });
    expect(most).toBe(2);
  });
});

describe("an agent, in one step or in many", () => {
  it.each([true, false])("tells the model which tools there are (granular: %s)", async (granular) => {
    const unknown = tool({ name: "unknown", description: "", input: NAMED, run: ({ name }) => `hello ${name}` });
    using model = scriptedModel([{ calls: [call("nobody", "x")] }, ({ messages }) => JSON.stringify(messages.at(-1))], {
      price: PRICE,
    });
    const f = flow("f", { version: "1" })
      .input<string>()
      .agent("a", agent({ name: "a", model, tools: [unknown] }), { granular })
      .build();
    await using scene = new Scene("memory");
    const result = await scene.open({ flows: [f] }).run(f, "");
    expect(result.status === "completed" && result.output).toContain("there are: unknown");
  });

  it.each([true, false])("tells the model of no key that a tool's failure repeats (granular: %s)", async (granular) => {
    const bad = tool({
      name: "bad",
      description: "",
      input: NAMED,
      run: () => {
        throw new Error("401 for sk-proj-abcdefgh12345678");
      },
    });
    using model = scriptedModel([{ calls: [call("bad", "x")] }, ({ messages }) => JSON.stringify(messages.at(-1))], {
      price: PRICE,
    });
    const f = flow("f", { version: "1" })
      .input<string>()
      .agent("a", agent({ name: "a", model, tools: [bad] }), { granular })
      .build();
    await using scene = new Scene("memory");
    const result = await scene.open({ flows: [f] }).run(f, "");
    expect(result.status === "completed" && result.output).toContain("401 for [secret]");
  });

  it.each([true, false])("makes no calls in its last turn (granular: %s)", async (granular) => {
    let made = 0;
    const work = tool({ name: "work", description: "", input: NAMED, run: () => void (made += 1) });
    using model = scriptedModel([{ calls: [call("work", "x")] }], { price: PRICE });
    const f = flow("f", { version: "1" })
      .input<string>()
      .agent("a", agent({ name: "a", model, tools: [work] }), { granular, maxTurns: 1 })
      .build();
    await using scene = new Scene("memory");
    expect(await scene.open({ flows: [f] }).run(f, "")).toMatchObject({ failure: { code: "AGENT_TURNS_EXCEEDED" } });
    expect(made).toBe(0);
  });

  it.each([
    [{ maxTurns: 0 }, "maxTurns: expected a whole number from 1 to 1000000 but found 0"],
    [{ maxTurns: Number.NaN }, "maxTurns: expected a whole number from 1 to 1000000 but found NaN"],
    [{ historyMaxTokens: -1 }, "historyMaxTokens: expected a whole number from 1"],
    [{ toolConcurrency: 0 }, "toolConcurrency: expected a whole number from 1"],
  ])("refuses %o when the flow is built", (bounds, said) => {
    const model = scriptedModel([]);
    for (const granular of [true, false]) {
      const building = (): unknown =>
        flow("f", { version: "1" })
          .input<string>()
          .agent("a", agent({ name: "a", model }), { granular, ...bounds })
          .build();
      expect(building).toThrow(said);
    }
  });
});
