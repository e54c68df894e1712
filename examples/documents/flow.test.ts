import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Flujo } from "flujo";
import { documentsFlow } from "./flow.ts";

let folder = "";
let flujo: Flujo;
const log = (): string => join(folder, ".log.jsonl");
const order = () => ({ folder, out: join(folder, "out"), targetWords: 20 });

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "flujo-flow-"));
  flujo = new Flujo({ store: "memory:", flows: [documentsFlow(log())] });
  writeFileSync(
    join(folder, "rain.txt"),
    `On Rain\n\n${"It rained on the roof and in the yard. Nobody minded it. ".repeat(9)}`,
  );
  writeFileSync(join(folder, "empty.txt"), "");
});

afterEach(async () => {
  await flujo.close();
  rmSync(folder, { recursive: true, force: true });
});

describe("the documents flow", () => {
  it("asks before it publishes, then writes what it analysed and what it left out", async () => {
    const asked = await flujo.run(documentsFlow(log()), order());
    expect(asked).toMatchObject({
      status: "paused",
      pauses: [{ question: expect.stringMatching(/^Publish the report \(1 document, .*1 file skipped\)\?$/u) }],
    });

    const result = await flujo.resume(asked.runId, { ok: true });
    expect(result).toMatchObject({ status: "completed", output: { documents: 1, skipped: 1 } });
    const report = readFileSync(join(folder, "out", "report.md"), "utf8");
    expect(report).toContain("## On Rain");
    expect(report).toContain("empty.txt is empty");
  });

  it("writes nothing when the human declines", async () => {
    const { runId } = await flujo.run(documentsFlow(log()), order());
    expect(await flujo.resume(runId, { ok: false })).toMatchObject({ status: "completed", output: null });
    expect(() => readFileSync(join(folder, "out", "report.md"))).toThrow("ENOENT");
  });

  it("goes on asking after an answer that is none", async () => {
    const { runId } = await flujo.run(documentsFlow(log()), order());
    await expect(flujo.resume(runId, { ok: "maybe" })).rejects.toThrow();
    expect(await flujo.resume(runId, { ok: false })).toMatchObject({ status: "completed" });
  });

  it("fails with a sentence when the folder is gone", async () => {
    const result = await flujo.run(documentsFlow(log()), { ...order(), folder: join(folder, "nowhere") });
    expect(result).toMatchObject({
      status: "failed",
      failure: { message: expect.stringContaining("name a folder that exists") },
    });
  });

  it("refuses an order that cannot be met, and starts nothing", async () => {
    await expect(flujo.run(documentsFlow(log()), { ...order(), targetWords: 3 })).rejects.toThrow(/targetWords/u);
    expect((await flujo.list()).items).toEqual([]);
  });
});
