import { writeFileSync } from "node:fs";
import {
  agent,
  defaultJudge,
  flow,
  type FlujoOptions,
  scriptedModel,
  type ShadowEvalOptions,
  type ShadowSample,
} from "flujo";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { loadConfig } from "../../src/config/load.ts";
import { isSampled } from "../../src/evaluation/sample.ts";
import { Resources } from "../../src/policies/resources.ts";
import { shadowOf } from "../../src/runner/shadow.ts";
import { memoryStore, virtualAmbient } from "../../src/testing.ts";
import { eventually, gate } from "../engine/reading.ts";
import { Scene, STORES } from "../engine/scene.ts";

const work = flow("work", { version: "1" })
  .input(z.number())
  .step("double", (n) => n * 2)
  .step("check", (n) => {
    if (n < 0) throw new RangeError(`${n} is negative`);
    return n;
  })
  .build();

/** The same verdict of everything, and what was shown to the judge. */
function judging(): { readonly judge: (sample: ShadowSample) => unknown; readonly seen: ShadowSample[] } {
  const seen: ShadowSample[] = [];
  return { seen, judge: (sample) => (seen.push(sample), { score: 0.5, reasoning: "so so", criteria: { style: 1 } }) };
}

const shadow = (scene: Scene, shadowEval: ShadowEvalOptions, options: FlujoOptions = {}) =>
  scene.open({ flows: [work], ...options, shadowEval: { sampleRate: 1, sink: "database", ...shadowEval } });

const evaluated = (flujo: ReturnType<Scene["open"]>, count: number) =>
  eventually(`${count} evaluations`, async () => {
    const counts = await flujo.shadowEvalCounts();
    return counts !== undefined && counts.evaluated + counts.failed >= count && counts;
  });

describe.each(STORES)("shadow evaluation on %s", (store) => {
  it("judges steps beside the run, and keeps what was said", async () => {
    await using scene = new Scene(store);
    const { judge, seen } = judging();
    const flujo = shadow(scene, { judge });
    const { runId } = await flujo.run(work, 3, { metadata: { customer: "a" } });
    expect(await evaluated(flujo, 2)).toEqual({ evaluated: 2, failed: 0, dropped: 0 });
    const about = { runId, flow: "work", visit: "", success: true, output: 6, metadata: { customer: "a" } };
    expect(seen).toEqual([
      { ...about, step: "root/double" },
      { ...about, step: "root/check" },
    ]);
    const { items } = await flujo.evaluations({ runId });
    expect(items.map(({ step }) => step).sort()).toEqual(["root/check", "root/double"]);
    expect(items[0]).toMatchObject({
      runId,
      score: 0.5,
      feedback: "so so",
      metadata: { flow: "work", success: true, criteria: { style: 1 } },
      createdAt: expect.any(Date) as Date,
    });
    expect((await flujo.evaluations({ runId: "nobody" })).items).toEqual([]);
    expect((await flujo.list()).items.map(({ id }) => id)).toEqual([runId]);
  });

  it("judges a run as a whole with its steps, and failures where it is told to", async () => {
    await using scene = new Scene(store);
    const { judge, seen } = judging();
    const flujo = shadow(scene, { judge, runLevel: true, evaluateOnFailure: true, steps: ["check"] });
    const { runId } = await flujo.run(work, -1);
    await evaluated(flujo, 2);
    expect(seen).toMatchObject([
      { step: "root/check", success: false, feedback: "-2 is negative" },
      {
        step: "__run__",
        success: false,
        feedback: "-2 is negative",
        steps: [
          { path: "root/double", status: "completed", output: -2 },
          { path: "root/check", status: "failed", error: { message: "-2 is negative" } },
        ],
      },
    ]);
    expect((await flujo.evaluations({ runId })).items).toHaveLength(2);
  });

  it("leaves failures alone where it is not told to, and all of a run that is not sampled", async () => {
    await using scene = new Scene(store);
    const { judge, seen } = judging();
    const flujo = shadow(scene, { judge, runLevel: true });
    await flujo.run(work, -1);
    const none = shadow(scene, { judge, sampleRate: 0 });
    await none.run(work, 1);
    await Promise.all([flujo.close(), none.close()]);
    expect(seen).toEqual([]);
  });

  it("pages through evaluations", async () => {
    await using scene = new Scene(store);
    const flujo = shadow(scene, { judge: judging().judge });
    await Promise.all([1, 2, 3].map((n) => flujo.run(work, n)));
    await evaluated(flujo, 6);
    const first = await flujo.evaluations({ limit: 4 });
    const rest = await flujo.evaluations({ limit: 4, ...(first.next !== undefined && { cursor: first.next }) });
    expect([first.items.length, rest.items.length, rest.next]).toEqual([4, 2, undefined]);
  });

  it("counts what judges of all processes spend in one account of the day, and asks none when it is spent", async () => {
    await using scene = new Scene(store);
    const answer = { json: { score: 1, reasoning: "good" }, usage: { inputTokens: 1, outputTokens: 1 } };
    const judge = () => defaultJudge(scriptedModel([answer, answer], { cyclic: true }));
    const limits = { requests: 3 };
    const one = shadow(scene, { judge: judge(), limits });
    const two = shadow(scene, { judge: judge(), limits });
    await one.run(work, 1);
    await evaluated(one, 2);
    await two.run(work, 2);
    expect(await evaluated(two, 2)).toMatchObject({ evaluated: 1, failed: 1 });
    const balances = await (await scene.store()).balances("shadow-eval:");
    expect(balances).toMatchObject([{ spent: { requests: 3 } }]);
  });
});

describe("a judge", () => {
  const logged: string[] = [];
  const logger = {
    log: (level: string, message: string, fields: object) =>
      void logged.push(`${level} ${message} ${JSON.stringify(fields)}`),
  };

  it.each([
    ["that throws", () => Promise.reject(new Error("no idea")), /no idea/],
    ["that gives no score", () => ({ reasoning: "hm" }), /score/],
    ["that gives a score out of range", () => ({ score: 2 }), /score/],
    ["that never answers", () => new Promise(() => undefined), /50 ms/],
  ])("%s is logged and counted, and nothing else", async (_, judge, says) => {
    await using scene = new Scene("memory");
    logged.length = 0;
    const flujo = shadow(scene, { judge, timeoutMs: 50, steps: ["root/check"] }, { logger });
    expect(await flujo.run(work, 1)).toMatchObject({ status: "completed", output: 2 });
    expect(await evaluated(flujo, 1)).toEqual({ evaluated: 0, failed: 1, dropped: 0 });
    expect(logged).toEqual([expect.stringMatching(says)]);
    expect((await flujo.evaluations()).items).toEqual([]);
  });

  it("does not hold up the runs that it judges, of which those are left out that find no place to wait", async () => {
    await using scene = new Scene("memory");
    const held = gate();
    let asked = 0;
    const judge = () => {
      asked += 1;
      return held.opened.then(() => ({ score: 1 }));
    };
    const flujo = shadow(scene, { judge, steps: ["check"] });
    for (let n = 0; n < 2; n++) await flujo.run(work, n);
    await eventually("both judges to be busy", () => asked === 2);
    for (let n = 0; n < 1_005; n++) expect((await flujo.run(work, n)).status).toBe("completed");
    expect(await flujo.shadowEvalCounts()).toEqual({ evaluated: 0, failed: 0, dropped: 5 });
    held.open();
    expect(await evaluated(flujo, 1_002)).toEqual({ evaluated: 1_002, failed: 0, dropped: 5 });
  });

  it("is waited for when its Flujo is closed", async () => {
    await using scene = new Scene("memory");
    const { judge, seen } = judging();
    const flujo = shadow(scene, { judge });
    await flujo.run(work, 1);
    await flujo.close();
    expect(seen).toHaveLength(2);
  });

  it("says what it thinks in the log where nothing is to be kept", async () => {
    await using scene = new Scene("memory");
    logged.length = 0;
    const flujo = shadow(scene, { judge: () => ({ score: 1 }), sink: "telemetry", steps: ["check"] }, { logger });
    await flujo.run(work, 1);
    await evaluated(flujo, 1);
    expect(logged).toEqual([expect.stringMatching(/^info shadow evaluation .*"step":"root\/check","score":1/)]);
    expect((await flujo.evaluations()).items).toEqual([]);
  });

  it("sees an agent's answer under the agent's own path, and none of its turns", async () => {
    await using scene = new Scene("memory");
    const { judge, seen } = judging();
    const asking = flow("asking", { version: "1" })
      .agent("ask", agent({ name: "a", model: scriptedModel([{ text: "42" }]) }), { granular: true })
      .build();
    const flujo = scene.open({ flows: [asking], shadowEval: { sampleRate: 1, judge } });
    await flujo.run(asking, "?");
    await evaluated(flujo, 1);
    expect(seen).toMatchObject([{ step: "root/ask", output: "42" }]);
  });
});

describe("configuration", () => {
  const around = () => {
    const store = memoryStore();
    const host = {
      ambient: virtualAmbient(),
      resources: new Resources({}, () => undefined),
      logger: { log: () => undefined },
      emit: () => undefined,
    };
    return { store, host };
  };

  it.each([
    [undefined, {}, false],
    [undefined, { enabled: true, sampleRate: 0.1 }, true],
    [{ sampleRate: 1 }, {}, true],
    [{ sampleRate: 1 }, { enabled: false }, false],
  ])("of %j in code and %j around it judges: %s", (options, config, judges) => {
    expect(shadowOf(options, config, around()) !== undefined).toBe(judges);
  });

  it("is refused where it is none", () => {
    expect(() => shadowOf({ sampleRate: 2 }, {}, around())).toThrow(/sampleRate: expected 0 to 1 but found 2/);
  });

  it("comes from the environment and from flujo.toml", async () => {
    await using scene = new Scene("memory");
    writeFileSync(
      scene.path("flujo.toml"),
      "[shadow_eval]\nsink = 'database'\nrun_level = true\n[background_tasks]\nmax_cost_per_task = 0.5\n",
    );
    const env = {
      FLUJO_SHADOW_EVAL_ENABLED: "1",
      FLUJO_SHADOW_EVAL_SAMPLE_RATE: "0.25",
      FLUJO_SHADOW_EVAL_TIMEOUT_S: "5",
    };
    expect(await loadConfig({ cwd: scene.folder, env })).toMatchObject({
      shadowEval: { enabled: true, sampleRate: 0.25, timeoutS: 5, sink: "database", runLevel: true },
      background: { maxCostPerTask: 0.5 },
    });
    const wrong = { FLUJO_SHADOW_EVAL_SAMPLE_RATE: "2", FLUJO_SHADOW_EVAL_SINK: "file" };
    await expect(loadConfig({ cwd: scene.folder, env: wrong })).rejects.toThrow(
      /SAMPLE_RATE: expected a number from 0 to 1 but found "2"\n.*SINK: expected database or telemetry but found "file"/,
    );
  });
});

describe("a sample", () => {
  it("is the same wherever it is asked for, and about as large as it is to be", () => {
    const ids = Array.from({ length: 4_000 }, (_, i) => `run-${i}`);
    const picked = ids.filter((id) => isSampled(id, 0.25));
    expect(picked).toEqual(ids.filter((id) => isSampled(id, 0.25)));
    expect(picked.length / ids.length).toBeCloseTo(0.25, 1);
    expect(picked.every((id) => isSampled(id, 0.5))).toBe(true);
    expect([isSampled("x", 0), isSampled("x", 1)]).toEqual([false, true]);
  });
});
