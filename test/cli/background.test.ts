import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Flujo } from "flujo";
import { describe, expect, it } from "vitest";
import { eventually } from "../engine/reading.ts";
import { tasks } from "./fixtures/tasks.ts";
import { Terminal } from "./terminal.ts";

const TASKS = fileURLToPath(new URL("fixtures/tasks.ts", import.meta.url));
const database = (terminal: Terminal): string => `sqlite:${join(terminal.folder, "flujo.db")}`;

/** Runs the flow, and waits until its task has failed. */
async function failed(terminal: Terminal): Promise<{ readonly runId: string; readonly taskId: string }> {
  await using flujo = new Flujo({ store: database(terminal), flows: [tasks] });
  const { runId } = await flujo.run(tasks, -4);
  const task = await eventually("the task to fail", async () => (await flujo.failedBackgroundTasks())[0]);
  return { runId, taskId: task.taskId };
}

describe("flujo background", () => {
  const on = (terminal: Terminal, ...words: string[]): string[] => [
    "background",
    ...words,
    "--store",
    database(terminal),
  ];

  it("shows failed tasks, and those of one run as JSON", async () => {
    using terminal = new Terminal();
    const { runId, taskId } = await failed(terminal);
    const { code, out } = await terminal.flujo(on(terminal));
    expect(code).toBe(0);
    expect(out).toMatch(/^task +parent +step +category +failed \(UTC\) +error\n/);
    expect(out).toContain(`${taskId}  ${runId}  root  validation`);
    const json = (await terminal.flujo(on(terminal, "list", "--parent", runId, "--json"))).json();
    expect(json).toMatchObject({ items: [{ taskId, stepName: "root", error: { message: "-4 is negative" } }] });
    const none = await terminal.flujo(on(terminal, "list", "--hours", "0"));
    expect(none.out).toBe("no failed tasks\n");
  });

  it("resumes a task, and says that it failed again, or what another input gave", async () => {
    using terminal = new Terminal();
    const { taskId } = await failed(terminal);
    const again = await terminal.flujo(on(terminal, "resume", taskId, "--file", TASKS, "--json"));
    expect([again.code, again.json()]).toEqual([1, { items: [{ taskId, status: "failed" }] }]);
    const other = await terminal.flujo(on(terminal, "resume", taskId, "--file", TASKS, "--input", "4", "--json"));
    expect(other.code).toBe(0);
    expect(other.json()).toMatchObject({ items: [{ status: "completed" }] });
    expect((await terminal.flujo(on(terminal))).out).toBe("no failed tasks\n");
    const odd = await terminal.flujo(on(terminal, "resume", taskId, "--file", TASKS, "--input", "{"));
    expect(odd.code).toBe(4);
  });

  it("retries all failed tasks of a run, until that is enough", async () => {
    using terminal = new Terminal();
    const { runId, taskId } = await failed(terminal);
    const words = on(terminal, "retry", runId, "--file", TASKS, "--max-retries", "1");
    expect(await terminal.flujo(words)).toMatchObject({
      code: 1,
      out: `task${" ".repeat(30)}  status\n${taskId}  failed\n`,
    });
    const enough = await terminal.flujo(words);
    expect(enough).toMatchObject({ code: 1, out: "no task to retry\n" });
    expect(enough.err).toContain(`task ${taskId} was not retried: it has been retried as often as was allowed`);
  });

  it("cancels nothing where nothing is stale", async () => {
    using terminal = new Terminal();
    await failed(terminal);
    expect((await terminal.flujo(on(terminal, "clean"))).out).toBe("no stale tasks\n");
    expect((await terminal.flujo(on(terminal, "clean", "--hours", "many"))).code).toBe(2);
  });
});

describe("flujo evaluations", () => {
  it("shows what judges have said, of all runs or of one", async () => {
    using terminal = new Terminal();
    const words = ["evaluations", "--store", database(terminal)];
    expect((await terminal.flujo(words)).out).toBe("no evaluations\n");
    const judge = () => ({ score: 0.25, reasoning: "too short" });
    const flujo = new Flujo({
      store: database(terminal),
      flows: [tasks],
      shadowEval: { judge, sampleRate: 1, runLevel: true, sink: "database" },
    });
    const { runId } = await flujo.run(tasks, 4);
    await eventually("both runs to be judged", async () => (await flujo.shadowEvalCounts())?.evaluated === 2);
    await flujo.close();
    const { out } = await terminal.flujo([...words, "--run", runId]);
    expect(out).toMatch(new RegExp(`^run +step +score .*\n${runId}  __run__  0.25 .*  too short\n$`));
    const page = await terminal.flujo([...words, "--limit", "1"]);
    expect(page.err).toContain("more: flujo evaluations --cursor");
    expect((await terminal.flujo([...words, "--json"])).json()["items"]).toHaveLength(2);
  });
});
