import { agent, type Flow, flow, type Model, type RunExport, scriptedModel } from "flujo";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { BACKENDS, describeOn } from "../setup/backends.ts";
import { eventually } from "./reading.ts";
import { Scene } from "./scene.ts";

const THREE = BACKENDS.filter(({ name }) => ["memory", "sqlite", "postgres"].includes(name));
const PRICE = { input: 1_000_000, output: 1_000_000 };
const answer = z.object({ ok: z.boolean() });

/** Two agents and a person between them. */
const review = (writer: Model, editor: Model): Flow<string, unknown, unknown> =>
  flow("review", { version: "1" })
    .input<string>()
    .agent("write", agent({ name: "writer", model: writer }), { granular: true })
    .human("approve", { message: (draft) => `Publish ${draft}?`, answer })
    .agent("edit", agent({ name: "editor", model: editor, prompt: ({ ok }: { ok: boolean }) => `ok: ${ok}` }))
    .build() as Flow<string, unknown, unknown>;

/** Whoever asks it is told that nothing was expected. */
const never = (): Model => scriptedModel([]);

/** Without what was recorded of one attempt. */
function without({ events, ...trace }: RunExport, path: string): RunExport {
  const isOther = (fact: unknown): boolean => (fact as { readonly path?: string }).path !== path;
  return { ...trace, events: events.map(({ facts, ...event }) => ({ ...event, facts: facts.filter(isOther) })) };
}

describeOn(THREE, "case 22 on %s", (store) => {
  it("replays two agents and an answer without asking anybody, and names what is missing", async () => {
    await using scene = new Scene(store);
    const real = review(scriptedModel(["a draft"], { price: PRICE }), scriptedModel(["a text"], { price: PRICE }));
    const flujo = scene.open({ flows: [real], limits: { costUsd: 1 } });
    const paused = await flujo.run(real, "whales");
    expect(paused.status).toBe("paused");
    const done = await flujo.resume(paused.runId, { ok: true });
    expect(done).toMatchObject({ status: "completed", output: "a text" });

    const offline = review(never(), never());
    const replayed = await flujo.replayFromTrace(done.runId, offline);
    expect(replayed.differences).toEqual([]);
    expect(replayed).toMatchObject({ status: "completed", output: "a text", identical: true });
    expect(replayed.steps.map(({ at }) => at)).toContain("root/edit");

    const missing = without(await flujo.export(done.runId), "root/edit");
    await expect(flujo.replayFromTrace(missing, offline)).rejects.toMatchObject({
      code: "REPLAY_MISSING",
      message: expect.stringContaining("the record has no answer for root/edit attempt 1") as string,
      details: { path: "root/edit", attempt: 1 },
    });
  });
});

describe("a replay", () => {
  it("goes on with the value that a fork was given, in the line that it was given to", async () => {
    await using scene = new Scene("memory");
    const parallel = flow("parallel", { version: "1" })
      .input(z.number())
      .parallel("both", {
        left: (b) => b.step("double", (n) => n * 2).step("more", (n) => n + 1),
        right: (b) => b.step("same", (n) => n),
      })
      .build();
    const flujo = scene.open({ flows: [parallel] });
    const { runId } = await flujo.run(parallel, 1);
    const doubled = (await flujo.history(runId)).find((event) => event.type === "step.completed" && event.output === 2);
    const forked = await flujo.fork(runId, { at: doubled?.seq ?? 0, input: 50 });
    expect(await forked.output()).toEqual({ left: 51, right: 1 });
    const replayed = await flujo.replayFromTrace(forked.runId, parallel);
    expect(replayed).toMatchObject({ identical: true, output: { left: 51, right: 1 } });
  });

  it("of a run that waits is open, and says so of what is still under way", async () => {
    await using scene = new Scene("memory");
    let release = (): void => undefined;
    const held = new Promise<void>((resolve) => (release = resolve));
    const waits = flow("waits", { version: "1" })
      .parallel("both", {
        asks: (b) => b.human("ask", { message: () => "?" }),
        works: (b) => b.step("done", () => 1).step("hold", () => held),
      })
      .build();
    const flujo = scene.open({ flows: [waits] });
    const { runId } = await flujo.start(waits, null);
    await eventually("a question", async () => (await flujo.get(runId)).pauses.length > 0);
    await eventually("a step", async () => (await flujo.history(runId)).some(({ type }) => type === "step.completed"));
    expect(await flujo.replayFromTrace(runId, waits)).toMatchObject({ status: "open", identical: true });
    release();
    await flujo.resume(runId, "yes");
  });

  it("takes the first of several child runs that the record names", async () => {
    await using scene = new Scene("memory");
    const child = flow("child", { version: "1" })
      .input(z.number())
      .step("try", (n) => {
        if (n < 2) throw new Error("too small");
        return n;
      })
      .build();
    const races = flow("races", { version: "1" })
      .callMany("race", child, { inputs: () => [0, 1, 2], wait: "any" })
      .build();
    const flujo = scene.open({ flows: [races] });
    const { runId } = await flujo.run(races, null);
    const replayed = await flujo.replayFromTrace(runId, races);
    expect(replayed).toMatchObject({ identical: true, output: { index: 2, output: 2 } });
  });
});
