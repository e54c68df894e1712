import { agent, auditLog, flow, type FlujoOptions, scriptedModel, tool, toolAllowList } from "flujo";
import { memoryStore } from "flujo/testing";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { Scene } from "../engine/scene.ts";

type Told = Parameters<NonNullable<FlujoOptions["onGovernanceDecision"]>>[0];

const wipe = tool({ name: "wipe", description: "wipes everything", input: z.object({}), run: () => "gone" });
const build = (model: ReturnType<typeof scriptedModel>) =>
  flow("clean", { version: "1" })
    .input<string>()
    .agent("clean", agent({ name: "cleaner", model, tools: [wipe] }))
    .build();

const cleaner = (): ReturnType<typeof build> => build(scriptedModel([{ calls: [{ name: "wipe" }] }, "I may not."]));

describe("decisions of the rules of the house", () => {
  it("are told, and can be kept in an audit log", async () => {
    await using store = memoryStore();
    const audit = auditLog(store);
    const appended: Promise<unknown>[] = [];
    const onGovernanceDecision = ({ subject, name, verdict, run = "-" }: Told): void =>
      void appended.push(audit.append({ at: 0, actor: run, action: `${subject} ${verdict}`, subject: name }));
    const clean = cleaner();
    await using scene = new Scene("memory");
    const flujo = scene.open({ store, flows: [clean], governance: [toolAllowList([])], onGovernanceDecision });
    expect(await flujo.run(clean, "")).toMatchObject({ status: "completed" });
    await Promise.all(appended);
    await audit.verify();
    const entries = (await audit.entries()).map(({ action, subject }) => `${action} ${subject}`);
    expect(new Set(entries)).toEqual(new Set(["tool deny wipe", "model allow cleaner"]));
  });

  it("are denials where nobody can be told", async () => {
    const clean = cleaner();
    await using scene = new Scene("memory");
    const flujo = scene.open({
      flows: [clean],
      onGovernanceDecision: () => {
        throw new Error("the log is full");
      },
    });
    expect(await flujo.run(clean, "")).toMatchObject({ failure: { code: "GOVERNANCE_DENIED" } });
  });
});
