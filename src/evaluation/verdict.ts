import type { Schema } from "../domain/schema.ts";

/** What a judge says of one output. */
export interface ShadowVerdict {
  /** 0 = useless, 1 = as good as it can be. */
  readonly score: number;
  readonly reasoning: string;
  /** Scores by criterion, each from 0 to 1. */
  readonly criteria: Readonly<Record<string, number>>;
}

const JSON_SCHEMA = {
  type: "object",
  properties: {
    score: { type: "number", minimum: 0, maximum: 1 },
    reasoning: { type: "string" },
    criteria: { type: "object", additionalProperties: { type: "number", minimum: 0, maximum: 1 } },
  },
  required: ["score", "reasoning"],
};

const isScore = (value: unknown): value is number => typeof value === "number" && value >= 0 && value <= 1;

interface Described<Out> extends Schema<unknown, Out> {
  readonly "~standard": Schema<unknown, Out>["~standard"] & {
    readonly jsonSchema: Readonly<Record<"input" | "output", () => unknown>>;
  };
}

/** Reasons and criteria may be missing: the score is what is asked for. */
export const VERDICT: Described<ShadowVerdict> = {
  "~standard": {
    version: 1,
    vendor: "flujo",
    validate: (value) => {
      const said = (typeof value === "object" && value !== null ? value : {}) as Partial<
        Record<keyof ShadowVerdict, unknown>
      >;
      const { score, reasoning = "", criteria = {} } = said;
      if (!isScore(score)) return { issues: [{ message: "expected a number from 0 to 1", path: ["score"] }] };
      if (typeof reasoning !== "string") return { issues: [{ message: "expected text", path: ["reasoning"] }] };
      if (typeof criteria !== "object" || criteria === null)
        return { issues: [{ message: "expected scores by name", path: ["criteria"] }] };
      const wrong = Object.entries(criteria).find(([, one]) => !isScore(one));
      if (wrong !== undefined)
        return { issues: [{ message: "expected a number from 0 to 1", path: ["criteria", wrong[0]] }] };
      return { value: { score, reasoning, criteria: { ...(criteria as ShadowVerdict["criteria"]) } } };
    },
    jsonSchema: { input: () => JSON_SCHEMA, output: () => JSON_SCHEMA },
  },
};
