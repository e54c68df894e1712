import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { FLOWS, Terminal } from "./terminal.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const BIN = join(root, "dist/cli/bin.js");

/** The built command as a process of its own, in the terminal's folder. */
class Process {
  out = "";
  err = "";
  readonly #child: ChildProcess;
  readonly #exited: Promise<unknown[]>;

  constructor({ folder }: Terminal, words: readonly string[]) {
    this.#child = spawn(process.execPath, [BIN, ...words], { cwd: folder, stdio: ["ignore", "pipe", "pipe"] });
    this.#exited = once(this.#child, "close");
    this.#child.stdout?.on("data", (text) => (this.out += String(text)));
    this.#child.stderr?.on("data", (text) => (this.err += String(text)));
  }

  async said(word: string): Promise<void> {
    while (!this.err.includes(word))
      await Promise.race([once(this.#child.stderr ?? this.#child, "data"), this.#ended()]);
  }

  kill(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  async code(): Promise<unknown> {
    return (await this.#exited)[0];
  }

  async #ended(): Promise<never> {
    await this.#exited;
    throw new Error(`it ended without the word:\n${this.err}`);
  }
}

describe("the command as a process", () => {
  it("writes the result to stdout and ends, exit code and all", async () => {
    using terminal = new Terminal();
    const run = new Process(terminal, ["run", FLOWS, "--flow", "greet", "-i", '{"name":"Ann"}']);
    expect(await run.code()).toBe(0);
    expect(run.out).toBe("Hello Ann\n");
    expect(await new Process(terminal, ["run", FLOWS, "--flow", "broken"]).code()).toBe(1);
  });

  it("drains at the first Ctrl-C and hands the run back", async () => {
    using terminal = new Terminal();
    const run = new Process(terminal, ["run", FLOWS, "--flow", "slow", "-i", "2500", "--id", "s"]);
    await run.said("is running");
    run.kill("SIGINT");
    expect(await run.code()).toBe(130);
    expect(run.err).toContain("run s is kept");
    const { fibers } = (await terminal.flujo(["get", "s", "--json"])).json() as { fibers: { position: string }[] };
    expect(fibers).toEqual([expect.objectContaining({ position: "ready", at: "root/after" })]);
  });

  it("ends at once at the second Ctrl-C", async () => {
    using terminal = new Terminal();
    const run = new Process(terminal, ["run", FLOWS, "--flow", "slow", "-i", "60000"]);
    await run.said("is running");
    run.kill("SIGINT");
    await run.said("interrupted");
    const since = performance.now();
    run.kill("SIGINT");
    expect(await run.code()).toBe(130);
    expect(performance.now() - since).toBeLessThan(5_000); // the drain would have taken 10 s
  });

  it("lets a service manager stop a worker", async () => {
    using terminal = new Terminal();
    const worker = new Process(terminal, ["worker", FLOWS]);
    await worker.said("working on");
    worker.kill("SIGTERM");
    expect(await worker.code()).toBe(0);
  });

  it.each([
    ["an ES module", { type: "module" }],
    ["CommonJS", {}],
  ])("runs a TypeScript file of a package that is %s", async (_, manifest) => {
    using terminal = new Terminal();
    const modules = join(terminal.folder, "node_modules");
    mkdirSync(modules);
    symlinkSync(root, join(modules, "flujo"), "dir");
    writeFileSync(join(terminal.folder, "package.json"), JSON.stringify(manifest));
    writeFileSync(join(terminal.folder, "twice.ts"), "export const twice = (n: number): number => n * 2;\n");
    writeFileSync(
      join(terminal.folder, "flow.ts"),
      `import { flow } from "flujo";
import { twice } from "./twice.ts";
export default flow("typed", { version: "1" }).step("double", (n: unknown) => twice(Number(n))).build();\n`,
    );
    const run = new Process(terminal, ["run", "flow.ts", "-i", "21"]);
    expect({ code: await run.code(), out: run.out, err: run.err }).toMatchObject({ code: 0, out: "42\n" });
  });
});
