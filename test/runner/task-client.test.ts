import { flow, TaskClient } from "flujo";
import { describe, expect, it } from "vitest";
import { answerSchema, contextIn } from "../../src/runner/task-view.ts";
import { codeOf } from "../engine/reading.ts";
import { Scene, STORES } from "../engine/scene.ts";

const two = flow("two", { version: "1" })
  .parallel("ask", {
    left: (b) => b.human("q", { message: "left?" }),
    right: (b) => b.human("q", { question: () => ({ which: "right" }) }),
  })
  .build();
const calling = flow("calling", { version: "1" }).call("two", two).build();

describe.each(STORES)("a task client on %s", (store) => {
  it("shows and answers the questions of branches and child runs, each by its token", async () => {
    await using scene = new Scene(store);
    const flujo = scene.open({ flows: [calling] });
    const { runId } = await flujo.run(calling, null);
    await using tasks = new TaskClient({ store: await scene.store() });
    const { questions, lastPrompt } = await tasks.getTask(runId);
    expect(questions.map(({ question }) => question)).toEqual(["left?", { which: "right" }]);
    expect(lastPrompt).toEqual({ which: "right" });
    expect(questions.every((one) => !("schema" in one))).toBe(true);
    expect(await codeOf(tasks.resumeTask(runId, 1))).toBe("PAUSE_AMBIGUOUS");
    const [left, right] = questions.map(({ token }) => token);
    const afterLeft = await tasks.resumeTask(runId, 1, { token: left ?? "", wait: true });
    expect(afterLeft).toMatchObject({ status: "paused", pauses: [{ token: right }] });
    expect(await codeOf(tasks.resumeTask(runId, 1, { token: left ?? "" }))).toBe("PAUSE_UNKNOWN");
    expect(await tasks.resumeTask(runId, 2, { token: right ?? "", wait: true })).toMatchObject({
      output: { left: 1, right: 2 },
    });
  });

  it("keeps states of the system, and forgets them", async () => {
    await using scene = new Scene(store);
    await using tasks = new TaskClient({ store: await scene.store() });
    expect(await tasks.getSystemState("mail:watermark")).toBeUndefined();
    await tasks.setSystemState("mail:watermark", { seen: new Date(5), ids: [1n] });
    await using other = new TaskClient({ store: await scene.store() });
    expect(await other.getSystemState("mail:watermark")).toEqual({ seen: new Date(5), ids: [1n] });
    await other.setSystemState("mail:watermark", undefined);
    expect(await tasks.getSystemState("mail:watermark")).toBeUndefined();
    expect(await codeOf(tasks.setSystemState("", 1))).toBe("OPTION_INVALID");
    expect(await codeOf(tasks.setSystemState("f", () => 1))).toBe("VALUE_NOT_SERIALIZABLE");
  });

  it("says which run it does not know, and what it cannot filter by", async () => {
    await using scene = new Scene(store);
    await using tasks = new TaskClient({ store: await scene.store() });
    expect(await codeOf(tasks.getTask("nobody"))).toBe("RUN_UNKNOWN");
    expect(await codeOf(tasks.listTasks({ state: "paused" } as never))).toBe("FILTER_UNKNOWN");
  });
});

describe("a task client", () => {
  it("closes the store that it opened, and no other", async () => {
    await using scene = new Scene("memory");
    const store = await scene.store();
    const borrowing = new TaskClient({ store });
    await borrowing.listTasks();
    await borrowing.close();
    expect((await store.list({})).items).toEqual([]);
    const owning = new TaskClient({ store: scene.uri });
    await owning.listTasks();
    await owning.close();
    expect(await codeOf(owning.listTasks())).toBe("CLOSED");
  });

  it("knows neither schema nor context where nothing is told of them", () => {
    expect(answerSchema(undefined, "root/x")).toBeUndefined();
    expect(answerSchema({ root: { kind: "wait", path: "root/x", answer: true } }, "root/x")).toBeUndefined();
    expect(contextIn([])).toEqual({});
  });
});
