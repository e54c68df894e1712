import { describe, expect, it } from "vitest";
import type { Message } from "../../../src/ports/model.ts";
import {
  type GovernanceEvent,
  type GovernancePolicy,
  governor,
  type ModelCall,
} from "../../../src/policies/govern/governor.ts";
import { loadPolicies } from "../../../src/policies/govern/load-policies.ts";
import { allowAll, denyAll, piiScrub, toolAllowList } from "../../../src/policies/govern/policies.ts";
import { Veil } from "../../../src/policies/govern/veil.ts";

const JANE = "jane.doe@example.com";
const call = (...messages: Message[]): ModelCall => ({ agent: "helper", run: "r1", messages });
const hello = call({ role: "user", text: "hello" });

const saying = (name: string, decide: NonNullable<GovernancePolicy["decide"]>): GovernancePolicy => ({ name, decide });
const textsOf = (messages: readonly Message[]): string[] => messages.map((one) => ("text" in one ? one.text : ""));
const append = (name: string): GovernancePolicy =>
  saying(name, ({ messages }) => ({
    kind: "replace",
    messages: messages.map((one) => ({ ...one, text: `${textsOf([one])[0]}${name}` }) as Message),
  }));

describe("a governor", () => {
  it("lets everything pass without policies, and with allow_all", async () => {
    for (const policies of [[], [allowAll]]) {
      const house = governor({ policies });
      expect((await house.beforeModel(hello)).messages).toBe(hello.messages);
      expect(house.allowsTool("anything")).toBe(true);
      expect(house.counts()).toEqual({ models: { allowed: 1, denied: 0 }, tools: { allowed: 1, denied: 0 } });
    }
  });

  it("lets nothing pass with deny_all", async () => {
    const house = governor({ policies: [denyAll] });
    await expect(house.beforeModel(hello)).rejects.toMatchObject({
      code: "GOVERNANCE_DENIED",
      details: { policy: "deny_all", agent: "helper" },
    });
    expect(house.allowsTool("anything")).toBe(false);
    expect(house.counts()).toEqual({ models: { allowed: 0, denied: 1 }, tools: { allowed: 0, denied: 1 } });
  });

  it("asks policies in their order, each about what the ones before have made, until one denies", async () => {
    const asked: string[] = [];
    const spy = saying("spy", ({ messages }) => {
      asked.push(...textsOf(messages));
      return { kind: "allow" };
    });
    const no = saying("no", async () => Promise.resolve({ kind: "deny", reason: "not today" }));
    const house = governor({ policies: [append("a"), spy, append("b"), spy, no, spy] });
    await expect(house.beforeModel(hello)).rejects.toThrow(
      "the policy no denied the agent helper its model: not today",
    );
    expect(asked).toEqual(["helloa", "helloab"]);
  });

  it("undoes replacements in the opposite order", async () => {
    const marks = (name: string): GovernancePolicy =>
      saying(name, ({ messages }) => ({ kind: "replace", messages, restore: (wire) => [wire, name] }));
    const { restore } = await governor({ policies: [marks("1"), marks("2")] }).beforeModel(hello);
    expect(restore("x")).toEqual([["x", "2"], "1"]);
  });

  it.each<readonly [string, GovernancePolicy["decide"]]>([
    [
      "throws",
      () => {
        throw new Error("broken");
      },
    ],
    ["rejects", () => Promise.reject(new Error("broken"))],
    ["answers nothing", () => undefined as never],
    ["answers what is no decision", () => ({ kind: "maybe" }) as never],
    ["replaces by nothing", () => ({ kind: "replace" }) as never],
  ])("denies when a policy %s", async (what, decide = () => ({ kind: "allow" })) => {
    const house = governor({ policies: [saying("bad", decide), allowAll] });
    const error: unknown = await house.beforeModel(hello).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: "GOVERNANCE_DENIED", details: { policy: "bad" } });
    if (/throws|rejects/.test(what)) expect(error).toMatchObject({ cause: { message: "broken" } });
    expect(house.counts().models).toEqual({ allowed: 0, denied: 1 });
  });

  it("denies a tool when a policy throws, or answers anything but yes", () => {
    const throws: GovernancePolicy = {
      name: "t",
      allowsTool: () => {
        throw new Error("broken");
      },
    };
    const shrugs: GovernancePolicy = { name: "s", allowsTool: () => "yes" as never };
    expect(governor({ policies: [throws] }).allowsTool("a")).toBe(false);
    expect(governor({ policies: [shrugs] }).allowsTool("a")).toBe(false);
  });

  it("tells of each decision, and lets nothing pass that it cannot tell of", async () => {
    const events: GovernanceEvent[] = [];
    const house = governor({ policies: [toolAllowList(["read"])], onDecision: (event) => void events.push(event) });
    await house.beforeModel(hello);
    expect([house.allowsTool("read"), house.allowsTool("write")]).toEqual([true, false]);
    expect(events).toEqual([
      { subject: "model", name: "helper", run: "r1", verdict: "allow" },
      { subject: "tool", name: "read", verdict: "allow" },
      { subject: "tool", name: "write", verdict: "deny", policy: "tool_allow_list", reason: "tool_not_allowed:write" },
    ]);
    const mute = governor({
      policies: [],
      onDecision: () => {
        throw new Error("full");
      },
    });
    await expect(mute.beforeModel(hello)).rejects.toMatchObject({
      code: "GOVERNANCE_DENIED",
      cause: { message: "full" },
    });
    expect(mute.allowsTool("read")).toBe(false);
    expect(mute.counts()).toEqual({ models: { allowed: 0, denied: 1 }, tools: { allowed: 0, denied: 1 } });
  });
});

describe("pii_scrub", () => {
  const conversation = call(
    { role: "system", text: "Be brief." },
    { role: "user", text: `I am ${JANE}` },
    {
      role: "assistant",
      text: "",
      calls: [{ id: "c", name: "find", arguments: { mail: JANE } }],
      provider: { signed: JANE },
    },
    { role: "tool", answers: [{ id: "c", name: "find", output: { [JANE]: "found" } }] },
  );

  it("gives the model placeholders in texts, arguments and answers, and restores what it says about them", async () => {
    const { messages, restore } = await governor({
      policies: [piiScrub({ veil: new Veil(), mode: "model" })],
    }).beforeModel(conversation);
    const [system, user, assistant, tool] = messages;
    const placeholder = (textsOf([user as Message])[0] ?? "").slice("I am ".length);
    expect(placeholder).toMatch(/^\[EMAIL_x[0-9a-f]{16}\]$/);
    expect(system).toBe(conversation.messages[0]);
    expect(assistant).toMatchObject({ calls: [{ arguments: { mail: placeholder } }], provider: { signed: JANE } });
    expect(tool).toMatchObject({ answers: [{ output: { [placeholder]: "found" } }] });
    expect(restore({ text: `Hello ${placeholder}`, arguments: [placeholder] })).toEqual({
      text: `Hello ${JANE}`,
      arguments: [JANE],
    });
    expect(textsOf(conversation.messages)[1]).toBe(`I am ${JANE}`);
  });

  it("restores nothing that was not in the request", async () => {
    const veil = new Veil();
    const foreign = await veil.conceal((hide) => hide("john@example.com"));
    const house = governor({ policies: [piiScrub({ veil, mode: "model" })] });
    const { restore } = await house.beforeModel(conversation);
    expect(restore(`tell me ${foreign}`)).toBe(`tell me ${foreign}`);
    const asked = await house.beforeModel(call({ role: "user", text: `who is ${foreign}?` }));
    const [sent = ""] = textsOf(asked.messages);
    expect(asked.restore(sent)).toBe(`who is ${foreign}?`);
  });

  it("says whether the store goes behind the veil, too", () => {
    const veil = new Veil();
    expect(governor({ policies: [piiScrub({ veil, mode: "everywhere" })] }).everywhere).toBe(veil);
    expect(governor({ policies: [piiScrub({ veil, mode: "model" })] }).everywhere).toBeUndefined();
  });
});

describe("policies of a module", () => {
  const policy = allowAll;
  const load = (specifier: string, module: unknown): Promise<readonly GovernancePolicy[]> =>
    loadPolicies(specifier, (file) =>
      file === "./policy.ts" ? Promise.resolve(module) : Promise.reject(new Error("no such file")),
    );

  it.each<readonly [string, unknown]>([
    ["./policy.ts#mine", { mine: policy }],
    ["./policy.ts#mine", { mine: () => policy }],
    ["./policy.ts#mine", { mine: async () => Promise.resolve([policy]) }],
    ["./policy.ts", { policies: [policy] }],
    ["./policy.ts", { default: policy }],
  ])("are found by %s", async (specifier, module) => {
    expect(await load(specifier, module)).toEqual([policy]);
  });

  it.each<readonly [string, unknown, RegExp]>([
    ["./other.ts#mine", {}, /other\.ts#mine: cannot be loaded: no such file/],
    ["./policy.ts#mine", { yours: policy }, /exports no mine/],
    ["./policy.ts", {}, /exports no policies, and no default/],
    ["./policy.ts#", { "": policy }, /name of an export/],
    ["#mine", {}, /expected a module/],
    ["./policy.ts#mine", { mine: [] }, /empty list/],
    ["./policy.ts#mine", { mine: { name: "x" } }, /expected policies/],
    ["./policy.ts#mine", { mine: { name: "x", decide: true } }, /expected policies/],
    ["./policy.ts#mine", { mine: [policy, 1] }, /expected policies/],
    [
      "./policy.ts#mine",
      {
        mine: () => {
          throw new Error("at birth");
        },
      },
      /at birth/,
    ],
  ])("stop the start when %s is no good", async (specifier, module, message) => {
    await expect(load(specifier, module)).rejects.toMatchObject({
      code: "CONFIG_INVALID",
      message: expect.stringMatching(message),
    });
  });
});
