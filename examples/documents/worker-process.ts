import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { fileURLToPath } from "node:url";

const WORKER = fileURLToPath(new URL("./worker.ts", import.meta.url));
/** What a worker said last is kept for the message that reports its death. */
const KEPT_ERROR_CHARACTERS = 2_000;

/** A worker in a process of its own. Disposing of it leaves no process behind. */
export class WorkerProcess implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #exited: Promise<void>;
  #said = "";

  /** `folder` holds the database. The child runs under the same loader as this process. */
  constructor(folder: string) {
    this.#child = spawn(process.execPath, [...process.execArgv, WORKER, folder], {
      stdio: ["ignore", "ignore", "pipe", "ipc"],
    });
    this.#child.stderr?.on("data", (data: Buffer) => {
      this.#said = (this.#said + data.toString()).slice(-KEPT_ERROR_CHARACTERS);
    });
    this.#exited = new Promise((done) => {
      this.#child.once("exit", () => done());
      this.#child.once("error", (error) => {
        this.#said += error.message;
        done();
      });
    });
  }

  /** 0 if the process could not be started. */
  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** Why the process is gone, or undefined while it lives. */
  get death(): string | undefined {
    const { pid, exitCode, signalCode } = this.#child;
    if (pid !== undefined && exitCode === null && signalCode === null) return undefined;
    return `${signalCode ?? `exit code ${exitCode ?? "none"}`}${this.#said === "" ? "" : `\n${this.#said.trimEnd()}`}`;
  }

  /** SIGKILL: the process gets no chance to finish, flush or say goodbye. Resolves when it is gone. */
  async kill(): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.#exited;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
  }
}
