import { flow, type FlujoOptions, TaskClient } from "flujo";
import { expect, it } from "vitest";
import { z } from "zod";
import { codeOf, eventsOf, eventually } from "../engine/reading.ts";
import { Scene } from "../engine/scene.ts";
import { BACKENDS, describeOn } from "../setup/backends.ts";

const THREE = BACKENDS.filter(({ name }) => ["memory", "sqlite", "postgres"].includes(name));

const approval = flow("approval", { version: "1" })
  .input(z.object({ document: z.string() }))
  .context(z.object({ read: z.string().default("") }))
  .step("read", ({ document }, { context }) => {
    context.read = document;
    return document;
  })
  .human("approve", {
    message: (document) => `Publish ${document}?`,
    answer: z.object({ confirmation: z.enum(["yes", "no"]) }),
  })
  .step("publish", ({ confirmation }, { context }) => `${context.read}: ${confirmation}`)
  .build();

/** Cases of those who answer and look from outside, and of work in the background, by their numbers. */
describeOn(THREE, "tasks of Flujo's users on %s", (backend) => {
  /** What another process would have: a client of its own on the same store, which is told of no flow. */
  const clientOf = async (scene: Scene, options: Pick<FlujoOptions, "flows"> = {}) =>
    new TaskClient({ ...options, store: await scene.store() });

  it("case 13: finds a run that asks, shows what it asks, and answers it once, from where no worker is", async () => {
    await using scene = new Scene(backend);
    const flujo = scene.open({ flows: [approval] });
    const metadata = { customer: "a" };
    const { runId, status } = await flujo.run(approval, { document: "report" }, { metadata });
    expect(status).toBe("paused");
    await flujo.run(approval, { document: "other" }, { metadata: { customer: "b" } });
    await using tasks = await clientOf(scene);
    expect((await tasks.listTasks({ status: "paused", metadata })).items.map(({ id }) => id)).toEqual([runId]);
    expect(await tasks.getTask(runId)).toMatchObject({
      flow: "approval",
      status: "paused",
      context: { read: "report" },
      steps: [{ path: "root/read", attempt: 1, status: "completed", output: "report" }],
      lastPrompt: "Publish report?",
      questions: [
        {
          path: "root/approve",
          schema: { properties: { confirmation: { enum: ["yes", "no"] } }, required: ["confirmation"] },
        },
      ],
    });
    expect(await tasks.resumeTask(runId, { confirmation: "yes" }, { wait: true })).toMatchObject({
      status: "completed",
      output: "report: yes",
    });
    expect(await codeOf(tasks.resumeTask(runId, { confirmation: "yes" }))).toBe("RUN_ENDED");
    expect(await eventsOf(flujo, runId, "wait.answered")).toHaveLength(1);
    expect(await tasks.getTask(runId)).toMatchObject({ context: { read: "report" }, questions: [] });
  });

  it("case 14: refuses an answer that the schema refuses, and stays paused for one that it takes", async () => {
    await using scene = new Scene(backend);
    const flujo = scene.open({ flows: [approval] });
    const { runId } = await flujo.run(approval, { document: "report" });
    await using knowing = await clientOf(scene, { flows: [approval] });
    expect(await codeOf(knowing.resumeTask(runId, "maybe"))).toBe("ANSWER_INVALID");
    await using tasks = await clientOf(scene);
    // Nobody here knows the flow: the worker refuses it, and asks on.
    expect(await tasks.resumeTask(runId, { confirmation: "maybe" })).toBeUndefined();
    await eventually(
      "the answer to be refused",
      async () => (await eventsOf(flujo, runId, "wait.rejected")).length > 0,
    );
    expect(
      (
        await eventually("the run to ask on", async () => {
          const task = await tasks.getTask(runId);
          return task.status === "paused" && task;
        })
      ).lastPrompt,
    ).toBe("Publish report?");
    await tasks.resumeTask(runId, { confirmation: "no" });
    expect(await flujo.result(runId, { until: "end" })).toMatchObject({ output: "report: no" });
  });

  it("case 19: goes on beside a step in the background, which fails, is found, is resumed, or is stopped when stale", async () => {
    await using scene = new Scene(backend);
    let valid = false;
    const launching = flow("launching", { version: "1" })
      .input(z.string())
      .context(z.object({ notes: z.array(z.string()).default([]) }))
      .step(
        "check",
        (text, { context }) => {
          context.notes.push("of the task");
          return valid ? text.length : text;
        },
        { executionMode: "background", output: z.number() },
      )
      .step("note", (text, { context }) => {
        context.notes.push("of the flow");
        return { text, notes: context.notes };
      })
      .build();
    const flujo = scene.open({ flows: [launching] });
    const { runId, ...result } = await flujo.run(launching, "four");
    expect(result).toMatchObject({ status: "completed", output: { text: "four", notes: ["of the flow"] } });
    const launched = (await eventsOf(flujo, runId, "call.started")).map((event) => event.launched);
    expect(launched).toMatchObject([{ status: "BackgroundLaunched", step: "check" }]);
    const other = scene.open({ flows: [launching] });
    const [task] = await eventually("the task to fail", async () => {
      const failed = await other.failedBackgroundTasks({ parentRunId: runId });
      return failed.length > 0 && failed;
    });
    expect(task).toMatchObject({ parentRunId: runId, stepName: "check", category: "validation", status: "failed" });
    expect(task?.taskId).toBe(launched[0]?.taskId);
    valid = true;
    expect(await (await other.resumeBackgroundTask(task?.taskId ?? "")).output()).toBe(4);
    expect(await other.failedBackgroundTasks()).toEqual([]);
    expect(await other.get(task?.taskId ?? "")).not.toHaveProperty("failure");
    await using tasks = await clientOf(scene);
    expect(await tasks.getTask(task?.taskId ?? "")).toMatchObject({ context: { notes: ["of the task"] } });
    expect(await tasks.getTask(runId)).toMatchObject({ context: { notes: ["of the flow"] } });
  });
});
