import { appendFileSync, existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** A step was executed, or a compensation: `by` names this one execution and is part of what it gave. */
export interface Execution {
  readonly what: "do" | "undo";
  readonly run: string;
  readonly path: string;
  readonly visit: string;
  readonly attempt: number;
  readonly key: string;
  readonly by: string;
  readonly worker: string;
  readonly at: number;
}

/** A fiber was given to this worker. */
export interface Claim {
  readonly what: "claim";
  readonly run: string;
  readonly fiber: string;
  readonly seq: number;
  readonly deliveries: number;
  readonly epoch: number;
  readonly worker: string;
  readonly at: number;
}

/** The store has answered a commit of this worker. */
export interface Commit {
  readonly what: "commit";
  readonly run: string;
  readonly fiber: string;
  /** The sequence number that it expected, and so the place that it took. */
  readonly seq: number;
  readonly epoch: number;
  readonly status: string;
  /** Time of its event, when it has one. */
  readonly event?: number;
  readonly worker: string;
  readonly at: number;
}

export type Entry = Execution | Claim | Commit;

/**
 * What processes saw, outside of the store that is tested: one append-only file for each process. A write that returned is the
 * operating system's, and survives SIGKILL of the process; nobody here pulls the plug of the machine, so nothing is synced.
 */
export function note(folder: string, entry: Entry): void {
  appendFileSync(join(folder, `${entry.worker}.jsonl`), `${JSON.stringify(entry)}\n`);
}

/** Everything noted by all processes. */
export function notes(folder: string): Entry[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .filter((name) => name.endsWith(".jsonl"))
    .flatMap((name) => readFileSync(join(folder, name), "utf8").split("\n"))
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as Entry);
}
