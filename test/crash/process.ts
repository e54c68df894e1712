import { type ChildProcess, spawn } from "node:child_process";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";

const TSX = createRequire(import.meta.url).resolve("tsx");

export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/**
 * A script in a process of its own, on the source. It is told what to do by one JSON argument, answers in lines on its
 * standard output, and is gone when its owner lets go of it, whatever state it is in.
 */
export class Process implements AsyncDisposable {
  readonly ended: Promise<Ended>;
  readonly #child: ChildProcess;
  readonly #lines: string[] = [];
  readonly #listeners = new Set<() => void>();
  #errors = "";
  #over: Ended | undefined;

  /** `script` is a URL relative to the test: `new URL("worker.ts", import.meta.url)`. */
  constructor(script: URL, task: unknown) {
    this.#child = spawn(process.execPath, ["--import", TSX, fileURLToPath(script), JSON.stringify(task)], {
      stdio: ["pipe", "pipe", "pipe"],
    });
    let rest = "";
    this.#child.stdout?.on("data", (data: Buffer) => {
      const lines = (rest + data.toString()).split("\n");
      rest = lines.pop() ?? "";
      this.#lines.push(...lines);
      this.#changed();
    });
    this.#child.stderr?.on("data", (data: Buffer) => {
      this.#errors += data.toString();
    });
    this.#child.stdin?.on("error", () => undefined); // it may be dead by now
    this.ended = new Promise((resolve, reject) => {
      this.#child.on("error", reject);
      // "close" comes after the last line of output was read.
      this.#child.on("close", (code, signal) => {
        this.#over = { code, signal };
        this.#changed();
        resolve(this.#over);
      });
    });
  }

  get pid(): number {
    return this.#child.pid ?? -1;
  }

  /** The first line that begins with `start`, without it. Rejects when the process ends before it says so. */
  said(start: string): Promise<string> {
    return new Promise((resolve, reject) => {
      const look = (): void => {
        const line = this.#lines.find((text) => text.startsWith(start));
        if (line === undefined && this.#over === undefined) return;
        this.#listeners.delete(look);
        if (line !== undefined) resolve(line.slice(start.length).trim());
        else reject(new Error(`expected "${start}" but it ended ${JSON.stringify(this.#over)}\n${this.#errors}`));
      };
      this.#listeners.add(look);
      look();
    });
  }

  tell(line: string): void {
    this.#child.stdin?.write(`${line}\n`);
  }

  /** SIGKILL: nothing of Node or SQLite gets to tidy up. SIGSTOP and SIGCONT freeze and thaw it. */
  signal(signal: "SIGKILL" | "SIGSTOP" | "SIGCONT" | "SIGTERM"): void {
    this.#child.kill(signal);
  }

  async kill(): Promise<Ended> {
    this.signal("SIGKILL"); // also ends a process that SIGSTOP froze
    return this.ended;
  }

  /** Waits for its own good end. Rejects with what it wrote to stderr when it did not end well. */
  async finished(): Promise<void> {
    const { code, signal } = await this.ended;
    if (code !== 0) throw new Error(`expected it to end well but found ${code ?? signal}\n${this.#errors}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#over === undefined) await this.kill();
  }

  #changed(): void {
    for (const listener of [...this.#listeners]) listener();
  }
}
