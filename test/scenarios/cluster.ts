import { writeFileSync } from "node:fs";
import type { WorkerOptions } from "../../src/worker/options.ts";
import { SHORT_LEASE } from "../crash/flows.ts";
import { recorded } from "../crash/ledger.ts";
import { Process } from "../crash/process.ts";
import { Scene } from "../engine/scene.ts";
import type { Backend } from "../setup/backends.ts";
import type { WorkerTask } from "./worker.ts";

const WORKER = new URL("worker.ts", import.meta.url);

/** Worker processes on one store, and a ledger of what their steps did. */
export class Cluster implements AsyncDisposable {
  readonly scene: Scene;
  readonly ledger: string;
  readonly #processes: Process[] = [];

  constructor(backend: Backend) {
    this.scene = new Scene(backend);
    this.ledger = this.scene.path("ledger");
  }

  /** A worker process that has begun to look for work. */
  async worker(options: WorkerOptions = {}): Promise<Process> {
    const worker = { ...SHORT_LEASE, ...options };
    const task: WorkerTask = { store: this.scene.address, ledger: this.ledger, worker };
    const one = new Process(WORKER, task);
    this.#processes.push(one);
    await one.said("ready");
    return one;
  }

  letGo(name: string): void {
    writeFileSync(`${this.ledger}.${name}`, "");
  }

  /** `run path` of each step that has begun, in order. */
  begun(): string[] {
    return recorded(this.ledger)
      .filter(([what]) => what === "begin")
      .map(([, , path = ""]) => path);
  }

  /** Processes in which this step has begun, in order. */
  pidsOf(step: string): number[] {
    return recorded(this.ledger)
      .filter(([what, , path]) => what === "begin" && path === step)
      .map(([, , , pid]) => Number(pid));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const one of this.#processes) await one[Symbol.asyncDispose]();
    await this.scene[Symbol.asyncDispose]();
  }
}
