import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { FLOWS, Terminal } from "./terminal.ts";

const fixture = (name: string): string => fileURLToPath(new URL(`fixtures/${name}.mjs`, import.meta.url));

describe("flujo run", () => {
  it("prints the output on stdout and everything else on stderr", async () => {
    using terminal = new Terminal();
    const { code, out, err } = await terminal.flujo(["run", FLOWS, "--flow", "greet", "--input", '{"name":" Ann "}']);
    expect({ code, out }).toEqual({ code: 0, out: "Hello Ann\n" });
    expect(err).toMatch(/✓ root\/prepare \(\d+ ms\)\n✓ root\/greet/);
    expect(err).toMatch(/step +attempts +time\nroot\/prepare +1 /);
    expect(err).toContain("completed run");
  });

  it("prints one JSON object with --json", async () => {
    using terminal = new Terminal();
    const { code, json } = await terminal.flujo(["run", FLOWS, "--flow", "greet", "-i", '{"name":"Ann"}', "--json"]);
    expect(code).toBe(0);
    expect(json()).toMatchObject({
      flow: "greet",
      status: "completed",
      output: "Hello Ann",
      steps: [{ path: "root/prepare", attempts: 1 }, { path: "root/greet" }],
    });
  });

  it("reads the input from stdin", async () => {
    using terminal = new Terminal();
    const { out } = await terminal.flujo(["run", FLOWS, "--flow", "greet", "-i", "-"], { stdin: '{"name":"Bo"}' });
    expect(out).toBe("Hello Bo\n");
  });

  it("needs no --flow where there is one", async () => {
    using terminal = new Terminal();
    const { code, out } = await terminal.flujo(["run", fixture("one")]);
    expect({ code, out }).toEqual({ code: 0, out: "1\n" });
  });

  it("exits 1 when the run fails, and says where, why and what to do", async () => {
    using terminal = new Terminal();
    const { code, out, err } = await terminal.flujo(["run", FLOWS, "--flow", "broken"]);
    expect({ code, out }).toEqual({ code: 1, out: "" });
    expect(err).toMatch(/STEP_FAILED: it broke\n {2}where: root\/boom\n {2}what to do: /);
    expect(err).not.toMatch(/\n +at /);
  });

  it("says how to answer a paused run, and exits 0", async () => {
    using terminal = new Terminal();
    const { code, err } = await terminal.flujo(["run", FLOWS, "--flow", "approve", "--id", "p"]);
    expect(code).toBe(0);
    expect(err).toContain("root/review asks: Publish a draft?");
    expect(err).toContain(`flujo answer p '<json>' --file ${FLOWS}`);
  });

  it.each([
    ["--yes", ["--yes"], "published\n"],
    ["--answer", ["--answer", '{"ok":false}'], "dropped\n"],
  ])("answers with %s", async (_, words, out) => {
    using terminal = new Terminal();
    expect(await terminal.flujo(["run", FLOWS, "--flow", "approve", ...words])).toMatchObject({ code: 0, out });
  });

  it("asks a person until the answer is valid", async () => {
    using terminal = new Terminal();
    const types = ['{"ok":1}', "[", "no"];
    const { code, out, err } = await terminal.flujo(["run", FLOWS, "--flow", "approve"], { tty: true, types });
    expect({ code, out }).toEqual({ code: 0, out: "dropped\n" });
    expect(err).toContain("{ ok: boolean }");
    expect(err).toContain("$.ok: ");
    expect(err).toContain("not JSON at line 1, column 2");
  });

  it("leaves a run paused when nobody answers", async () => {
    using terminal = new Terminal();
    const { code, err } = await terminal.flujo(["run", FLOWS, "--flow", "approve"], { tty: true, types: [undefined] });
    expect(code).toBe(0);
    expect(err).toContain("answer it with");
  });

  it("refuses a wrong answer with 4 and leaves the run paused", async () => {
    using terminal = new Terminal();
    const run = ["run", FLOWS, "--flow", "approve", "--id", "p"];
    const { code, err } = await terminal.flujo([...run, "--answer", '{"ok":"maybe"}']);
    expect(code).toBe(4);
    expect(err).toContain("ANSWER_INVALID");
    expect((await terminal.flujo(["get", "p", "--json"])).json()).toMatchObject({ status: "paused" });
  });

  it("goes on with the run of an id", async () => {
    using terminal = new Terminal();
    const run = ["run", FLOWS, "--flow", "approve", "--id", "p"];
    await terminal.flujo(run);
    expect(await terminal.flujo([...run, "--yes"])).toMatchObject({ code: 0, out: "published\n" });
  });

  it("says which signal a run waits for", async () => {
    using terminal = new Terminal();
    const { code, err } = await terminal.flujo(["run", FLOWS, "--flow", "hold", "--id", "h"]);
    expect(code).toBe(0);
    expect(err).toContain("flujo signal h go '<json>'");
  });

  it("tells a step that takes long", async () => {
    using terminal = new Terminal();
    const { err } = await terminal.flujo(["run", FLOWS, "--flow", "slow", "-i", "1700"]);
    expect(err).toMatch(/· root\/work is running \(\d\.\d s\)/);
  });

  it("draws what runs on a terminal, and clears it away", async () => {
    using terminal = new Terminal();
    const { err } = await terminal.flujo(["run", FLOWS, "--flow", "slow", "-i", "400"], { tty: true });
    expect(err).toContain("0 steps done, 1 running");
    expect(err).toContain("\u001b[2A\u001b[0J");
    expect(err).not.toContain("✓");
  });

  it.each([
    ["shows colours on a terminal", {}, true],
    ["honours NO_COLOR", { NO_COLOR: "1" }, false],
  ])("%s", async (_, env, colours) => {
    using terminal = new Terminal();
    const { err } = await terminal.flujo(["run", fixture("one")], { tty: true, env });
    expect(err.includes("\u001b[32m")).toBe(colours);
  });
});

describe("flujo run, interrupted", () => {
  it("drains at the first signal, hands the run back and exits 130", async () => {
    using terminal = new Terminal();
    terminal.interruptAt("1 running", "SIGINT");
    const run = ["run", FLOWS, "--flow", "slow", "-i", "500", "--id", "s"];
    const { code, err } = await terminal.flujo(run, { tty: true });
    expect(code).toBe(130);
    expect(err).toContain("run s is kept");
    const { json } = await terminal.flujo(["get", "s", "--json"]);
    expect(json()).toMatchObject({ status: "running", fibers: [{ position: "ready", at: "root/after" }] });
    expect(await terminal.flujo(run)).toMatchObject({ code: 0, out: "worked on\n" });
  });
});

describe("bad input to flujo run", () => {
  it.each([
    ["JSON that is not", [FLOWS, "--flow", "greet", "-i", '{"name": Ann}'], 4, /INPUT_INVALID: .*line 1, column 10/],
    ["input that the flow refuses", [FLOWS, "--flow", "greet", "-i", "{}"], 4, /INPUT_INVALID/],
    ["a context that is not JSON", [FLOWS, "--flow", "greet", "-c", "{"], 4, /CONTEXT_INVALID: .*column 2.*the end/],
    ["a file that is not there", ["nowhere.mjs"], 3, /MODULE_UNREADABLE/],
    ["a file that is a folder", ["."], 3, /MODULE_UNREADABLE/],
    ["a file without a flow", [fixture("none")], 3, /MODULE_WITHOUT_FLOW: .*exports a\n/],
    ["a flow that was not built", [fixture("unbuilt")], 3, /draft was not built: end it with \.build\(\)/],
    ["a flow that cannot be built", [fixture("invalid")], 4, /DEFINITION_INVALID/],
    ["several flows", [FLOWS], 2, /FLOW_AMBIGUOUS: .*greet@1.*--flow/],
    ["a flow that is not there", [FLOWS, "--flow", "gret"], 2, /FLOW_UNKNOWN: .*did you mean "greet"/],
    ["an id that is none", [FLOWS, "--flow", "broken", "--id", "a b"], 4, /ID_INVALID/],
    ["a store that is none", [FLOWS, "--flow", "broken", "--store", "x"], 2, /STORE_URI_INVALID/],
    ["an unknown option", [FLOWS, "--flwo", "a"], 2, /--flow/],
    ["no file", [], 2, /missing required argument/],
  ])("refuses %s", async (_, words, expected, says) => {
    using terminal = new Terminal();
    const { code, err, out } = await terminal.flujo(["run", ...words]);
    expect(err).toMatch(says);
    expect({ code, out }).toEqual({ code: expected, out: "" });
  });

  it("refuses a file with a syntax error, and says which", async () => {
    using terminal = new Terminal();
    writeFileSync(join(terminal.folder, "broken.mjs"), "export const = 1;");
    const { code, err } = await terminal.flujo(["run", "broken.mjs"]);
    expect(code).toBe(3);
    expect(err).toMatch(/MODULE_UNREADABLE: .*broken\.mjs could not be imported\n {2}because: /);
  });

  it("says it as JSON with --json, and where it was thrown with --verbose", async () => {
    using terminal = new Terminal();
    const { json, err } = await terminal.flujo(["run", fixture("none"), "--json", "--verbose"]);
    expect(json()).toMatchObject({ error: { code: "MODULE_WITHOUT_FLOW", help: expect.any(String) as string } });
    expect(err).toMatch(/\n {4}at /);
  });
});
