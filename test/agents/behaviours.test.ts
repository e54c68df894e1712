import {
  agent,
  type AgentStepOptions,
  type ApprovalQuestion,
  flow,
  type Flow,
  Flujo,
  type Model,
  scriptedModel,
  tool,
  toolAllowList,
  type ToolOptions,
} from "flujo";
import { expect, it } from "vitest";
import { z } from "zod";
import type { AgentOptions } from "../../src/agents/agent.ts";
import type { ScriptStep } from "../../src/agents/models/scripted/script.ts";
import type { StrictModel } from "../../src/agents/models/scripted/scripted-model.ts";
import type { ToolAnswer } from "../../src/ports/model.ts";
import { memoryStore } from "../../src/testing.ts";
import { VirtualClock } from "../engine/clock.ts";
import { eventsOf } from "../engine/reading.ts";
import { Scene } from "../engine/scene.ts";
import { BACKENDS, describeOn } from "../setup/backends.ts";

const THREE = BACKENDS.filter(({ name }) => ["memory", "sqlite", "postgres"].includes(name));
type How = Pick<AgentStepOptions, "granular" | "maxTurns" | "historyMaxTokens" | "fingerprint">;
const GRANULAR: How = { granular: true };
const call = (name: string, given: { readonly [name: string]: number | string } = {}): ScriptStep => ({
  calls: [{ name, arguments: given }],
});

let rang: number[] = [];
const bell = tool({
  name: "bell",
  description: "Rings so many times.",
  input: z.object({ times: z.number() }),
  run: ({ times }) => {
    rang.push(times);
    return "x".repeat(times);
  },
});

type Options = Partial<Omit<AgentOptions<unknown, never>, "output">>;

const ringing = (model: Model, options: Options = {}, how: How = GRANULAR): Flow<unknown, unknown> =>
  flow("ringing", { version: "1" })
    .agent("ringer", agent<unknown>({ name: "ringer", model, prompt: "Ring.", tools: [bell], ...options }), how)
    .build();

/** What the model was told of its last calls. */
const told = ({ calls }: StrictModel): readonly ToolAnswer[] => {
  const last = calls.at(-1)?.request.messages.at(-1);
  return last?.role === "tool" ? last.answers : [];
};

describeOn(THREE, "a granular agent on %s", (store) => {
  it.each<[string, ScriptStep, string]>([
    ["a tool that there is not", call("gong", { times: 1 }), "TOOL_UNKNOWN"],
    ["a tool that every object has", call("constructor"), "TOOL_UNKNOWN"],
    ["arguments that are none", call("bell", { times: "often" }), "TOOL_ARGUMENTS_INVALID"],
    ["arguments that are missing", call("bell"), "TOOL_ARGUMENTS_INVALID"],
  ])("tells its model of %s, and runs nothing", async (_, step, code) => {
    rang = [];
    await using scene = new Scene(store);
    const model = scriptedModel([step, "sorry"]);
    expect(await scene.open().run(ringing(model), null)).toMatchObject({ status: "completed", output: "sorry" });
    expect(told(model)).toMatchObject([{ isError: true, output: { error: { code } } }]);
    expect(rang).toEqual([]);
  });

  it("neither offers nor runs a tool that is not on the allow-list", async () => {
    rang = [];
    await using scene = new Scene(store);
    const model = scriptedModel([call("bell", { times: 1 }), "sorry"]);
    const flujo = scene.open({ governance: [toolAllowList(["gong"])] });
    expect(await flujo.run(ringing(model), null)).toMatchObject({ status: "completed", output: "sorry" });
    expect(model.calls.map(({ request }) => request.tools)).toEqual([undefined, undefined]);
    expect(told(model)).toMatchObject([{ isError: true, output: { error: { code: "TOOL_NOT_ALLOWED" } } }]);
    expect(rang).toEqual([]);
  });

  it("fails after as many turns as it may take, and makes no call that nobody would read", async () => {
    rang = [];
    await using scene = new Scene(store);
    const model = scriptedModel([1, 2, 3].map((times) => call("bell", { times })));
    const result = await scene.open().run(ringing(model, {}, { ...GRANULAR, maxTurns: 3 }), null);
    expect(result).toMatchObject({ status: "failed", failure: { code: "AGENT_TURNS_EXCEEDED" } });
    expect(rang).toEqual([1, 2]);
    model.assertDone();
  });

  it("goes on until it says that it is done, where its answers do not end it", async () => {
    await using scene = new Scene(store);
    const texts = scriptedModel(["Thinking. I am not DONE yet.", "Still at it", "It is 42. DONE"]);
    expect(await scene.open().run(ringing(texts, { completion: "signal" }), null)).toMatchObject({
      output: "It is 42. DONE",
    });
    const output = z.object({ is_complete: z.boolean(), found: z.number() });
    const values = scriptedModel([
      { json: { is_complete: false, found: 1 } },
      { json: { is_complete: true, found: 2 } },
    ]);
    const typed = flow("typed", { version: "1" })
      .agent("ringer", agent({ name: "ringer", model: values, prompt: "Go.", output, completion: "signal" }), GRANULAR)
      .build();
    expect(await scene.open().run(typed, null)).toMatchObject({ output: { is_complete: true, found: 2 } });
    texts.assertDone();
    values.assertDone();
  });

  it("waits as long as its provider asks, and not longer, before it asks again under the same key", async () => {
    const clock = new VirtualClock();
    await using scene = new Scene(store, clock);
    const model = scriptedModel([{ error: { status: 429, retryAfterMs: 17_000 } }, "at last"]);
    const flujo = scene.open();
    const result = await clock.until(flujo.run(ringing(model), null), 60_000);
    expect(result).toMatchObject({ status: "completed", output: "at last" });
    const [failed] = await clock.until(eventsOf(flujo, result.runId, "step.failed"));
    expect(failed?.failure.code).toBe("MODEL_RATE_LIMITED");
    expect((failed?.retryAt ?? 0) - (failed?.at ?? 0)).toBe(17_000);
    expect(new Set(model.calls.map(({ idempotencyKey }) => idempotencyKey)).size).toBe(1);
  });

  it("pays for half a stream that broke off, and for the whole one after it", async () => {
    const clock = new VirtualClock();
    await using scene = new Scene(store, clock);
    const usage = { inputTokens: 5, outputTokens: 3 };
    const model = scriptedModel([
      { chunks: ["half ", "an ans"], error: 503, usage },
      { text: "whole", usage },
    ]);
    const flujo = scene.open();
    const result = await clock.until(flujo.run(ringing(model), null, { limits: { requests: 5 } }), 60_000);
    expect(result).toMatchObject({ output: "whole" });
    const spent = await clock.until(flujo.usage(result.runId));
    expect(spent).toMatchObject({ requests: 2, inputTokens: 10, outputTokens: 6 });
  });

  it("counts an answer that says nothing of what it used", async () => {
    await using scene = new Scene(store);
    const model: Model = {
      provider: "mute",
      id: "mute",
      generate: () => Promise.resolve({ text: "hello there", calls: [], finish: "stop" } as never),
    };
    const flujo = scene.open();
    const { runId, status } = await flujo.run(ringing(model), null);
    const { inputTokens, outputTokens, requests } = await flujo.usage(runId);
    expect([status, requests, inputTokens > 0, outputTokens > 0]).toEqual(["completed", 1, true, true]);
  });

  it("shows its model the beginning and the end of a history that is too long", async () => {
    await using scene = new Scene(store);
    const rings = Array.from({ length: 6 }, () => call("bell", { times: 20_000 }));
    const model = scriptedModel([...rings, "enough"]);
    const how = { ...GRANULAR, historyMaxTokens: 2_000 };
    expect(await scene.open().run(ringing(model, { instructions: "Be loud." }, how), null)).toMatchObject({
      output: "enough",
    });
    const { messages } = model.calls.at(-1)?.request ?? { messages: [] };
    expect(messages.slice(0, 2)).toEqual([
      { role: "system", text: "Be loud." },
      { role: "user", text: "Ring." },
    ]);
    expect(messages[2]).toEqual({
      role: "system",
      text: expect.stringMatching(/^\[\d+ earlier messages are left out\]$/),
    });
    expect(messages.at(-1)?.role).toBe("tool");
    expect(JSON.stringify(messages).length).toBeLessThan(2 * 2_000 * 4);
    expect(JSON.stringify(messages.at(-1))).toContain("characters are left out");
  });
});

/** The model of a run that is begun by one process and taken up by another. */
const paused = (model: Model, options: Options, how: How): Flow<unknown, unknown> =>
  flow("paused", { version: "1" })
    .agent("ringer", agent<unknown>({ name: "ringer", model, prompt: "Ring.", tools: [asking], ...options }), how)
    .build();
const LARGE = 100_000;
const asking = tool({
  name: "ask",
  description: "Asks somebody.",
  input: z.object({}),
  requiresApproval: true,
  run: () => "?".repeat(LARGE),
});

describeOn(THREE, "a granular agent that another process takes up on %s", (store) => {
  const turns = (): StrictModel => scriptedModel([call("ask"), call("ask"), "done"]);

  /** Answers the question that is open, and waits for the next or the end. */
  async function goOn(
    scene: Scene,
    flowed: Flow<unknown, unknown>,
    runId: string,
  ): ReturnType<ReturnType<Scene["open"]>["run"]> {
    const flujo = scene.open({ flows: [flowed] });
    const [pause] = (await flujo.get(runId)).pauses;
    const question = pause?.question as ApprovalQuestion | undefined;
    return flujo.resume(runId, { approve: true, hash: question?.hash });
  }

  it("knows all that was said, results of 100 KB too", async () => {
    await using scene = new Scene(store);
    const model = turns();
    const first = scene.open();
    const { runId } = await first.run(paused(model, {}, GRANULAR), null);
    await goOn(scene, paused(model, {}, GRANULAR), runId);
    await first.close();
    expect(await goOn(scene, paused(model, {}, GRANULAR), runId)).toMatchObject({
      status: "completed",
      output: "done",
    });
    const answers = (model.calls.at(-1)?.request.messages ?? []).flatMap((one) =>
      one.role === "tool" ? one.answers : [],
    );
    expect(answers.map(({ output }) => (output as string).length)).toEqual([LARGE, LARGE]);
  });

  it.each<["strict" | "compat", string, Options, boolean]>([
    ["strict", "another prompt", { instructions: "Be silent." }, false],
    ["compat", "another prompt", { instructions: "Be silent." }, false],
    ["strict", "other settings", { settings: { temperature: 1 } }, false],
    ["compat", "other settings", { settings: { temperature: 1 } }, true],
    [
      "strict",
      "another tool of the same name",
      { tools: [tool({ ...another(), description: "Asks nobody." })] },
      false,
    ],
    ["compat", "another revision of a tool", { tools: [tool({ ...another(), revision: "2" })] }, false],
  ])("under %s has it that %s goes on: %#", async (fingerprint, _, changed, goesOn) => {
    await using scene = new Scene(store);
    const model = turns();
    const how = { ...GRANULAR, fingerprint };
    const first = scene.open();
    const { runId } = await first.run(paused(model, { instructions: "Be loud." }, how), null);
    await first.close();
    const result = await goOn(scene, paused(model, { instructions: "Be loud.", ...changed }, how), runId);
    if (goesOn) expect(result.status).toBe("paused");
    else expect(result).toMatchObject({ status: "failed", failure: { code: "AGENT_CHANGED" } });
    expect(model.calls).toHaveLength(goesOn ? 2 : 1);
  });
});

function another(): ToolOptions<z.ZodObject, string> {
  return { name: "ask", description: "Asks somebody.", input: z.object({}), requiresApproval: true, run: () => "!" };
}

it("a granular agent fails where something that it would have to show is gone", async () => {
  const kept = memoryStore();
  let isGone = false;
  const store = new Proxy(kept, {
    get: (target, name): unknown => {
      if (name === "blob" && isGone) return () => Promise.resolve(undefined);
      const member: unknown = Reflect.get(target, name, target);
      return typeof member === "function" ? (member.bind(target) as unknown) : member;
    },
  });
  const model = scriptedModel([call("ask"), call("ask")]);
  const paying = paused(model, {}, GRANULAR);
  const approve = async (flujo: Flujo, runId: string): Promise<Awaited<ReturnType<Flujo["run"]>>> => {
    const [pause] = (await flujo.get(runId)).pauses;
    return flujo.resume(runId, { approve: true, hash: (pause?.question as ApprovalQuestion | undefined)?.hash });
  };
  await using first = new Flujo({ store, flows: [paying] });
  const { runId } = await first.run(paying, null);
  expect((await approve(first, runId)).status).toBe("paused");
  await first.close();
  isGone = true;
  await using second = new Flujo({ store, flows: [paying] });
  expect(await approve(second, runId)).toMatchObject({ status: "failed", failure: { code: "BLOB_MISSING" } });
  expect(model.calls).toHaveLength(2);
  await kept.close();
});
