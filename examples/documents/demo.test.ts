import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, it } from "vitest";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const DEMO = fileURLToPath(new URL("demo.ts", import.meta.url));

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "flujo-demo-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly errors: string;
}

/** Runs the demo in a process of its own, as `npm run demo` does. */
function demo(...args: readonly string[]): Promise<Ended> {
  const child = spawn(process.execPath, ["--import", "tsx", DEMO, ...args], {
    cwd: ROOT,
    stdio: ["ignore", "pipe", "pipe"],
  });
  const said = { out: "", errors: "" };
  child.stdout.on("data", (data: Buffer) => (said.out += data.toString()));
  child.stderr.on("data", (data: Buffer) => (said.errors += data.toString()));
  return new Promise((done) => child.once("close", (code) => done({ code, ...said })));
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

describe("the demo", () => {
  it("kills its worker half-way, repeats nothing that had finished, and leaves no process", async () => {
    const { code, out } = await demo("--out", folder, "--json");
    const closing = JSON.parse(out);
    expect(closing).toMatchObject({
      ok: true,
      status: "completed",
      report: { documents: 11, skipped: 0 },
      proof: { repeated: [], unseen: [], unexplained: [] },
    });
    expect(closing.workers).toHaveLength(2);
    expect(closing.killedAfterSteps).toBeGreaterThan(20);
    expect(existsSync(closing.report.html)).toBe(true);
    expect(closing.workers.filter(isAlive)).toEqual([]);
    expect(code).toBe(0);
  });

  it("writes a line for each event where there is no terminal, and says that nobody could be asked", async () => {
    writeFileSync(join(folder, "rain.txt"), "It rained all day in the town, and nobody minded it.");
    const { code, out } = await demo(folder, "--out", join(folder, "out"), "--no-kill");
    expect(out).toContain("finished count rain.txt");
    expect(out).toContain("no terminal to ask");
    expect(out).toContain("Finished steps executed again: 0");
    expect(code).toBe(0);
  });

  it.each([
    ["an unknown option", ["--fast"], /--fast[^]*npm run demo/u],
    ["a folder that does not exist", [join(tmpdir(), "flujo-nowhere")], /name a folder that exists/u],
  ])("ends with 2 and a sentence for %s", async (_, args, message) => {
    const { code, errors } = await demo(...args);
    expect(errors).toMatch(message);
    expect(errors).not.toContain("    at ");
    expect(code).toBe(2);
  });
});
