import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { loadConfig } from "../../../src/config/load.ts";
import type { Message } from "../../../src/ports/model.ts";
import type { PolicyGovernor } from "../../../src/policies/govern/governor.ts";
import { governorFrom } from "../../../src/policies/govern/governor-from.ts";
import { Veil } from "../../../src/policies/govern/veil.ts";
import { ItemDouble } from "./item-double.ts";

const KEY = "a secret of at least sixteen";
const JANE = "jane.doe@example.com";

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "flujo-governance-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

type Env = Readonly<Record<string, string>>;

const load = (env: Env): ReturnType<typeof loadConfig> => loadConfig({ cwd: folder, env });

async function governed(env: Env, items = new ItemDouble()): Promise<PolicyGovernor> {
  const { governance } = await load(env);
  return governorFrom(governance, { items, importer: (file) => import(/* @vite-ignore */ file) });
}

/** What a model gets to read. */
async function told(house: PolicyGovernor, text: string): Promise<string> {
  const messages: Message[] = [{ role: "user", text }];
  const [first] = (await house.beforeModel({ agent: "a", run: "r", messages })).messages;
  return first?.role === "user" ? first.text : "";
}

describe("the switches of governance", () => {
  it("are off unless somebody says otherwise", async () => {
    const house = await governed({});
    expect(await told(house, JANE)).toBe(JANE);
    expect(house.allowsTool("anything")).toBe(true);
    expect(house.everywhere).toBeUndefined();
  });

  it("MODE decides whether anything is allowed at all", async () => {
    const open = await governed({ FLUJO_GOVERNANCE_MODE: "allow_all" });
    expect(await told(open, "hello")).toBe("hello");
    const closed = await governed({ FLUJO_GOVERNANCE_MODE: "deny_all" });
    await expect(told(closed, "hello")).rejects.toMatchObject({ code: "GOVERNANCE_DENIED" });
    expect(closed.allowsTool("anything")).toBe(false);
  });

  it.each(["1", "true", "YES", "on", "everywhere"])(
    "PII_SCRUB=%s scrubs what models get, what is stored and what is logged",
    async (on) => {
      const house = await governed({ FLUJO_GOVERNANCE_PII_SCRUB: on });
      expect(await told(house, JANE)).toMatch(/^\[EMAIL_x/);
      expect(house.everywhere).toBeInstanceOf(Veil);
    },
  );

  it("PII_SCRUB=model scrubs what models get, and nothing else; 0 nothing", async () => {
    const house = await governed({ FLUJO_GOVERNANCE_PII_SCRUB: "model" });
    expect(await told(house, JANE)).toMatch(/^\[EMAIL_x/);
    expect(house.everywhere).toBeUndefined();
    expect(await told(await governed({ FLUJO_GOVERNANCE_PII_SCRUB: "0" }), JANE)).toBe(JANE);
  });

  it("PII_STRONG also goes by the words around", async () => {
    const text = "Dear Mrs. Doe";
    expect(await told(await governed({ FLUJO_GOVERNANCE_PII_SCRUB: "1" }), text)).toBe(text);
    const strong = await governed({ FLUJO_GOVERNANCE_PII_SCRUB: "1", FLUJO_GOVERNANCE_PII_STRONG: "1" });
    expect(await told(strong, text)).toMatch(/^Dear Mrs\. \[PERSON_x/);
  });

  it("PII_KEY makes placeholders the same in all processes, and keeps originals", async () => {
    const [env, items] = [{ FLUJO_GOVERNANCE_PII_SCRUB: "1", FLUJO_GOVERNANCE_PII_KEY: KEY }, new ItemDouble()];
    const placeholder = await told(await governed(env, items), JANE);
    expect(await told(await governed(env), JANE)).toBe(placeholder);
    const other = (await governed(env, items)).everywhere;
    expect(await other?.reveal((show) => show(placeholder))).toBe(JANE);
    const without = await governed({ FLUJO_GOVERNANCE_PII_SCRUB: "1" });
    expect(await told(without, JANE)).not.toBe(placeholder);
  });

  it("TOOL_ALLOWLIST names the only tools", async () => {
    const house = await governed({ FLUJO_GOVERNANCE_TOOL_ALLOWLIST: "tool_a, tool_b" });
    expect(["tool_a", "tool_b", "tool_c"].map((name) => house.allowsTool(name))).toEqual([true, true, false]);
    expect(await told(house, "hello")).toBe("hello");
  });

  it("POLICY_MODULE is loaded from where it was written, and missing it stops the start", async () => {
    const policy = `export const mine = { name: "mine", decide: () => ({ kind: "deny", reason: "mine says no" }) };`;
    mkdirSync(join(folder, "rules"));
    writeFileSync(join(folder, "rules", "policy.mjs"), policy);
    await expect(
      told(await governed({ FLUJO_GOVERNANCE_POLICY_MODULE: "./rules/policy.mjs#mine" }), "x"),
    ).rejects.toThrow("mine says no");
    writeFileSync(join(folder, "rules", "flujo.toml"), 'governance_policy_module = "./policy.mjs#mine"');
    const env = { FLUJO_CONFIG: "rules/flujo.toml" };
    await expect(told(await governed(env), "x")).rejects.toThrow("mine says no");
    await expect(governed({ FLUJO_GOVERNANCE_POLICY_MODULE: "./missing.mjs#mine" })).rejects.toMatchObject({
      code: "CONFIG_INVALID",
    });
  });

  it("asks policies about what was said, and scrubs what they make of it", async () => {
    const policy = `export const policies = {
      name: "mine",
      decide: ({ messages }) => ({ kind: "replace", messages: messages.map((one) => ({ ...one, text: one.text + " john@example.com" })) }),
    };`;
    writeFileSync(join(folder, "adds.mjs"), policy);
    const house = await governed({ FLUJO_GOVERNANCE_POLICY_MODULE: "./adds.mjs", FLUJO_GOVERNANCE_PII_SCRUB: "1" });
    expect(await told(house, JANE)).toMatch(/^\[EMAIL_x\w+\] \[EMAIL_x\w+\]$/);
  });

  it("stand in flujo.toml, too, and the environment is above it", async () => {
    writeFileSync(
      join(folder, "flujo.toml"),
      'governance_mode = "deny_all"\ngovernance_pii_scrub = true\ngovernance_pii_strong = true\ngovernance_tool_allowlist = ["a"]',
    );
    expect((await load({})).governance).toEqual({
      mode: "deny_all",
      piiScrub: "everywhere",
      piiStrong: true,
      toolAllowlist: ["a"],
    });
    const env = {
      FLUJO_GOVERNANCE_MODE: "allow_all",
      FLUJO_GOVERNANCE_PII_SCRUB: "off",
      FLUJO_GOVERNANCE_TOOL_ALLOWLIST: "b",
    };
    expect((await load(env)).governance).toMatchObject({ mode: "allow_all", piiScrub: "off", toolAllowlist: ["b"] });
  });

  it.each<readonly [Env, RegExp]>([
    [{ FLUJO_GOVERNANCE_MODE: "strict" }, /FLUJO_GOVERNANCE_MODE: expected allow_all or deny_all but found "strict"/],
    [{ FLUJO_GOVERNANCE_PII_SCRUB: "maybe" }, /expected true, false, model or everywhere but found "maybe"/],
    [{ FLUJO_GOVERNANCE_PII_STRONG: "2" }, /expected true or false but found "2"/],
    [{ FLUJO_GOVERNANCE_TOOL_ALLOWLIST: "," }, /expected a list of names/],
    [{ FLUJO_GOVERNANCE_PII_KEY: "tooshort" }, /^FLUJO_GOVERNANCE_PII_KEY: expected at least 16 characters$/],
  ])("refuse %j", async (env, message) => {
    await expect(load(env)).rejects.toMatchObject({ code: "CONFIG_INVALID", message: expect.stringMatching(message) });
  });

  it("have no secret in flujo.toml, and do not repeat one that is there", async () => {
    writeFileSync(join(folder, "flujo.toml"), `governance_pii_key = "${KEY}"`);
    const error: unknown = await load({}).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({
      code: "CONFIG_INVALID",
      message: expect.stringContaining("FLUJO_GOVERNANCE_PII_KEY"),
    });
    expect(JSON.stringify(error)).not.toContain(KEY);
  });

  it("say what was probably meant", async () => {
    expect((await load({ FLUJO_GOVERNANCE_PII_SCRUBB: "1" })).warnings).toEqual([
      'unknown variable FLUJO_GOVERNANCE_PII_SCRUBB; did you mean "FLUJO_GOVERNANCE_PII_SCRUB"?',
    ]);
  });
});
