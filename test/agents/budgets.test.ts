import { agent, flow, type Flujo, scriptedModel, tool } from "flujo";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import type { ScriptStep } from "../../src/agents/models/scripted/script.ts";
import type { ScriptedOptions, StrictModel } from "../../src/agents/models/scripted/scripted-model.ts";
import type { UsageLimits } from "../../src/domain/usage-limits.ts";
import { eventsOf } from "../engine/reading.ts";
import { Scene } from "../engine/scene.ts";
import { BACKENDS, describeOn } from "../setup/backends.ts";

const THREE = BACKENDS.filter(({ name }) => ["memory", "sqlite", "postgres"].includes(name));
/** A dollar for a million tokens that go in, two for those that come out, ten micro-dollars for the request. */
const PRICE = { input: 1_000_000, output: 2_000_000, request: 10 };
const SETTINGS = { maxOutputTokens: 100 };

const speaker = (model: StrictModel, name = "speaker"): ReturnType<typeof agent<unknown>> =>
  agent<unknown>({ name, model, prompt: "Speak.", settings: SETTINGS });
const says = (steps: readonly ScriptStep[], options: ScriptedOptions = { price: PRICE }): StrictModel =>
  scriptedModel(steps, options);
const used = (inputTokens: number, outputTokens: number): ScriptStep => ({
  text: "hi",
  usage: { inputTokens, outputTokens },
});
/** What is left of a failure that a caller is shown. */
const failureOf = (result: Awaited<ReturnType<Flujo["run"]>>): unknown =>
  result.status === "failed" ? { code: result.failure.code, message: result.failure.message } : result;

describeOn(THREE, "a budget on %s", (store) => {
  it("counts what calls cost to the micro-dollar, by tokens in and out, and each request", async () => {
    await using scene = new Scene(store);
    const talk = flow("talk", { version: "1" })
      .agent("speaker", speaker(says([used(7, 11)])))
      .build();
    const flujo = scene.open({ flows: [talk], limits: { costUsd: 1 } });
    const { runId } = await flujo.run(talk, null);
    expect(await flujo.usage(runId)).toEqual({
      costUsd: (7 + 22 + 10) / 1_000_000,
      inputTokens: 7,
      outputTokens: 11,
      totalTokens: 18,
      requests: 1,
      toolCalls: 0,
    });
  });

  it.each<[UsageLimits, string, string]>([
    [{ costUsd: 0.0001 }, "COST_LIMIT_EXCEEDED", "Cost limit of $0.0001 exceeded"],
    [{ totalTokens: 90 }, "TOKEN_LIMIT_EXCEEDED", "Token limit of 90 exceeded"],
    [{ outputTokens: 99 }, "TOKEN_LIMIT_EXCEEDED", "Output token limit of 99 exceeded"],
    [{ inputTokens: 1 }, "TOKEN_LIMIT_EXCEEDED", "Input token limit of 1 exceeded"],
    [{ requests: 0 }, "QUOTA_EXCEEDED", "Request limit of 0 exceeded"],
  ])("refuses a call whose worst case is more than %j, before it is made", async (limits, code, message) => {
    await using scene = new Scene(store);
    const model = says([]);
    const talk = flow("talk", { version: "1" })
      .agent("speaker", speaker(model), { granular: true })
      .step("after", () => expect.fail("nothing follows"))
      .build();
    const flujo = scene.open({ flows: [talk] });
    const result = await flujo.run(talk, null, { limits });
    expect(failureOf(result)).toEqual({ code, message });
    expect(model.calls).toEqual([]);
    expect(await flujo.usage(result.runId)).toMatchObject({ requests: 0, costUsd: 0 });
  });

  it("ends the run: no retry, fallback, catch or tolerant join makes another of it", async () => {
    await using scene = new Scene(store);
    const model = says([]);
    const dear = speaker(model);
    const cheap = says(["never"]);
    const talk = flow("talk", { version: "1" })
      .attempt("try", (b) => b.agent("dear", dear, { retry: 5 }), { fallback: (b) => b.agent("cheap", speaker(cheap)) })
      .build();
    const many = flow("many", { version: "1" })
      .map(
        "each",
        () => [1, 2],
        (b) => b.agent("dear", dear, { granular: true }),
        { join: "settled" },
      )
      .build();
    const flujo = scene.open({ flows: [talk, many] });
    for (const one of [talk, many]) {
      const result = await flujo.run(one, null, { limits: { costUsd: 0.0001 } });
      expect(failureOf(result)).toMatchObject({ code: "COST_LIMIT_EXCEEDED" });
    }
    expect([model.calls, cheap.calls]).toEqual([[], []]);
  });

  it("of 1.0 does not do for two branches of 0.8 each: one is paid, its result is kept, and the run fails", async () => {
    await using scene = new Scene(store);
    const half = says([
      { text: "left", costMicroUsd: 800_000 },
      { text: "right", costMicroUsd: 800_000 },
    ]);
    const dear = agent<unknown>({
      name: "dear",
      model: half,
      prompt: "Speak.",
      hints: { expectedCostUsd: 0.8, expectedTokens: 9 },
    });
    const both = flow("both", { version: "1" })
      .parallel("sides", { left: (b) => b.agent("one", dear), right: (b) => b.agent("two", dear) }, { concurrency: 1 })
      .build();
    const flujo = scene.open({ flows: [both], limits: { costUsd: 1 } });
    const result = await flujo.run(both, null);
    expect(failureOf(result)).toEqual({ code: "COST_LIMIT_EXCEEDED", message: "Cost limit of $1 exceeded" });
    expect(half.calls).toHaveLength(1);
    const done = await eventsOf(flujo, result.runId, "step.completed");
    expect(done.map(({ path, output }) => [path, output])).toEqual([["root/sides/left/one", "left"]]);
    expect((await flujo.usage(result.runId)).costUsd).toBe(0.8);
    // Put back to work, it knows what it spent: there is still not enough.
    const again = await flujo.retry(result.runId);
    expect(await again.result()).toMatchObject({ status: "failed", failure: { code: "COST_LIMIT_EXCEEDED" } });
    expect(half.calls).toHaveLength(1);
    expect((await flujo.usage(result.runId)).costUsd).toBe(0.8);
  });

  it("is not overspent either where both branches begin at once", async () => {
    await using scene = new Scene(store);
    const never = says([]);
    const dear = agent<unknown>({
      name: "dear",
      model: never,
      prompt: "Speak.",
      hints: { expectedCostUsd: 0.8, expectedTokens: 9 },
    });
    const both = flow("both", { version: "1" })
      .parallel("sides", { left: (b) => b.agent("one", dear), right: (b) => b.agent("two", dear) })
      .build();
    const result = await scene.open().run(both, null, { limits: { costUsd: 1 } });
    expect(failureOf(result)).toMatchObject({ code: "COST_LIMIT_EXCEEDED" });
    expect(never.calls).toEqual([]); // half a dollar each
  });

  it("that is spent stays spent when a run is retried", async () => {
    await using scene = new Scene(store);
    const model = says([used(10, 10), { error: 400 }, used(10, 10)]);
    const talk = flow("talk", { version: "1" })
      .agent("one", speaker(model))
      .agent("two", speaker(model))
      .agent("three", speaker(model))
      .build();
    const flujo = scene.open({ flows: [talk], limits: { requests: 3 } });
    const { runId, status } = await flujo.run(talk, null);
    expect([status, (await flujo.usage(runId)).requests]).toEqual(["failed", 2]);
    const again = await flujo.retry(runId);
    expect(failureOf(await again.result())).toEqual({ code: "QUOTA_EXCEEDED", message: "Request limit of 3 exceeded" });
    model.assertDone();
    expect((await flujo.usage(runId)).requests).toBe(3);
  });

  it("needs prices: without one nothing is called, and the model is named, whoever limits the cost", async () => {
    await using scene = new Scene(store);
    for (const limited of [{ limits: { costUsd: 5 } }, { budgets: { day: { costUsd: 5 } } }]) {
      const model = says([], { provider: "acme", id: "secret-1" });
      const talk = flow("talk", { version: "1" })
        .agent("speaker", speaker(model), { granular: true })
        .step("after", () => expect.fail("nothing follows"))
        .build();
      const result = await scene.open({ flows: [talk], ...limited }).run(talk, null);
      expect(result).toMatchObject({
        failure: { code: "PRICING_NOT_CONFIGURED", details: { provider: "acme", model: "secret-1" } },
      });
      expect(result.status === "failed" && result.failure.message).toContain("acme:secret-1");
      expect(model.calls).toEqual([]);
    }
  });

  it("that runs share holds for all of them, and says whose it is", async () => {
    await using scene = new Scene(store);
    const model = says([used(1, 1), used(1, 1)]);
    const talk = flow("talk", { version: "1" }).agent("speaker", speaker(model)).build();
    const budgets = { keys: { "*": { requests: 1 } }, flows: { talk: { requests: 2 } } };
    const flujo = scene.open({ flows: [talk], budgets });
    const run = async (key: string): Promise<unknown> => failureOf(await flujo.run(talk, null, { key }));
    expect(await run("ada")).toMatchObject({ status: "completed" });
    expect(await run("ada")).toEqual({ code: "QUOTA_EXCEEDED", message: "Request limit of 1 exceeded by key:ada" });
    expect(await run("bob")).toMatchObject({ status: "completed" });
    expect(await run("eve")).toEqual({ code: "QUOTA_EXCEEDED", message: "Request limit of 2 exceeded by flow:talk" });
    const balances = await (await scene.store()).balances();
    expect(balances.map(({ account, spent, held }) => [account, spent.requests, held.requests])).toEqual([
      ["flow:talk", 2, 0],
      ["key:ada", 1, 0],
      ["key:bob", 1, 0],
      ["key:eve", 0, 0], // what it held for a moment, it gave back
    ]);
  });
});

describe("what was spent", () => {
  it.each<[string, () => unknown, boolean]>([
    ["wants it to stop", () => ({ abort: "enough" }), false],
    ["fails it", () => Promise.reject(new Error("no")), true],
  ])("is known also where a hook %s before the step is recorded", async (_, onPause, strictHooks) => {
    await using scene = new Scene("memory");
    const talk = flow("talk", { version: "1" })
      .agent("speaker", speaker(says([used(7, 11), used(7, 11)])))
      .human("ok", { message: "Is that so?" })
      .build();
    const hooks = [{ onPause: onPause as () => Promise<undefined> }];
    for (const limits of [{}, { limits: { costUsd: 1 } }]) {
      const flujo = scene.open({ hooks, strictHooks, ...limits });
      const { runId, status } = await flujo.run(talk, null);
      expect(["failed", "cancelled"]).toContain(status);
      expect(await flujo.usage(runId)).toMatchObject({ costUsd: 39 / 1_000_000, requests: 1 });
    }
  });
});

describe("a limit of tool calls", () => {
  it("ends the run at the first call too many, also where the model is told of failures", async () => {
    await using scene = new Scene("memory");
    let rang = 0;
    const bell = tool({ name: "bell", description: "Rings.", input: z.object({}), run: () => (rang += 1) });
    const call = { calls: [{ name: "bell" }] };
    const ringer = agent<unknown>({
      name: "ringer",
      model: scriptedModel([call, call, call]),
      prompt: "Ring.",
      tools: [bell],
    });
    const ring = flow("ring", { version: "1" }).agent("ringer", ringer, { granular: true }).build();
    const flujo = scene.open({ flows: [ring], limits: { toolCalls: 2 } });
    const result = await flujo.run(ring, null);
    expect(failureOf(result)).toEqual({ code: "QUOTA_EXCEEDED", message: "Tool call limit of 2 exceeded" });
    expect([rang, (await flujo.usage(result.runId)).toolCalls]).toEqual([2, 2]);
  });
});
