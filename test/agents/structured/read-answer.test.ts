import { describe, expect, it } from "vitest";
import { conversionsAllowed, isConversion } from "../../../src/agents/structured/conversions.ts";
import { readAnswer } from "../../../src/agents/structured/read-answer.ts";

const person = {
  type: "object",
  properties: { name: { type: "string" }, age: { type: "integer" } },
  required: ["name", "age"],
};

describe("readAnswer", () => {
  it.each([
    ["strict", '{"name":"Ada","age":36}', []],
    ["extracted", 'Yes: {"name":"Ada","age":36}', []],
    ["extracted", '"{\\"name\\":\\"Ada\\",\\"age\\":36}"', ["unescape"]],
    ["repaired", '{"name":"Ada","age":36,}', ["json-repair"]],
    ["repaired", '{"name":"Ada","age":36 ', ["json-repair", "closed-cut-text"]],
    ["coerced", '{"name":"Ada","age":"36"}', ["str->int $.age"]],
    ["coerced", "{'name':'Ada','age':'36'}", ["json-repair", "str->int $.age"]],
  ] as const)("names the stage that succeeded, %s, for %s", (stage, text, transforms) => {
    expect(readAnswer(text, { schema: person, level: 1 })).toMatchObject({ ok: true, stage, transforms });
  });

  it("takes the largest part when no schema says what is wanted", () => {
    expect(readAnswer('{"a":1} or [1,2,3,4]', { level: 0 })).toMatchObject({ value: [1, 2, 3, 4] });
  });

  it("takes the kind of root asked for", () => {
    expect(readAnswer('{"a":1} or [1,2,3,4]', { level: 0, root: "object" })).toMatchObject({ value: { a: 1 } });
  });

  it("takes off as many layers of escaping as it may, and no more", () => {
    const twice = JSON.stringify(JSON.stringify('{"name":"Ada","age":36}'));
    const read = (maxUnescapeDepth: number) => readAnswer(twice, { schema: person, level: 0, maxUnescapeDepth }).ok;
    expect([0, 1, 2, 3].map(read)).toEqual([false, false, true, true]);
  });

  it("converts only what the list allows", () => {
    const text = '{"name":"Ada","age":"36"}';
    expect(readAnswer(text, { schema: person, level: 1, allow: ["str->int"] }).ok).toBe(true);
    expect(readAnswer(text, { schema: person, level: 1, allow: ["str->bool"] })).toMatchObject({
      ok: false,
      stage: "coerced",
      issues: [{ path: "$.age", message: "expected integer but found string" }],
      unfit: { value: { name: "Ada", age: "36" } },
    });
  });

  it("is not widened by the list", () => {
    expect(readAnswer('{"name":7,"age":36}', { schema: person, level: 1, allow: ["num->str"] }).ok).toBe(false);
    expect([...conversionsAllowed(0)]).toEqual([]);
    expect([...conversionsAllowed(2, ["num->str"])]).toEqual(["num->str"]);
  });

  it("knows a conversion by its name", () => {
    expect(["str->int", "toString", "str->money"].map(isConversion)).toEqual([true, false, false]);
  });

  it("records which alternative it chose", () => {
    const schema = { type: "array", items: { anyOf: [{ type: "integer" }, { type: "boolean" }] } };
    expect(readAnswer('[1, "true"]', { schema, level: 2 })).toMatchObject({
      value: [1, true],
      transforms: ["str->bool $[1]", "any-of:1 $[1]"],
    });
  });

  it("says what is wrong with a value that it could read", () => {
    expect(readAnswer('{"name":"Ada"}', { schema: person, level: 0 })).toEqual({
      ok: false,
      stage: "strict",
      issues: [{ path: "$.age", message: "is missing" }],
      unfit: { value: { name: "Ada" }, transforms: [] },
    });
  });

  it.each([
    ["Sorry.", "there is no JSON in the answer"],
    ['{"name"="Ada"}', "the JSON is broken"],
    ['{"name"="Ada"', "the JSON ends before its last bracket closes"],
  ])("says why it could read nothing in %s", (text, message) => {
    expect(readAnswer(text, { schema: person, level: 1 })).toEqual({
      ok: false,
      stage: "repaired",
      issues: [{ path: "$", message }],
    });
  });

  it("hands out no value in which a number could not be held", () => {
    const answer = readAnswer('{"a":12345678901234567890}', { level: 2 });
    expect(answer).toMatchObject({ ok: false, issues: [{ path: "$.a" }] });
    expect(answer).not.toHaveProperty("unfit");
  });

  it("names at most 50 issues", () => {
    const schema = { type: "array", items: { type: "integer" } };
    const answer = readAnswer(JSON.stringify(Array.from({ length: 80 }, () => "x")), { schema, level: 0 });
    expect(answer.ok ? 0 : answer.issues.length).toBe(50);
  });

  it.each([{ $ref: "#" }, { $ref: "#/$defs/nowhere" }, { $ref: "https://example.org/schema" }])(
    "takes anything where a reference leads nowhere, as %j",
    (schema) => {
      expect(readAnswer('{"a":1}', { schema, level: 2 })).toMatchObject({ ok: true, value: { a: 1 } });
    },
  );

  it("keeps a key called __proto__ as data", () => {
    const answer = readAnswer('{"a":"1","__proto__":{"b":2},}', {
      schema: { type: "object", properties: { a: { type: "integer" } } },
      level: 1,
    });
    expect(answer.ok && Object.keys(answer.value as object)).toEqual(["a", "__proto__"]);
    expect(answer.ok && Object.getPrototypeOf(answer.value)).toBe(Object.prototype);
  });
});
