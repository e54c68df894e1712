import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, it } from "vitest";
import type { JsonSchema } from "../../../src/definition/json-schema.ts";
import type { Wire } from "../../../src/domain/wire.ts";
import type { Level } from "../../../src/agents/structured/conversions.ts";
import { readAnswer } from "../../../src/agents/structured/read-answer.ts";
import { inventedIn } from "./grounding.ts";

interface Case {
  readonly name: string;
  readonly text: string;
  /** Name of a schema in schemas.json. */
  readonly schema: string;
  /** The lowest level that reads it; null: none may. */
  readonly level: Level | null;
  readonly value?: Wire;
}

const here = (name: string): string => fileURLToPath(new URL(name, import.meta.url));
const read = (path: string): unknown => JSON.parse(readFileSync(path, "utf8"));
const schemas = read(here("schemas.json")) as Readonly<Record<string, JsonSchema>>;
const files = readdirSync(here("corpus")).sort();
const LEVELS: readonly Level[] = [0, 1, 2];
const readable = new Map<Level, number>(LEVELS.map((level) => [level, 0]));
let total = 0;

describe.each(files)("the corpus of %s", (file) => {
  const cases = read(here(`corpus/${file}`)) as readonly Case[];
  total += cases.length;

  describe.each(LEVELS)("at level %d", (level) => {
    it.each(cases)("reads, or refuses, $name", ({ text, schema: name, level: from, value }) => {
      const schema = schemas[name];
      if (schema === undefined) throw new Error(`no schema is called ${name}`);
      const answer = readAnswer(text, { schema, level });
      if (from === null || level < from) {
        expect(answer).toMatchObject({ ok: false });
        expect(answer).toHaveProperty("issues.0.message");
        return;
      }
      expect(answer).toMatchObject({ ok: true });
      if (!answer.ok) return;
      expect(answer.value).toEqual(value);
      expect(inventedIn(answer.value, text)).toEqual([]);
      readable.set(level, (readable.get(level) ?? 0) + 1);
    });
  });
});

describe("the corpus", () => {
  it("is large enough to mean something", () => {
    expect(total).toBeGreaterThanOrEqual(150);
  });
});

afterAll(() => {
  const rates = LEVELS.map((level) => `level ${level}: ${readable.get(level)} of ${total}`);
  console.log(`answers read, ${rates.join(", ")}; the others must be refused at that level, and were`);
});
