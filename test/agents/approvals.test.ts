import { agent, type ApprovalQuestion, flow, type Flow, type Flujo, scriptedModel, tool } from "flujo";
import { expect, it } from "vitest";
import { z } from "zod";
import type { ScriptStep } from "../../src/agents/models/scripted/script.ts";
import type { StrictModel } from "../../src/agents/models/scripted/scripted-model.ts";
import type { Duration } from "../../src/domain/duration.ts";
import type { ToolAnswer } from "../../src/ports/model.ts";
import { VirtualClock } from "../engine/clock.ts";
import { codeOf, eventually, eventsOf } from "../engine/reading.ts";
import { Scene } from "../engine/scene.ts";
import { BACKENDS, describeOn } from "../setup/backends.ts";

const THREE = BACKENDS.filter(({ name }) => ["memory", "sqlite", "postgres"].includes(name));
const pay = (
  to: string,
  amount: number,
): { readonly name: string; readonly arguments: { to: string; amount: number } } => ({
  name: "pay",
  arguments: { to, amount },
});

interface Bank {
  readonly flow: Flow<string, string>;
  readonly model: StrictModel;
  /** What was really paid. */
  readonly paid: string[];
}

/** An agent whose one tool moves money, and may not without a person. */
function bank(steps: readonly ScriptStep[], approvalDeadline?: Duration): Bank {
  const paid: string[] = [];
  const model = scriptedModel(steps);
  const transfer = tool({
    name: "pay",
    description: "Pays somebody.",
    input: z.object({ to: z.string(), amount: z.number() }),
    requiresApproval: ({ amount }) => amount >= 10,
    ...(approvalDeadline !== undefined && { approvalDeadline }),
    run: ({ to, amount }) => {
      paid.push(`${to} ${amount}`);
      return "paid";
    },
  });
  const clerk = agent<string>({ name: "clerk", model, instructions: "Pay.", tools: [transfer] });
  return {
    model,
    paid,
    flow: flow("bank", { version: "1" }).input<string>().agent("clerk", clerk, { granular: true }).build(),
  };
}

interface Asked {
  readonly token: string;
  readonly question: ApprovalQuestion;
}

async function asked(flujo: Flujo, run: string, count = 1): Promise<readonly Asked[]> {
  return eventually(`${count} questions`, async () => {
    const { pauses } = await flujo.get(run);
    return (
      pauses.length === count &&
      pauses.map(({ token, question }) => ({ token, question: question as ApprovalQuestion }))
    );
  });
}

const ADA = { to: "ada", amount: 50 };
const first = <T>([one]: readonly T[]): T => one as T;
/** What the model was told last of its calls. */
const told = ({ calls }: StrictModel): readonly ToolAnswer[] => {
  const last = calls.at(-1)?.request.messages.at(-1);
  return last?.role === "tool" ? last.answers : [];
};

describeOn(THREE, "an approval on %s", (store) => {
  it("lets the very call run, once, that a person was shown", async () => {
    await using scene = new Scene(store);
    const { flow: paying, model, paid } = bank([{ calls: [pay("ada", 50)] }, "done"]);
    const flujo = scene.open({ flows: [paying] });
    const { runId, status } = await flujo.run(paying, "go");
    expect([status, paid]).toEqual(["paused", []]);
    const { token, question } = first(await asked(flujo, runId));
    expect(question).toMatchObject({ kind: "tool-approval", agent: "clerk", tool: "pay", arguments: ADA });
    const result = await flujo.resume(runId, { approve: true, hash: question.hash }, { token });
    expect(result).toMatchObject({ status: "completed", output: "done" });
    expect(paid).toEqual(["ada 50"]);
    expect(told(model)).toMatchObject([{ name: "pay", output: "paid" }]);
    model.assertDone();
  });

  it("is not asked for where the tool's own rule does not ask for it", async () => {
    await using scene = new Scene(store);
    const { flow: paying, paid } = bank([{ calls: [pay("ada", 5)] }, "done"]);
    expect(await scene.open().run(paying, "go")).toMatchObject({ status: "completed" });
    expect(paid).toEqual(["ada 5"]);
  });

  it("refuses what is no answer to it, and is still open: no shape, no hash, the hash of another call", async () => {
    await using scene = new Scene(store);
    const { flow: paying, paid } = bank([{ calls: [pay("ada", 50)] }, { calls: [pay("ada", 50)] }, "done"]);
    const flujo = scene.open({ flows: [paying] });
    const { runId } = await flujo.run(paying, "go");
    const { token, question } = first(await asked(flujo, runId));
    for (const answer of [
      true,
      "yes",
      null,
      { approve: "yes", hash: question.hash },
      { hash: question.hash },
      { approve: true },
      { approve: true, hash: 7 },
      { approve: true, hash: question.hash, reason: 7 },
      { approve: true, hash: "0".repeat(32) },
      { approve: true, hash: question.hash.toUpperCase() },
    ])
      expect([answer, await codeOf(flujo.answer(runId, answer, { token }))]).toEqual([answer, "ANSWER_INVALID"]);
    expect(first(await asked(flujo, runId)).token).toBe(token);
    expect(paid).toEqual([]);
    const again = await flujo.resume(runId, { approve: true, hash: question.hash });
    expect([again.status, paid]).toEqual(["paused", ["ada 50"]]);
    // The same call in another turn is another call: its approval is its own.
    const next = first(await asked(flujo, runId));
    expect(next.question.arguments).toEqual(question.arguments);
    expect(next.question.hash).not.toBe(question.hash);
    expect(await codeOf(flujo.answer(runId, { approve: true, hash: question.hash }))).toBe("ANSWER_INVALID");
    expect(await flujo.resume(runId, { approve: true, hash: next.question.hash })).toMatchObject({ output: "done" });
    expect(paid).toEqual(["ada 50", "ada 50"]);
  });

  it("takes each answer for its own question where two are open, whoever mixes them up", async () => {
    await using scene = new Scene(store);
    const { flow: paying, model, paid } = bank([{ calls: [pay("ada", 50), pay("bob", 60)] }, "done"]);
    const flujo = scene.open({ flows: [paying] });
    const { runId } = await flujo.run(paying, "go");
    const [one, two] = (await asked(flujo, runId, 2)) as [Asked, Asked];
    const yes = { approve: true, hash: one.question.hash };
    expect(await codeOf(flujo.answer(runId, yes))).toBe("PAUSE_AMBIGUOUS");
    expect(await codeOf(flujo.answer(runId, yes, { token: two.token }))).toBe("ANSWER_INVALID");
    await flujo.answer(runId, yes, { token: one.token });
    await eventually("the first to be paid", () => paid.length === 1);
    const no = { approve: false, hash: two.question.hash, reason: "not bob" };
    expect(await flujo.resume(runId, no, { token: two.token })).toMatchObject({ status: "completed", output: "done" });
    expect(paid).toEqual([`${(one.question.arguments as typeof ADA).to} 50`]);
    const answers = told(model);
    expect(answers.map(({ isError }) => isError)).toEqual([undefined, true]);
    expect(answers[1]?.output).toMatchObject({
      error: { code: "APPROVAL_INVALID", message: expect.stringContaining("not bob") as string },
    });
  });

  it("is given once: of many answers at once, by other processes too, one is heard", async () => {
    await using scene = new Scene(store);
    const { flow: paying, paid } = bank([{ calls: [pay("ada", 50)] }, "done"]);
    const flujo = scene.open({ flows: [paying] });
    const others = [1, 2].map(() => scene.open({ flows: [paying], worker: false }));
    const { runId } = await flujo.run(paying, "go");
    const { token, question } = first(await asked(flujo, runId));
    const yes = { approve: true, hash: question.hash };
    const codes = await Promise.all(
      [...others, flujo, ...others].map((one) => codeOf(one.answer(runId, yes, { token }))),
    );
    expect(codes.filter((code) => code === "nothing")).toHaveLength(1);
    expect(codes.filter((code) => code !== "nothing" && code !== "PAUSE_UNKNOWN" && code !== "RUN_ENDED")).toEqual([]);
    expect(await flujo.result(runId)).toMatchObject({ status: "completed", output: "done" });
    expect(paid).toEqual(["ada 50"]);
    expect(await codeOf(flujo.answer(runId, yes, { token }))).toBe("RUN_ENDED");
  });

  it("that says no tells the model so, and nothing runs", async () => {
    await using scene = new Scene(store);
    const { flow: paying, model, paid } = bank([{ calls: [pay("ada", 50)] }, "then not"]);
    const flujo = scene.open({ flows: [paying] });
    const { runId } = await flujo.run(paying, "go");
    const { question } = first(await asked(flujo, runId));
    const no = { approve: false, hash: question.hash, reason: "too much" };
    expect(await flujo.resume(runId, no)).toMatchObject({ status: "completed", output: "then not" });
    expect(paid).toEqual([]);
    const message = "a person did not approve this call: too much";
    expect(told(model)).toMatchObject([{ isError: true, output: { error: { code: "APPROVAL_INVALID", message } } }]);
  });

  it("that nobody gives in time is a no", async () => {
    const clock = new VirtualClock();
    await using scene = new Scene(store, clock);
    const { flow: paying, model, paid } = bank([{ calls: [pay("ada", 50)] }, "then not"], "1h");
    const flujo = scene.open({ flows: [paying] });
    const { runId, status } = await clock.until(flujo.run(paying, "go"), 10_000);
    expect(status).toBe("paused");
    const ended = flujo.result(runId, { until: "end" });
    expect(await clock.until(ended, 2 * 3_600_000)).toMatchObject({ status: "completed", output: "then not" });
    expect(paid).toEqual([]);
    expect(told(model)).toMatchObject([
      {
        isError: true,
        output: { error: { message: expect.stringContaining("nobody approved it in time") as string } },
      },
    ]);
    expect(await clock.until(eventsOf(flujo, runId, "wait.timed_out"))).toHaveLength(1);
  });
});
