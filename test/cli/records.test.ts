import { execFile } from "node:child_process";
import { readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";
import { FLOWS, Terminal } from "./terminal.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));

/** A terminal with a finished run `r` of greet in its store, exported to run.json. */
async function exported(): Promise<Terminal> {
  const terminal = new Terminal();
  const words = ["run", FLOWS, "-f", "greet", "-i", '{"name":" Ada "}', "--id", "r", "--store", "sqlite:./flujo.db"];
  expect(await terminal.flujo(words)).toMatchObject({ code: 0, out: "Hello Ada\n" });
  const out = await terminal.flujo(["export", "r", "--out", "run.json", "--store", "sqlite:./flujo.db"]);
  expect(out).toMatchObject({ code: 0, out: `${join(terminal.folder, "run.json")}\n` });
  return terminal;
}

interface Trace {
  readonly events: { readonly facts: Record<string, unknown>[] }[];
}

/** Changes what was recorded of greet's first step; undefined = it is gone. */
function tamper(terminal: Terminal, output: string | undefined): void {
  const file = join(terminal.folder, "run.json");
  const trace = JSON.parse(readFileSync(file, "utf8")) as Trace;
  const events = trace.events.map(({ facts, ...event }) => ({
    ...event,
    facts: facts
      .filter(({ path }) => output !== undefined || path !== "root/prepare")
      .map((fact) => (fact["path"] === "root/greet" ? { ...fact, path: output ?? fact["path"] } : fact)),
  }));
  writeFileSync(file, JSON.stringify({ ...trace, events }));
}

describe("flujo export", () => {
  it("prints the whole run, also as one line of JSON", async () => {
    using terminal = await exported();
    const words = ["export", "r", "--store", "sqlite:./flujo.db"];
    const printed = JSON.parse((await terminal.flujo(words)).out) as unknown;
    expect(printed).toMatchObject({ format: "flujo-run", v: 1, run: { id: "r", flow: "greet", status: "completed" } });
    expect((await terminal.flujo([...words, "--json"])).json()).toEqual(printed);
    expect(JSON.parse(readFileSync(join(terminal.folder, "run.json"), "utf8"))).toEqual(printed);
  });

  it("says which file it cannot write", async () => {
    using terminal = await exported();
    const said = await terminal.flujo(["export", "r", "--out", "no/run.json", "--store", "sqlite:./flujo.db"]);
    expect(said).toMatchObject({ code: 2, err: expect.stringMatching(/--out: .*no\/run\.json/) as string });
  });
});

describe("flujo replay", () => {
  it("ends with 0 for a run of the store and for an exported one, when the flow decides as it did", async () => {
    using terminal = await exported();
    const stored = await terminal.flujo(["replay", "r", "--flow", FLOWS, "--store", "sqlite:./flujo.db"]);
    expect(stored).toMatchObject({ code: 0, out: "run r replayed: completed, 2 steps, as it was recorded\n" });
    const file = await terminal.flujo(["replay", "run.json", "--flow", FLOWS, "--json"]);
    expect(file.code).toBe(0);
    expect(file.json()).toMatchObject({
      runId: "r",
      status: "completed",
      output: "Hello Ada",
      identical: true,
      steps: [
        { at: "root/prepare", attempt: 1, output: "Ada" },
        { at: "root/greet", attempt: 1, output: "Hello Ada" },
      ],
    });
  });

  it("ends with 1 and names step and attempt when an answer is missing", async () => {
    using terminal = await exported();
    tamper(terminal, undefined);
    const said = await terminal.flujo(["replay", "run.json", "--flow", FLOWS]);
    expect(said.code).toBe(1);
    expect(said.err).toContain("REPLAY_MISSING: the record has no answer for root/prepare attempt 1");
  });

  it("ends with 1 and shows the first difference of each line when the flow decides otherwise", async () => {
    using terminal = await exported();
    const file = join(terminal.folder, "run.json");
    const trace = JSON.parse(readFileSync(file, "utf8")) as Trace;
    trace.events.push({ ...trace.events[0], facts: [{ type: "cancel.requested", reason: "later" }] });
    writeFileSync(file, JSON.stringify(trace));
    const said = await terminal.flujo(["replay", "run.json", "--flow", FLOWS]);
    expect(said.code).toBe(1);
    expect(said.out.split("\n")).toEqual([
      "run r replayed: completed, 2 steps, not as it was recorded",
      'fiber 0: expected {"type":"cancel.requested","reason":"later"} but found nothing',
      "",
    ]);
  });

  it("refuses a file that is no export, and a test of a run that is in no file", async () => {
    using terminal = await exported();
    writeFileSync(join(terminal.folder, "other.json"), "{}");
    expect(await terminal.flujo(["replay", "other.json", "--flow", FLOWS])).toMatchObject({ code: 4 });
    const said = await terminal.flujo(["replay", "r", "--flow", FLOWS, "--as-test", "r.test.ts"]);
    expect(said).toMatchObject({ code: 2, err: expect.stringContaining("flujo export r --out run.json") as string });
  });

  it("writes a test that passes, and fails once the record says otherwise", { timeout: 240_000 }, async () => {
    using terminal = await exported();
    const { folder } = terminal;
    expect(await terminal.flujo(["replay", "run.json", "--flow", FLOWS, "--as-test", "greet.test.ts"])).toMatchObject({
      code: 0,
      err: expect.stringContaining(`wrote ${join(folder, "greet.test.ts")}`) as string,
    });
    expect(readFileSync(join(folder, "greet.test.ts"), "utf8")).toContain('"output": "Hello Ada"');
    symlinkSync(join(ROOT, "node_modules"), join(folder, "node_modules"));
    const alias = { flujo: join(ROOT, "src/index.ts") };
    writeFileSync(join(folder, "vitest.config.mjs"), `export default ${JSON.stringify({ resolve: { alias } })};`);
    const vitest = [join(ROOT, "node_modules/vitest/vitest.mjs"), "run", "--root", folder];
    const run = async (): Promise<string> =>
      (await promisify(execFile)(process.execPath, vitest, { cwd: folder })).stdout;
    expect(await run()).toMatch(/1 passed/);
    tamper(terminal, "root/elsewhere");
    await expect(run()).rejects.toMatchObject({ stderr: expect.stringContaining("root/greet attempt 1") as string });
  });
});

describe("flujo usage", () => {
  it("shows what a run has spent", async () => {
    using terminal = await exported();
    const words = ["usage", "r", "--store", "sqlite:./flujo.db"];
    expect((await terminal.flujo([...words, "--json"])).json()).toEqual({
      runId: "r",
      costUsd: 0,
      inputTokens: 0,
      outputTokens: 0,
      totalTokens: 0,
      requests: 0,
      toolCalls: 0,
    });
    expect((await terminal.flujo(words)).out).toMatch(/^cost +\$0\.000000\ninput tokens +0\n/);
  });
});

describe("flujo budgets show", () => {
  it("tells the limits of a flow and where they are written", async () => {
    using terminal = new Terminal();
    const file = join(terminal.folder, "flujo.toml");
    writeFileSync(
      file,
      '[budgets.pipeline."gre*"]\ntotal_cost_usd_limit = 0.25\n[budgets.default]\ntotal_tokens_limit = 9',
    );
    expect((await terminal.flujo(["budgets", "show", "greet", "--json"])).json()).toEqual({
      flow: "greet",
      source: "budgets.pipeline[gre*]",
      limits: { costUsd: 0.25 },
      file,
    });
    const other = await terminal.flujo(["budgets", "show", "other"]);
    expect(other.out).toMatch(/cost +no limit\ntokens +9\nfrom +budgets\.default\n/);
    expect(other.err).toContain("limits that code gives are not known here");
  });
});
