import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { agent, flow, scriptedModel } from "flujo";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { z } from "zod";
import { type Config, loadConfig } from "../../src/config/load.ts";
import { Scene } from "../engine/scene.ts";

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "flujo-aros-"));
});
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(folder, { recursive: true, force: true });
});

function load(text: string, env: Readonly<Record<string, string>> = {}): Promise<Config> {
  writeFileSync(join(folder, "flujo.toml"), text);
  return loadConfig({ cwd: folder, env });
}

describe("[aros]", () => {
  it("says how answers are read, and the environment says it first", async () => {
    const text = '[aros]\ncoercion_tolerant_level = 2\nmax_unescape_depth = 0\nstructured_output_default = "auto"';
    expect((await load(text)).aros).toEqual({
      coercionTolerantLevel: 2,
      maxUnescapeDepth: 0,
      structuredOutputDefault: "auto",
    });
    expect((await load(text, { FLUJO_AROS_COERCION_TOLERANT_LEVEL: "0" })).aros.coercionTolerantLevel).toBe(0);
  });

  it.each([
    ["[aros]\ncoercion_tolerant_level = 3", /aros\.coercion_tolerant_level: expected 0, 1 or 2 but found 3/],
    ["[aros]\nmax_unescape_depth = -1", /expected a whole number of at least 0/],
    ['[aros]\nstructured_output_default = "outlines"', /expected off, auto, openai_json but found "outlines"/],
    ['[aros]\nanyof_strategy = "first-pass"', /flujo\.toml:2: unknown key "aros\.anyof_strategy": of several branches/],
    ["[aros]\nenabled = true", /unknown key "aros\.enabled"/],
    ['[aros]\nenable_aop_default = "full"', /unknown key "aros\.enable_aop_default"/],
    ["[aros]\nenable_reasoning_precheck = true", /unknown key "aros\.enable_reasoning_precheck"/],
    ['[settings]\ngranular_resume_fingerprint_mode = "loose"', /expected strict or compat but found "loose"/],
    ["governance_pii_strong = true", /governance_pii_strong: nothing is scrubbed without governance_pii_scrub/],
  ])("refuses %j", async (text, says) => {
    await expect(load(text)).rejects.toMatchObject({
      code: "CONFIG_INVALID",
      message: expect.stringMatching(says) as string,
    });
  });

  it.each([
    ["off", '{"n": 1}', false],
    ["openai_json", '{"n": 1}', true],
  ])("with structured_output_default = %s decides whether a schema is sent", async (told, text, sent) => {
    vi.stubEnv("FLUJO_AROS_STRUCTURED_OUTPUT_DEFAULT", told);
    using model = scriptedModel([text]);
    await using scene = new Scene("memory");
    expect(await scene.open().run(asking(model), "")).toMatchObject({ output: { n: 1 } });
    expect(model.calls.map(({ request }) => request.output !== undefined)).toEqual([sent]);
  });

  it("bends answers of agents that say nothing, and leaves to others what they say", async () => {
    vi.stubEnv("FLUJO_AROS_COERCION_TOLERANT_LEVEL", "0");
    await using scene = new Scene("memory");
    const flujo = scene.open();
    using own = scriptedModel(['{"n": "1"}']);
    expect(await flujo.run(asking(own, 1), "")).toMatchObject({ output: { n: 1 } });
    using silent = scriptedModel(['{"n": "1"}']);
    expect(await flujo.run(asking(silent), "")).toMatchObject({ failure: { code: "AGENT_OUTPUT_INVALID" } });
  });
});

const asking = (model: ReturnType<typeof scriptedModel>, level?: 1) =>
  flow(level === undefined ? "silent" : "own", { version: "1" })
    .input<string>()
    .agent(
      "ask",
      agent({
        name: "asked",
        model,
        output: z.object({ n: z.number() }),
        repair: { maxReasks: 0, ...(level !== undefined && { level }) },
      }),
    )
    .build();

describe("granular_resume_fingerprint_mode", () => {
  it.each([
    ['[settings]\ngranular_resume_fingerprint_mode = "compat"', {}, "compat"],
    [
      '[settings]\ngranular_resume_fingerprint_mode = "compat"',
      { FLUJO_GRANULAR_RESUME_FINGERPRINT_MODE: "strict" },
      "strict",
    ],
    ["", {}, undefined],
  ])("%j with %j is %s", async (text, env, mode) => {
    expect((await load(text, env)).fingerprint).toBe(mode);
  });
});
