import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { recordModel, replayModel } from "../../../src/agents/models/cassette.ts";
import { scriptedModel } from "../../../src/agents/models/scripted/scripted-model.ts";
import type { ScriptStep } from "../../../src/agents/models/scripted/script.ts";
import type { ModelAnswer, ModelDelta, ModelRequest } from "../../../src/ports/model.ts";

let folder = "";
let file = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "flujo-cassette-"));
  file = join(folder, "tape.jsonl");
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const asking = { signal: new AbortController().signal, idempotencyKey: "k" };
const user = (text: string, settings: ModelRequest["settings"] = {}): ModelRequest => ({
  messages: [{ role: "user", text }],
  settings,
});
const model = { provider: "openai", id: "gpt-4o" };

/** Records the answers to these questions, failures too. */
async function record(
  steps: readonly ScriptStep[],
  ...requests: readonly ModelRequest[]
): Promise<readonly (ModelAnswer | undefined)[]> {
  const recorded = recordModel(scriptedModel(steps, model), file);
  const answers: (ModelAnswer | undefined)[] = [];
  for (const request of requests) answers.push(await recorded.generate(request, asking).catch(() => undefined));
  return answers;
}

describe("a cassette", () => {
  it("says what the model said, without it", async () => {
    const step = {
      text: "hi",
      reasoning: "hm",
      calls: [{ name: "t", arguments: { n: [1, null], of: { $ref: "#/a" } } }],
      costMicroUsd: 3,
    };
    const [answer] = await record([step], user("hello", { temperature: 0 }));
    const deltas: ModelDelta[] = [];
    const played = await replayModel(file);
    expect(played).toMatchObject(model);
    const again = await played.generate(user("hello", { temperature: 0 }), {
      ...asking,
      onDelta: (delta) => void deltas.push(delta),
    });
    expect(again).toEqual(answer);
    expect(deltas.map(({ type }) => type)).toEqual(["reasoning", "text", "tool-call"]);
  });

  it("plays equal requests in their order, failures too, and then the last again", async () => {
    await record([{ error: { status: 429, retryAfterMs: 500 } }, "second"], user("same"), user("same"));
    const played = await replayModel(file);
    const failed = played.generate(user("same"), asking);
    await expect(failed).rejects.toMatchObject({ code: "MODEL_RATE_LIMITED", delayMs: 500 });
    expect((await played.generate(user("same"), asking)).text).toBe("second");
    expect((await played.generate(user("same"), asking)).text).toBe("second");
  });

  it("keeps no aborted call", async () => {
    const signal = AbortSignal.abort(new Error("enough"));
    const recorded = recordModel(scriptedModel([{ hang: true }]), file);
    await expect(recorded.generate(user("x"), { ...asking, signal })).rejects.toThrow("enough");
    await expect(replayModel(file)).rejects.toThrow(/record it first/);
  });

  it("is appended to by several at once, whole line by whole line", async () => {
    const requests = Array.from({ length: 40 }, (_, index) => user(`${index} ${"x".repeat(5_000)}`));
    const models = [0, 1].map(() => recordModel(scriptedModel(["hi"], { ...model, cyclic: true }), file));
    await Promise.all(requests.flatMap((request) => models.map((one) => one.generate(request, asking))));
    const played = await replayModel(file);
    expect(readFileSync(file, "utf8").trim().split("\n")).toHaveLength(80);
    for (const request of requests) expect((await played.generate(request, asking)).text).toBe("hi");
  });

  it("holds no keys, and finds the request made with another one", async () => {
    const withKey = (key: string): ModelRequest => ({
      messages: [{ role: "user", text: `use ${key} for it` }],
      settings: { providerOptions: { openai: { apiKey: key, headers: { Authorization: `Bearer ${key}` } } } },
    });
    await record([`I will use sk-proj-answer12345678`], withKey("sk-proj-first12345678"));
    const text = readFileSync(file, "utf8");
    expect(text).toContain("[secret]");
    expect(text).not.toMatch(/first1234|answer1234/);
    expect((await (await replayModel(file)).generate(withKey("sk-proj-other12345678"), asking)).text).toContain(
      "[secret]",
    );
  });
});

describe("a request that is not on the cassette", () => {
  it("is told from the nearest one", async () => {
    await record(["a", "b"], user("What is the weather in Rome?"), user("Hello", { temperature: 1 }));
    const missed = (await replayModel(file)).generate(user("Hello", { temperature: 0, seed: 1 }), asking);
    await expect(missed).rejects.toMatchObject({
      code: "CASSETTE_MISS",
      message: expect.stringContaining(
        "the nearest of 2 recordings differs at $.settings.temperature: recorded 1, asked 0; $.settings.seed: not recorded, asked 1",
      ) as string,
    });
  });

  it("is told apart by its model, too, and by no more than three differences", async () => {
    await record(["a"], { ...user("x"), tools: [{ name: "t", description: "d", parameters: {} }] });
    const played = await replayModel(file, { provider: "openai", id: "gpt-5" });
    await expect(played.generate(user("y", { seed: 1 }), asking)).rejects.toThrow(
      /\$\.model: recorded "openai:gpt-4o", asked "openai:gpt-5".*; 1 more$/,
    );
  });

  it("is missed by an empty cassette", async () => {
    writeFileSync(file, "\n");
    await expect((await replayModel(file, model)).generate(user("x"), asking)).rejects.toThrow(/it is empty/);
  });
});

describe("a file that is no cassette", () => {
  it.each([
    ["no JSON", "{", /tape\.jsonl:1: expected a line/],
    ["another JSON", '{"version":2}', /tape\.jsonl:1: expected a line/],
    [
      "several models",
      ["a:b", "c:d"].map((name) => JSON.stringify({ version: 1, key: "k", model: name })).join("\n"),
      /has 2 models.*a:b, c:d/,
    ],
  ])("is refused: %s", async (_, text, says) => {
    writeFileSync(file, text);
    await expect(replayModel(file)).rejects.toMatchObject({
      code: "OPTION_INVALID",
      message: expect.stringMatching(says) as string,
    });
  });
});
