import { describe, expect, it } from "vitest";
import { reasoningPrecheck } from "../../../src/agents/structured/reasoning-precheck.ts";

const scores = (score: number, feedback?: string) => {
  const seen: string[] = [];
  const validate = (plan: string) => {
    seen.push(plan);
    return Promise.resolve({ score, ...(feedback !== undefined && { feedback }) });
  };
  return { seen, validate };
};

const subject = { text: "Task. <plan> first a, then b </plan> Go.", context: { user: { id: 7 }, gone: null } };

describe("reasoningPrecheck", () => {
  it("skips when there is nothing to check", async () => {
    expect(await reasoningPrecheck({})(subject)).toEqual({ result: "skipped", reasons: [], text: subject.text });
  });

  it("scores the plan between the delimiters", async () => {
    const { seen, validate } = scores(0.8);
    const check = reasoningPrecheck({ delimiters: ["<plan>", "</plan>"], validate, scoreThreshold: 0.8 });
    expect(await check(subject)).toEqual({ result: "pass", reasons: [], text: subject.text, score: 0.8 });
    expect(seen).toEqual(["first a, then b"]);
  });

  it("takes the whole text for the plan without delimiters", async () => {
    const { seen, validate } = scores(1);
    await reasoningPrecheck({ validate })(subject);
    expect(seen).toEqual([subject.text]);
  });

  it.each(["no plan", "<plan> that never ends", "</plan> then <plan>", "<plan>  </plan>"])(
    "skips, and asks nobody, where there is no plan: %s",
    async (text) => {
      const { seen, validate } = scores(0);
      const check = reasoningPrecheck({ delimiters: ["<plan>", "</plan>"], validate });
      expect(await check({ text, context: {} })).toMatchObject({ result: "skipped" });
      expect(seen).toEqual([]);
    },
  );

  it("puts the feedback before the text, and advises only", async () => {
    const { validate } = scores(0.4, "b needs c");
    expect(await reasoningPrecheck({ validate })(subject)).toEqual({
      result: "fail",
      reasons: ["b needs c"],
      score: 0.4,
      text: `Before you go on, mind this about the plan:\n- b needs c\n\n${subject.text}`,
    });
  });

  it("puts the feedback into the context, with a prefix of its own", async () => {
    const { validate } = scores(0.4);
    const feedback = { to: "contextKey", key: "advice", prefix: "Mind:" } as const;
    expect(await reasoningPrecheck({ validate, feedback })(subject)).toMatchObject({
      result: "fail",
      text: subject.text,
      context: { key: "advice", feedback: "Mind:\n- the plan scored 0.4, below 0.5" },
    });
  });

  it("takes no number for no pass", async () => {
    const { validate } = scores(Number.NaN);
    expect(await reasoningPrecheck({ validate })(subject)).toMatchObject({ result: "fail" });
  });

  it("wants keys in the context, and not null", async () => {
    const check = reasoningPrecheck({ requiredContextKeys: ["user.id", "user.name", "gone", "user.id.x", "toString"] });
    expect(await check(subject)).toMatchObject({
      result: "fail",
      reasons: ["user.name", "gone", "user.id.x", "toString"].map((key) => `the context lacks "${key}"`),
    });
  });

  it("blocks when told to, with the reasons", async () => {
    const { validate } = scores(0.1, "no");
    await expect(reasoningPrecheck({ validate, blocking: true })(subject)).rejects.toMatchObject({
      code: "VALIDATION_FAILED",
      details: { reasons: ["no"], score: 0.1 },
    });
  });

  it("asks no model when a missing key blocks already", async () => {
    const { seen, validate } = scores(1);
    const check = reasoningPrecheck({ validate, requiredContextKeys: ["nothing"], blocking: true });
    await expect(check(subject)).rejects.toMatchObject({ code: "VALIDATION_FAILED" });
    expect(seen).toEqual([]);
  });

  it("passes on what the validator throws", async () => {
    const cause = new Error("no budget");
    await expect(reasoningPrecheck({ validate: () => Promise.reject(cause) })(subject)).rejects.toBe(cause);
  });

  describe("with a consensus", () => {
    const sampled = (plans: readonly (string | Error)[], threshold?: number) =>
      reasoningPrecheck({
        consensus: {
          samples: plans.length,
          ...(threshold !== undefined && { threshold }),
          sample: (i) => {
            const plan = plans[i] ?? "";
            return plan instanceof Error ? Promise.reject(plan) : Promise.resolve(plan);
          },
        },
      });

    it.each([
      [["A b", "a  B\n", "c"], undefined, "pass", 2 / 3],
      [["a", "b", "c"], 0.1, "fail", 1 / 3],
      [["a", "a", "b", "c"], 0.75, "fail", 0.5],
      [["a", "a", new Error("down")], 0.6, "pass", 2 / 3],
    ] as const)("of %j at a threshold of %s: %s", async (plans, threshold, result, agreement) => {
      expect(await sampled(plans, threshold)(subject)).toMatchObject({ result, agreement });
    });

    it("says when a sample failed", async () => {
      const { reasons } = await sampled(["a", new Error("down")])(subject);
      expect(reasons).toEqual(["1 of 2 plans agree, wanted is 0.5 of them; a sample failed: down"]);
    });

    it("fails with its samples when all do", async () => {
      const cause = new Error("down");
      await expect(sampled([cause, cause])(subject)).rejects.toBe(cause);
    });

    it.each([1, 0, 2.5])("needs two samples: %d are refused", (samples) => {
      expect(() => reasoningPrecheck({ consensus: { samples, sample: () => Promise.resolve("") } })).toThrow(
        /at least 2 samples/,
      );
    });
  });
});
