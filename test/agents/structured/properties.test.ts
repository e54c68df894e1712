import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { JsonSchema } from "../../../src/definition/json-schema.ts";
import type { Wire } from "../../../src/domain/wire.ts";
import { readAnswer } from "../../../src/agents/structured/read-answer.ts";
import { CASES } from "../../properties/values.ts";
import { inventedIn } from "./grounding.ts";

// No backslashes: how many meanings an unlawful escape has is the corpus's matter.
const word = fc.string({ unit: fc.constantFrom(...Array.from("abcxyz019 .,:;'\"{}[]()<>-_äλ😀")) });
const number = fc.oneof(fc.integer(), fc.double({ noNaN: true, noDefaultInfinity: true, min: -1e9, max: 1e9 }));
const scalar = fc.oneof(word, number, fc.boolean(), fc.constant(null));
const { tree } = fc.letrec<{ tree: Wire }>((tie) => ({
  tree: fc.oneof(
    { maxDepth: 4 },
    scalar.map(plain),
    fc.array(tie("tree"), { maxLength: 4 }),
    fc.dictionary(fc.stringMatching(/^[a-z]{1,6}$/), tie("tree"), { maxKeys: 4 }),
  ),
}));

const root = tree.filter((value) => typeof value === "object" && value !== null);
const level = fc.constantFrom(0, 1, 2);
const prose = fc.stringMatching(/^[A-Za-z ,.!?]{0,30}$/);

const anything = fc.constantFrom(
  ...Array.from("{}[]\"'`“”\\:,.-+0123eE/*#<>=&;\n\t ntrue\u0000\ud800\uE000\uE001😀"),
  "<think>",
  "```",
  "&quot;",
);

const schema = fc.constantFrom<JsonSchema | undefined>(
  undefined,
  {},
  { type: "object" },
  { type: "array", items: { type: "number" } },
  { type: "array", items: { type: "string" } },
  { type: "object", additionalProperties: { type: "integer" } },
  { type: "object", additionalProperties: { anyOf: [{ type: "boolean" }, { type: "null" }] } },
  { type: "object", properties: { a: { type: "string" }, b: { enum: ["x", "y", null, 1] } } },
);

function plain(value: Wire): Wire {
  return Object.is(value, -0) ? 0 : value;
}

describe("reading an answer", () => {
  it("gives what strict JSON says, whatever prose, fence or string is around it", () => {
    fc.assert(
      fc.property(root, level, fc.tuple(prose, prose), fc.nat(4), (value, at, [before, after], layout) => {
        const json = JSON.stringify(value, undefined, layout % 2 === 0 ? undefined : 2);
        const text = [
          json,
          `${before}\n${json}\n${after}`,
          `${before}\n\`\`\`json\n${json}\n\`\`\`\n${after}`,
          JSON.stringify(json),
          `<think>${before}</think>${json}`,
        ][layout];
        expect(readAnswer(text ?? "", { level: at })).toMatchObject({ ok: true, value });
      }),
      CASES,
    );
  });

  it("makes up no value, however the text is damaged", () => {
    const damage = fc.record({
      at: fc.double({ min: 0, max: 1, noNaN: true }),
      remove: fc.nat(6),
      insert: fc.constantFrom(
        "",
        '"',
        ",",
        "}",
        "]",
        "{",
        "[",
        ":",
        " ",
        "e",
        "-",
        "0",
        ".",
        "'",
        "\n",
        "//",
        "…",
        "nul",
      ),
    });
    fc.assert(
      fc.property(root, fc.array(damage, { maxLength: 3 }), level, schema, (value, damages, at, wanted) => {
        const text = damages.reduce((before, { at: place, remove, insert }) => {
          const from = Math.floor(place * before.length);
          return before.slice(0, from) + insert + before.slice(from + remove);
        }, JSON.stringify(value));
        const answer = readAnswer(text, { level: at, ...(wanted && { schema: wanted }) });
        if (answer.ok) expect(inventedIn(answer.value, text)).toEqual([]);
      }),
      CASES,
    );
  });

  it("makes up no value when the text is cut anywhere", () => {
    fc.assert(
      fc.property(root, fc.double({ min: 0, max: 1, noNaN: true }), schema, (value, place, wanted) => {
        const whole = JSON.stringify(value);
        const text = whole.slice(0, Math.floor(place * whole.length));
        const answer = readAnswer(text, { level: 2, ...(wanted && { schema: wanted }) });
        if (!answer.ok) return;
        expect(inventedIn(answer.value, text)).toEqual([]);
        const numbers = (one: Wire): number[] =>
          typeof one === "number"
            ? [one]
            : typeof one === "object" && one !== null
              ? Object.values(one).flatMap(numbers)
              : [];
        // Also against the whole: a number that was cut in two is not a number of the answer.
        if (wanted === undefined) expect(numbers(value)).toEqual(expect.arrayContaining(numbers(answer.value)));
      }),
      CASES,
    );
  });

  it("answers on any text at all, without throwing", () => {
    fc.assert(
      fc.property(fc.string({ unit: anything, size: "medium" }), level, schema, (text, at, wanted) => {
        expect(readAnswer(text, { level: at, ...(wanted && { schema: wanted }) })).toHaveProperty("stage");
      }),
      CASES,
    );
  });

  it("changes nothing that fits already", () => {
    fc.assert(
      fc.property(fc.dictionary(fc.stringMatching(/^[a-z]{1,6}$/), fc.integer()), (value) => {
        const wanted = { type: "object", additionalProperties: { type: "integer" } };
        const answer = readAnswer(JSON.stringify(value), { level: 2, schema: wanted });
        expect(answer).toEqual({ ok: true, value, stage: "strict", transforms: [] });
      }),
      CASES,
    );
  });
});
