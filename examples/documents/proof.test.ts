import { appendFileSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { executionsIn, recordInto } from "./execution-log.ts";
import type { Execution } from "./execution-log.ts";
import { holds, prove } from "./proof.ts";
import type { FinishedStep } from "./watch.ts";

const RUN = "run-1";
const ran = (visit: string, pid: number, phases: readonly Execution["phase"][] = ["start", "finish"]): Execution[] =>
  phases.map((phase, at) => ({ phase, run: RUN, path: "root/read", visit, attempt: 1, pid, at: at * 5 }));
const stored = (visit: string): FinishedStep => ({ path: "root/read", visit, attempt: 1, startedAt: 0, at: 5 });

describe("prove", () => {
  const kill = { pid: 1, finished: [stored("0")] };

  it("holds when only what was under way is run again", () => {
    const log = [...ran("0", 1), ...ran("1", 1, ["start"]), ...ran("1", 2), ...ran("2", 2)];
    const proof = prove([stored("0"), stored("1"), stored("2")], log, kill);
    expect(proof).toMatchObject({ repeated: [], unexplained: [], unseen: [], interrupted: ["root/read#1"] });
    expect(holds(proof)).toBe(true);
    expect(proof.rows).toEqual([{ step: "read", slots: 3, executions: 4, attempts: 1, milliseconds: 15 }]);
  });

  it("counts work that ended but was not stored before the kill as under way", () => {
    const proof = prove([stored("0"), stored("1")], [...ran("0", 1), ...ran("1", 1), ...ran("1", 2)], kill);
    expect(proof.interrupted).toEqual(["root/read#1"]);
    expect(holds(proof)).toBe(true);
  });

  it.each([
    ["a finished step that ran again", [...ran("0", 1), ...ran("0", 2)], { repeated: ["root/read#0"] }],
    ["a step that ran twice in one worker", [...ran("0", 1), ...ran("0", 1)], { unexplained: ["root/read#0"] }],
    ["a result that nobody produced", [], { unseen: ["root/read#0"] }],
  ])("does not hold for %s", (_, log, found) => {
    const proof = prove([stored("0")], log, kill);
    expect(proof).toMatchObject(found);
    expect(holds(proof)).toBe(false);
  });
});

describe("the execution log", () => {
  let folder = "";
  let file = "";
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "flujo-log-"));
    file = join(folder, "executions.jsonl");
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));
  const ctx = { run: { id: RUN }, path: "root/read", visit: "3", attempt: 2 };

  it("writes a line before and after the work", async () => {
    const work = recordInto(file)(async (input: number) => input + executionsIn(file, RUN).length);
    expect(await work(1, ctx)).toBe(2);
    expect(executionsIn(file, RUN)).toMatchObject([
      { phase: "start", path: "root/read", visit: "3", attempt: 2, pid: process.pid },
      { phase: "finish", path: "root/read", visit: "3" },
    ]);
  });

  it("writes down a failure and passes it on", async () => {
    const work = recordInto(file)(() => Promise.reject(new Error("no ink")));
    await expect(work(1, ctx)).rejects.toThrow("no ink");
    expect(executionsIn(file, RUN).map(({ phase }) => phase)).toEqual(["start", "fail"]);
  });

  it("leaves out other runs and a line that a kill has cut short", async () => {
    await recordInto(file)(() => 1)(1, { ...ctx, run: { id: "other" } });
    appendFileSync(file, '{"phase":"start","run":"run-1"');
    expect(executionsIn(file, RUN)).toEqual([]);
  });

  it("is empty before anything ran", () => {
    expect(executionsIn(file, RUN)).toEqual([]);
  });
});
