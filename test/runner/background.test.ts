import { agent, flow, FlujoError, NonRetryableError } from "flujo";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { scriptedModel } from "../../src/agents/models/scripted/scripted-model.ts";
import { VirtualClock } from "../engine/clock.ts";
import { codeOf, eventsOf, eventually, gate } from "../engine/reading.ts";
import { Scene, STORES } from "../engine/scene.ts";

const HOUR_MS = 3_600_000;

/** Sums up in the background what is negative or not; the flow itself goes on at once. */
const report = flow("report", { version: "1" })
  .input(z.number())
  .context(z.object({ marks: z.array(z.string()).default([]) }))
  .step("mark", (n, { context }) => {
    context.marks.push("parent");
    return n;
  })
  .step(
    "index",
    (n, { context }) => {
      if (n < 0) throw new RangeError(`${n} is negative`);
      context.marks.push("task");
      return [n * n, ...context.marks];
    },
    { executionMode: "background" },
  )
  .step("end", (n, { context }) => ({ n, marks: context.marks }))
  .build();

const asks = flow("asks", { version: "1" }).human("ok", { message: "go on?" }).build();
const leaving = flow("leaving", { version: "1" })
  .background("ask", asks, { input: () => null })
  .step("break", () => Promise.reject(new NonRetryableError("no")), { executionMode: "background" })
  .build();

describe.each(STORES)("a step in the background on %s", (store) => {
  it("lets the flow go on with the value that came to it, and is a run of its own with a copy of the context", async () => {
    await using scene = new Scene(store);
    const flujo = scene.open({ flows: [report] });
    const result = await flujo.run(report, 3, { metadata: { customer: "a" } });
    expect(result).toMatchObject({ status: "completed", output: { n: 3, marks: ["parent"] } });
    const [started] = await eventsOf(flujo, result.runId, "call.started");
    const taskId = started?.launched?.taskId ?? "";
    expect(started?.launched).toEqual({ status: "BackgroundLaunched", taskId: started?.runs[0], step: "index" });
    expect(await flujo.result(taskId, { until: "end" })).toMatchObject({ output: [9, "parent", "task"] });
    expect(await flujo.get(taskId)).toMatchObject({ parent: result.runId, input: 3, metadata: { customer: "a" } });
    expect((await flujo.replayFromTrace(result.runId)).identical).toBe(true);
    expect(await flujo.failedBackgroundTasks()).toEqual([]);
  });

  it("is done by a worker elsewhere when nobody here works", async () => {
    await using scene = new Scene(store);
    const asked = gate();
    const slow = flow("slow", { version: "1" })
      .step("wait", () => asked.opened.then(() => "done"), { executionMode: "background" })
      .build();
    const first = scene.open({ flows: [slow] });
    const { runId } = await first.run(slow, null);
    const [task] = (await first.list({ parent: runId })).items;
    const other = scene.open({ flows: [slow] });
    await other.open();
    const closing = first.close();
    asked.open();
    await closing;
    expect(await other.result(task?.id ?? "", { until: "end" })).toMatchObject({ output: "done" });
  });

  it("leaves its flow alone when it fails, is listed, and goes on under its own id", async () => {
    await using scene = new Scene(store);
    let broken = true;
    const mending = flow("mending", { version: "1" })
      .step(
        "fetch",
        (n) => {
          if (broken) throw new TypeError("fetch failed", { cause: new Error("connect ECONNREFUSED 127.0.0.1:1") });
          return n;
        },
        { executionMode: "background" },
      )
      .build();
    const flujo = scene.open({ flows: [mending] });
    const { runId, status } = await flujo.run(mending, 1);
    expect(status).toBe("completed");
    const [task] = await eventually("the task to fail", async () => {
      const failed = await flujo.failedBackgroundTasks({ parentRunId: runId });
      return failed.length > 0 && failed;
    });
    expect(task).toMatchObject({
      parentRunId: runId,
      stepName: "fetch",
      status: "failed",
      category: "network",
      error: { code: "STEP_FAILED", message: "fetch failed" },
    });
    broken = false;
    const handle = await flujo.resumeBackgroundTask(task?.taskId ?? "");
    expect(handle.runId).toBe(task?.taskId);
    expect(await handle.output()).toBe(1);
    expect(await flujo.failedBackgroundTasks()).toEqual([]);
    expect((await flujo.get(handle.runId)).failure).toBeUndefined();
  });

  it("goes on as another task of the same parent when it is given another input, once for each input", async () => {
    await using scene = new Scene(store);
    const flujo = scene.open({ flows: [report] });
    const { runId } = await flujo.run(report, -2);
    const task = await eventually("the task to fail", async () => (await flujo.failedBackgroundTasks())[0]);
    const handle = await flujo.resumeBackgroundTask(task.taskId, { input: 2 });
    expect(handle.runId).not.toBe(task.taskId);
    expect(await handle.output()).toEqual([4, "parent", "task"]);
    expect((await flujo.resumeBackgroundTask(task.taskId, { input: 2 })).runId).toBe(handle.runId);
    expect(await flujo.failedBackgroundTasks()).toEqual([]);
    expect((await flujo.list({ parent: runId })).items.map(({ id }) => id)).toContain(handle.runId);
    expect(await flujo.get(task.taskId)).toMatchObject({ status: "failed", input: -2 });
  });

  it("refuses to resume what is no task, or has not failed", async () => {
    await using scene = new Scene(store);
    const flujo = scene.open({ flows: [report] });
    const { runId } = await flujo.run(report, 1);
    const [task] = (await flujo.list({ parent: runId })).items;
    await flujo.result(task?.id ?? "", { until: "end" });
    expect(await codeOf(flujo.resumeBackgroundTask(runId))).toBe("BACKGROUND_UNKNOWN");
    expect(await codeOf(flujo.resumeBackgroundTask("nobody"))).toBe("BACKGROUND_UNKNOWN");
    expect(await codeOf(flujo.resumeBackgroundTask(task?.id ?? ""))).toBe("RUN_NOT_FAILED");
    expect(await codeOf(flujo.resumeBackgroundTask(task?.id ?? "", { input: 2 }))).toBe("RUN_NOT_FAILED");
  });

  it("is retried with its siblings as often as is allowed, and no more", async () => {
    await using scene = new Scene(store);
    const both = flow("both", { version: "1" })
      .step("one", () => Promise.reject(new NonRetryableError("no")), { executionMode: "background" })
      .step("two", () => Promise.reject(new NonRetryableError("no")), { executionMode: "background" })
      .build();
    const flujo = scene.open({ flows: [both] });
    const { runId } = await flujo.run(both, null);
    const allFailed = () =>
      eventually("both tasks to fail", async () => (await flujo.failedBackgroundTasks()).length === 2);
    await allFailed();
    const outcomes = async (maxRetries: number) =>
      (await flujo.retryFailedBackgroundTasks(runId, { maxRetries })).map(({ outcome }) => outcome);
    expect(await outcomes(1)).toEqual(["retried", "retried"]);
    await allFailed();
    expect(await outcomes(1)).toEqual(["exhausted", "exhausted"]);
    expect(await codeOf(flujo.retryFailedBackgroundTasks(runId, { maxRetries: 0 }))).toBe("OPTION_INVALID");
    const stranger = scene.open();
    expect((await stranger.retryFailedBackgroundTasks(runId)).map(({ outcome }) => outcome)).toEqual([
      "refused",
      "refused",
    ]);
  });

  it("is cancelled when it is stale, and leaves alone what is not, or is no task", async () => {
    await using scene = new Scene(store);
    const flujo = scene.open({ flows: [leaving, asks] });
    const { runId } = await flujo.run(leaving, null);
    const own = await flujo.run(asks, null);
    const [asking] = (await flujo.list({ parent: runId, flow: "asks" })).items;
    await flujo.result(asking?.id ?? "");
    expect(await flujo.cleanupStaleBackgroundTasks({ hours: 1 })).toEqual([]);
    const stale = await eventually("a moment to have passed", async () => {
      const ids = await flujo.cleanupStaleBackgroundTasks({ hours: 0 });
      return ids.length > 0 && ids;
    });
    expect(stale).toEqual([asking?.id]);
    expect(await flujo.result(asking?.id ?? "", { until: "end" })).toMatchObject({
      status: "cancelled",
      reason: "not ended 0 hours after it was launched",
    });
    expect((await flujo.get(own.runId)).status).toBe("paused");
    expect(await codeOf(flujo.cleanupStaleBackgroundTasks({ hours: -1 }))).toBe("OPTION_INVALID");
  });
});

describe("tasks in the background", () => {
  it("are cancelled when they have not ended after a day, and are too old to be listed then", async () => {
    const clock = new VirtualClock();
    await using scene = new Scene("memory", clock);
    const flujo = scene.open({ flows: [leaving] });
    const { runId } = await clock.during(flujo.run(leaving, null));
    for (const { id, flow: name } of (await flujo.list({ parent: runId })).items)
      await clock.during(flujo.result(id, { until: name === "asks" ? "settled" : "end" }));
    await clock.pass(23 * HOUR_MS);
    expect(await clock.during(flujo.cleanupStaleBackgroundTasks())).toEqual([]);
    expect(await clock.during(flujo.failedBackgroundTasks())).toMatchObject([{ stepName: "break" }]);
    await clock.pass(2 * HOUR_MS);
    const [asking] = (await flujo.list({ parent: runId, flow: "asks" })).items;
    expect(await clock.during(flujo.cleanupStaleBackgroundTasks())).toEqual([asking?.id]);
    expect(await clock.during(flujo.result(asking?.id ?? "", { until: "end" }))).toMatchObject({
      status: "cancelled",
      reason: "not ended 24 hours after it was launched",
    });
    expect(await clock.during(flujo.failedBackgroundTasks())).toEqual([]);
    expect(await clock.during(flujo.failedBackgroundTasks({ hoursBack: 30 }))).toHaveLength(1);
  });
});

describe("an agent in the background", () => {
  const answers = () => scriptedModel([{ text: "a long answer" }]);
  const asking = (granular: boolean) =>
    flow("asking", { version: "1" })
      .input(z.string())
      .agent("research", agent({ name: "researcher", model: answers() }), { executionMode: "background", granular })
      .step("end", (topic) => `researching ${topic}`)
      .build();

  it.each([true, false])("answers in a run of its own (granular: %s)", async (granular) => {
    await using scene = new Scene("memory");
    const researching = asking(granular);
    const flujo = scene.open({ flows: [researching] });
    const result = await flujo.run(researching, "bees");
    expect(result).toMatchObject({ output: "researching bees" });
    const [task] = (await flujo.list({ parent: result.runId })).items;
    expect(await flujo.result(task?.id ?? "", { until: "end" })).toMatchObject({ output: "a long answer" });
  });

  it("may spend a share of what its parent may, and what the runner says of what that leaves open", async () => {
    await using scene = new Scene("memory");
    const researching = asking(true);
    const flujo = scene.open({ flows: [researching], backgroundLimits: { requests: 0, totalTokens: 10 } });
    const { runId } = await flujo.run(researching, "bees", { limits: { totalTokens: 100_000 } });
    const [task] = (await flujo.list({ parent: runId })).items;
    const [born] = await eventsOf(flujo, task?.id ?? "", "run.started");
    expect(born).toMatchObject({
      limits: { totalTokens: 100_000, requests: 0 },
      slice: { totalTokens: 50_000, requests: 0 },
    });
    expect(await flujo.result(task?.id ?? "", { until: "end" })).toMatchObject({ failure: { code: "QUOTA_EXCEEDED" } });
    expect(await flujo.failedBackgroundTasks()).toMatchObject([{ category: "resource_exhaustion" }]);
    expect((await flujo.get(runId)).status).toBe("completed");
  });
});

describe("a flow with a step in the background", () => {
  const problems = (build: () => unknown): unknown => {
    try {
      return build();
    } catch (error) {
      return error instanceof FlujoError && error.details?.["problems"];
    }
  };

  it("says what is wrong with the step at the step's own place", () => {
    const build = () =>
      flow("f", { version: "1" })
        .if(
          "i",
          () => true,
          (b) => b.step("bad", () => 1, { executionMode: "background", timeout: -1, queue: "a b" }),
        )
        .build();
    expect(problems(build)).toEqual([
      expect.objectContaining({ path: "root/i/then/bad" }),
      expect.objectContaining({ path: "root/i/then/bad" }),
    ]);
    const undone = { executionMode: "background", compensate: () => undefined } as unknown as {
      readonly executionMode: "background";
    };
    expect(
      problems(() =>
        flow("f", { version: "1" })
          .step("x", () => 1, undone)
          .build(),
      ),
    ).toEqual([{ path: "root/x", says: expect.stringContaining("cannot be compensated") as string }]);
    const odd = { executionMode: "later" } as unknown as { readonly executionMode: "sync" };
    expect(
      problems(() =>
        flow("f", { version: "1" })
          .step("x", () => 1, odd)
          .build(),
      ),
    ).toEqual([{ path: "root/x", says: 'executionMode: expected sync or background but found "later"' }]);
  });

  it("has another task for each place, whatever the ids, and another fingerprint than without", () => {
    const long = "x".repeat(120);
    const one = flow(long, { version: "1" })
      .if(
        "a",
        () => true,
        (b) => b.step("b", () => 1, { executionMode: "background" }),
      )
      .step("b", () => 2, { executionMode: "background" })
      .build();
    expect(new Set(one.calls.map(({ name }) => name)).size).toBe(2);
    const other = flow(long, { version: "1", revision: "2" })
      .step("b", () => 2, { executionMode: "background" })
      .build();
    expect(one.calls.map(({ fingerprint }) => fingerprint)).not.toContain(other.calls[0]?.fingerprint);
  });
});
