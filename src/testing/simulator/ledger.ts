import { placeOf } from "../../domain/ids.ts";
import { Violation } from "./trace.ts";

/** One execution of user code by a worker. */
export interface Execution {
  readonly run: string;
  readonly path: string;
  readonly visit: string;
  readonly attempt: number;
  readonly purpose: "step" | "undo";
  readonly worker: string;
  /** The last epoch that the worker had heard of. */
  readonly epoch: number;
  readonly at: number;
  /** Whether the worker still wants its result: false once its signal was aborted. */
  readonly wanted: () => boolean;
}

export interface LedgerDeps {
  /** Whether a worker lives, is not paused, and the store thinks so too. */
  readonly holdsLease: (worker: string, epoch: number) => boolean;
  readonly isRecorded: (run: string, purpose: "step" | "undo", path: string, visit: string) => boolean;
  /** Everything that went wrong so far: each may have cost an execution. */
  readonly troubles: () => number;
}

/** Every execution of every step, and what must hold among them (I4, I9). */
export class Ledger {
  readonly #deps: LedgerDeps;
  readonly #running = new Map<string, Set<Execution>>();
  readonly #counts = new Map<string, number>();
  executions = 0;

  constructor(deps: LedgerDeps) {
    this.#deps = deps;
  }

  /** Returns what to call when the execution is over. */
  begin(execution: Execution): () => void {
    const { run, path, visit, attempt, purpose, worker, epoch } = execution;
    const place = `${purpose} ${run}/${placeOf(path, visit)}`;
    const { holdsLease, isRecorded, troubles } = this.#deps;
    this.executions += 1;
    if (isRecorded(run, purpose, path, visit) && holdsLease(worker, epoch))
      throw new Violation(`${worker} runs ${place} again although its result is recorded and its lease stands (I4)`);
    const running = this.#running.get(place) ?? new Set();
    this.#running.set(place, running);
    for (const other of running) {
      if (other.wanted() && holdsLease(other.worker, other.epoch) && holdsLease(worker, epoch))
        throw new Violation(
          `${worker} and ${other.worker} run ${place} at the same time, both with a valid lease (I9)`,
        );
    }
    const tries = `${place} ${attempt}`;
    const count = (this.#counts.get(tries) ?? 0) + 1;
    this.#counts.set(tries, count);
    if (count > 1 + troubles())
      throw new Violation(`${place} attempt ${attempt} ran ${count} times, with ${troubles()} troubles`);
    running.add(execution);
    return () => running.delete(execution);
  }
}
