import {
  agent,
  flow,
  llm,
  type Model,
  piiScrub,
  type RunResult,
  scriptedModel,
  tool,
  toolAllowList,
  Veil,
} from "flujo";
import { expect, it } from "vitest";
import { z } from "zod";
import { eventsOf, eventually, gate } from "../engine/reading.ts";
import { Scene } from "../engine/scene.ts";
import { BACKENDS, describeOn } from "../setup/backends.ts";

const THREE = BACKENDS.filter(({ name }) => ["memory", "sqlite", "postgres"].includes(name));
const PRICE = { input: 1_000_000, output: 1_000_000 };

const note = tool({
  name: "note",
  description: "Notes a text.",
  input: z.object({ text: z.string() }),
  run: ({ text }, { idempotencyKey }) => `${text} ${idempotencyKey}`,
});
const noting = (text: string) => ({ calls: [{ name: "note", arguments: { text } }] });

/** Black-box cases of Flujo's users that have to do with agents, by their numbers. Each has more tests in a file of its own. */
describeOn(THREE, "what Flujo's users rely on of agents, on %s", (store) => {
  it("case 4: takes the fallback when the step has failed for good, and counts what both spent", async () => {
    await using scene = new Scene(store);
    const output = z.object({ n: z.number() });
    const primary = agent({
      name: "primary",
      model: scriptedModel(["no", "no", "no"], { price: PRICE }),
      output,
      repair: { maxReasks: 2 },
    });
    const second = agent({ name: "second", model: scriptedModel([{ json: { n: 7 } }], { price: PRICE }), output });
    const tries = flow("tries", { version: "1" })
      .input<string>()
      .agent("answer", primary, { fallback: second, retry: 1 })
      .build();
    const flujo = scene.open({ flows: [tries] });
    const result = await flujo.run(tries, "a number");
    expect(result).toMatchObject({ status: "completed", output: { n: 7 } });
    expect(await flujo.usage(result.runId)).toMatchObject({ requests: 4 });
    const paths = async (type: "step.failed" | "step.completed"): Promise<string[]> =>
      (await eventsOf(flujo, result.runId, type)).map(({ path }) => path);
    expect(await paths("step.failed")).toEqual(["root/answer/primary"]);
    expect(await paths("step.completed")).toEqual(["root/answer/fallback"]);
  });

  it("case 10: never spends more than its limit in branches, and keeps what the finished one did", async () => {
    await using scene = new Scene(store);
    const model = scriptedModel([{ text: "done", costMicroUsd: 800_000 }]);
    const ask = async (_: unknown, ctx: Parameters<typeof llm>[0]): Promise<string> => {
      const { text } = await (await llm(ctx, model)).generate({
        messages: [{ role: "user", text: "?" }],
        settings: { maxOutputTokens: 1 },
      });
      return text;
    };
    const branches = flow("branches", { version: "1" })
      .parallel(
        "both",
        { a: (b) => b.step("ask", ask), b: (b) => b.step("ask", ask) },
        { concurrency: 1 }, // one after the other: the first may spend all, the second what is left
      )
      .build();
    const estimates = { scripted: { scripted: { expectedCostUsd: 0.8 } } };
    const flujo = scene.open({ flows: [branches], limits: { costUsd: 1 }, estimates });
    const result = await flujo.run(branches, null);
    expect(result).toMatchObject({
      status: "failed",
      failure: { code: "COST_LIMIT_EXCEEDED", message: "Cost limit of $1 exceeded" },
    });
    expect(await flujo.usage(result.runId)).toMatchObject({ costUsd: 0.8, requests: 1 });
    expect((await eventsOf(flujo, result.runId, "step.completed")).map(({ path }) => path)).toEqual([
      "root/both/a/ask",
    ]);
    model.assertDone();
  });

  it("case 17: goes on after its second turn, with the keys it had, and refuses to go on as somebody else", async () => {
    await using scene = new Scene(store);
    const reached = gate();
    const keys: string[] = [];
    let hangs = true;
    const script = scriptedModel([noting("one"), noting("two"), noting("three"), "done"], { price: PRICE });
    const model: Model = {
      ...script,
      generate: (request, options) => {
        keys.push(options.idempotencyKey);
        if (keys.length !== 3 || !hangs) return script.generate(request, options);
        reached.open();
        return new Promise((_, reject) => {
          options.signal.addEventListener("abort", () => reject(options.signal.reason as Error));
        });
      },
    };
    const asked = (instructions: string) =>
      flow("asked", { version: "1" })
        .input<string>()
        .agent("agent", agent({ name: "noter", model, instructions, tools: [note] }), { granular: true })
        .build();
    const first = scene.open({ flows: [asked("You note.")], worker: { drain: 0 } });
    await first.start("asked", "three notes", { id: "notes" });
    await reached.opened;
    hangs = false;
    await first.close();
    const other = scene.open({ flows: [asked("You never note.")] });
    expect(await other.result("notes")).toMatchObject({ status: "failed", failure: { code: "AGENT_CHANGED" } });
    await other.close();
    const last = scene.open({ flows: [asked("You note.")] });
    await last.retry("notes");
    expect(await last.result("notes")).toMatchObject({ status: "completed", output: "done" });
    expect(keys).toHaveLength(5); // the third turn twice, under one key
    expect(keys[2]).toBe(keys[3]);
    expect(new Set(keys).size).toBe(4);
    const turns = (await eventsOf(last, "notes", "step.completed")).filter(({ path }) => path.endsWith("/turn"));
    expect(turns.map(({ visit }) => visit)).toEqual(["1", "2", "3", "4"]);
  });

  it("case 21: gives a kept result without asking again, with what it did to the context, and keeps no failure", async () => {
    await using scene = new Scene(store);
    let calls = 0;
    const counted = flow("counted", { version: "1" })
      .input<string>()
      .context(z.object({ seen: z.array(z.string()).default([]) }))
      .step(
        "count",
        (word, { context }) => {
          calls += 1;
          if (word === "bad" && calls < 3) throw new Error("not now");
          context.seen.push(word);
          return word.length;
        },
        { cache: { scope: "store" } },
      )
      .step("look", (length, { context }) => ({ length, seen: context.seen }))
      .build();
    const flujo = scene.open({ flows: [counted] });
    const expected = { length: 4, seen: ["good"] };
    expect(await flujo.run(counted, "good")).toMatchObject({ output: expected });
    const again = await flujo.run(counted, "good", { id: "another" });
    expect(again).toMatchObject({ output: expected });
    expect(calls).toBe(1);
    const [hit] = await eventsOf(flujo, again.runId, "step.completed");
    expect(hit).toMatchObject({ path: "root/count", cacheHit: true });
    expect(await flujo.run(counted, "bad")).toMatchObject({ status: "failed" });
    expect(await flujo.run(counted, "bad")).toMatchObject({ output: { length: 3, seen: ["bad"] } });
    expect(calls).toBe(3);
  });

  it("case 23: calls no model without a price when prices are strict, and computes the others to the micro-dollar", async () => {
    await using scene = new Scene(store);
    const later: string[] = [];
    const priceless = scriptedModel([], { provider: "acme", id: "nobody-knows" });
    const priced = scriptedModel([{ text: "hi", usage: { inputTokens: 1_234, outputTokens: 567 } }], {
      price: { input: 150_000, output: 600_000 },
    });
    const by = (name: string, model: Model) =>
      flow(name, { version: "1" })
        .input<string>()
        .agent("say", agent({ name, model }))
        .step("after", (text) => void later.push(text))
        .build();
    const [without, withPrice] = [by("without", priceless), by("with", priced)];
    const flujo = scene.open({ flows: [without, withPrice], strictPricing: true });
    const failed = await flujo.run(without, "x");
    expect(failed).toMatchObject({ status: "failed", failure: { code: "PRICING_NOT_CONFIGURED" } });
    expect(failed.status === "failed" && failed.failure.message).toContain("acme:nobody-knows");
    expect(later).toEqual([]);
    const result = await flujo.run(withPrice, "x");
    expect((await flujo.usage(result.runId)).costUsd).toBe(Math.ceil((1_234 * 0.15 + 567 * 0.6) * 1) / 1e6);
    const short = await flujo.run(withPrice, "x", { limits: { totalTokens: 10 } });
    expect(short).toMatchObject({ failure: { message: "Token limit of 10 exceeded" } });
    priceless.assertDone();
  });

  it("life: replaces an address in what the model gets, while the context keeps it", async () => {
    await using scene = new Scene(store);
    const model = scriptedModel([({ messages }) => `Wrote to ${/\[EMAIL_x\w+\]/.exec(JSON.stringify(messages))?.[0]}`]);
    const writer = agent({ name: "writer", model, prompt: ({ to }: { to: string }) => `Write to ${to}` });
    const write = flow("write", { version: "1" })
      .input(z.object({ to: z.string() }))
      .context(z.object({ to: z.string().default("") }))
      .step("remember", (input, { context }) => Object.assign(context, input))
      .agent("write", writer)
      .step("look", (said, { context }) => ({ said, to: context.to }))
      .build();
    const governance = [piiScrub({ veil: new Veil(), mode: "model" })];
    const flujo = scene.open({ flows: [write], governance });
    expect(await flujo.run(write, { to: "ada@example.org" })).toMatchObject({
      output: { said: "Wrote to ada@example.org", to: "ada@example.org" },
    });
    expect(JSON.stringify(model.calls)).not.toContain("ada@example.org");
  });

  it("life: neither shows nor calls a tool that is not on the list", async () => {
    await using scene = new Scene(store);
    const model = scriptedModel([noting("x"), "I could not"]);
    const listed = flow("listed", { version: "1" })
      .input<string>()
      .agent("agent", agent({ name: "noter", model, tools: [note] }), { granular: true })
      .build();
    const flujo = scene.open({ flows: [listed], governance: [toolAllowList(["other"])] });
    expect(await flujo.run(listed, "note x")).toMatchObject({ status: "completed", output: "I could not" });
    expect(model.calls[0]?.request.tools ?? []).toEqual([]);
    expect(JSON.stringify(model.calls[1]?.request.messages)).toContain("TOOL_NOT_ALLOWED");
  });

  it("life: keeps one evaluation for each step at rate 1, and lets no run wait for it", async () => {
    await using scene = new Scene(store);
    const judging = gate();
    const two = flow("two", { version: "1" })
      .step("one", () => 1)
      .step("two", () => 2)
      .build();
    const judge = async () => {
      await judging.opened;
      return { score: 0.5, reasoning: "fair", criteria: {} };
    };
    const flujo = scene.open({ flows: [two], shadowEval: { judge, sampleRate: 1, sink: "database" } });
    const result = await flujo.run(two, null);
    expect(result.status).toBe("completed"); // no judge has said anything yet
    judging.open();
    const kept = async () => (await flujo.evaluations({ runId: result.runId })).items;
    await eventually("both evaluations", async () => (await kept()).length === 2);
    expect((await kept()).map(({ score }) => score)).toEqual([0.5, 0.5]);
  });

  it("life: goes on when who watched its stream has left after the first piece", async () => {
    await using scene = new Scene(store);
    const model = scriptedModel([{ chunks: ["a", "b", "c"] }]);
    const told = flow("told", { version: "1" })
      .input<string>()
      .agent("tell", agent({ name: "teller", model }), { granular: true })
      .build();
    const flujo = scene.open({ flows: [told] });
    for await (const item of flujo.stream(told, "go", { id: "watched" })) if ("chunk" in item) break;
    const result: RunResult = await flujo.result("watched");
    expect(result).toMatchObject({ status: "completed", output: "abc" });
  });
});

const SHARED = THREE.filter(({ place }) => place !== undefined);

describeOn(SHARED, "what Flujo's users rely on of agents in two processes, on %s", (store) => {
  it("case 18: makes each turn once, whoever of two makes it", async () => {
    await using scene = new Scene(store);
    const RUNS = 10;
    const turns = 4;
    let calls = 0;
    const model: Model = {
      provider: "counting",
      id: "counting",
      price: PRICE,
      generate: ({ messages }) => {
        calls += 1;
        const turn = messages.filter(({ role }) => role === "assistant").length + 1;
        const answer = turn === turns ? { text: "done", calls: [] } : { text: "", calls: [call(turn)] };
        return Promise.resolve({ ...answer, finish: "stop", usage: { inputTokens: 1, outputTokens: 1 } });
      },
    };
    const call = (turn: number) => ({ id: `c${turn}`, name: "note", arguments: { text: `${turn}` } });
    const counted = flow("counted", { version: "1" })
      .input<string>()
      .agent("agent", agent({ name: "noter", model, tools: [note] }), { granular: true })
      .build();
    const both = [scene.open({ flows: [counted] }), scene.open({ flows: [counted] })] as const;
    for (const one of both) await one.open();
    const ids = Array.from({ length: RUNS }, (_, i) => `run-${i}`);
    // Each is started by one and asked for by the other, which would begin it if nobody had.
    await Promise.all(ids.flatMap((id) => both.map((one) => one.run(counted, "go", { id }))));
    expect(calls).toBe(RUNS * turns);
  });
});
