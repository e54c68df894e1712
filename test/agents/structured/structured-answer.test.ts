import * as v from "valibot";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { type StageEvent, structuredAnswer } from "../../../src/agents/structured/structured-answer.ts";
import type { AskedAnswer } from "../../../src/agents/structured/structured-answer.ts";
import { FlujoError } from "../../../src/domain/errors.ts";
import type { Message } from "../../../src/ports/model.ts";

const person = z.object({ name: z.string(), age: z.int().min(0) });

/** Answers in turn, and keeps what it was told. */
function scripted(...answers: readonly (string | AskedAnswer)[]) {
  const told: (readonly Message[])[] = [];
  const generate = (appended: readonly Message[]): Promise<AskedAnswer> => {
    const answer = answers[told.length];
    told.push(appended);
    if (answer === undefined) throw new Error("asked more often than the script says");
    return Promise.resolve(typeof answer === "string" ? { text: answer } : answer);
  };
  return { told, generate };
}

async function thrownBy(promise: Promise<unknown>): Promise<FlujoError> {
  const thrown: unknown = await promise.then(
    () => undefined,
    (error: unknown) => error,
  );
  if (!(thrown instanceof FlujoError)) throw new Error(`expected a FlujoError but found ${String(thrown)}`);
  return thrown;
}

describe("structuredAnswer", () => {
  it("gives what the schema makes of the first answer that fits", async () => {
    const { told, generate } = scripted('Sure: {"name":"Ada","age":"36"}');
    const schema = person.transform(({ name, age }) => `${name}, ${age}`);
    expect(await structuredAnswer({ generate, schema, level: 1 })).toEqual({
      value: "Ada, 36",
      stage: "coerced",
      transforms: ["str->int $.age"],
      reasks: 0,
      text: 'Sure: {"name":"Ada","age":"36"}',
    });
    expect(told).toEqual([[]]);
  });

  it("tells the model what is wrong, behind its own words, and asks again", async () => {
    const { told, generate } = scripted({ text: '{"name":"Ada"}', provider: { id: "r1" } }, '{"name":"Ada","age":36}');
    const answer = await structuredAnswer({ generate, schema: person, level: 1 });
    expect(answer).toMatchObject({ value: { name: "Ada", age: 36 }, reasks: 1, stage: "strict" });
    expect(told[1]).toEqual([
      { role: "assistant", text: '{"name":"Ada"}', provider: { id: "r1" } },
      { role: "user", text: expect.stringMatching(/- \$\.age: .*\nAnswer again/) },
    ]);
  });

  it("keeps all that was said when it asks a third time", async () => {
    const { told, generate } = scripted("no", "still no", '{"name":"Ada","age":36}');
    expect(await structuredAnswer({ generate, schema: person, level: 1 })).toMatchObject({ reasks: 2 });
    expect(told.map((messages) => messages.map(({ role }) => role))).toEqual([
      [],
      ["assistant", "user"],
      ["assistant", "user", "assistant", "user"],
    ]);
  });

  it("gives up after the last re-ask, with the issues, the stage and the beginning of the text", async () => {
    const long = `{"name":"${"x".repeat(5_000)}","age":-1}`;
    const { told, generate } = scripted("no", long);
    const error = await thrownBy(structuredAnswer({ generate, schema: person, level: 1, maxReasks: 1 }));
    expect(error).toMatchObject({
      code: "AGENT_OUTPUT_INVALID",
      message: expect.stringContaining("asking again once"),
    });
    expect(error.details).toMatchObject({ stage: "strict", reasks: 1, issues: [{ path: "$.age" }] });
    expect(error.details?.["text"]).toBe(long.slice(0, 2_000));
    expect(told).toHaveLength(2);
  });

  it("asks once only when told so", async () => {
    const { told, generate } = scripted("no");
    const error = await thrownBy(structuredAnswer({ generate, schema: person, level: 2, maxReasks: 0 }));
    expect(error.details).toMatchObject({ reasks: 0, stage: "repaired" });
    expect(told).toHaveLength(1);
  });

  it("lets what asking throws through, unchanged", async () => {
    const refusal = new FlujoError("COST_LIMIT_EXCEEDED", "nothing left");
    const generate = () => Promise.reject(refusal);
    await expect(structuredAnswer({ generate, schema: person, level: 1 })).rejects.toBe(refusal);
  });

  it("reports every answer read", async () => {
    const events: StageEvent[] = [];
    const { generate } = scripted('{"name":"Ada"}', "{name:'Ada',age:36}");
    await structuredAnswer({ generate, schema: person, level: 1, onStage: (event) => events.push(event) });
    expect(events).toMatchObject([
      { ask: 0, ok: false, stage: "coerced", issues: [{ path: "$.age" }] },
      { ask: 1, ok: true, stage: "repaired", transforms: ["json-repair"], issues: [] },
    ]);
  });

  it("refuses an answer that the limit cut, although its brackets can be closed", async () => {
    const { told, generate } = scripted({ text: '["a", "b', finish: "length" }, { text: '["a", "b"]', finish: "stop" });
    const answer = await structuredAnswer({ generate, schema: z.array(z.string()), level: 2 });
    expect(answer).toMatchObject({ value: ["a", "b"], reasks: 1 });
    expect(told[1]?.[1]).toMatchObject({ text: expect.stringContaining("cut at the limit of output tokens") });
  });

  it("lets the author's schema judge what the JSON schema cannot say", async () => {
    const schema = z.object({ day: z.string() }).refine(({ day }) => day !== "never", "some day");
    const { generate } = scripted('{"day":"never"}', '{"day":"today"}');
    expect(await structuredAnswer({ generate, schema, level: 1 })).toMatchObject({
      value: { day: "today" },
      reasks: 1,
    });
  });

  it("lets the author's schema accept what its JSON schema would not", async () => {
    const schema = z.object({ age: z.preprocess((value) => (value === "many" ? 99 : value), z.int()) });
    const { generate } = scripted('{"age":"many"}');
    expect(await structuredAnswer({ generate, schema, level: 0 })).toMatchObject({ value: { age: 99 }, reasks: 0 });
  });

  it("works with schemas of vendors that offer no JSON schema", async () => {
    const schema = v.object({ name: v.string() });
    const { generate } = scripted("```json\n{'name': 'Ada'}\n```");
    expect(await structuredAnswer({ generate, schema, level: 1 })).toMatchObject({
      value: { name: "Ada" },
      stage: "repaired",
    });
  });
});
