import type { Flujo } from "flujo";

type HistoryEvent = Awaited<ReturnType<Flujo["history"]>>[number];

/** A step whose result the engine has stored. */
export interface FinishedStep {
  readonly path: string;
  readonly visit: string;
  readonly attempt: number;
  readonly startedAt: number;
  readonly at: number;
}

/** What the history of a run says so far. */
export interface Progress {
  readonly finished: readonly FinishedStep[];
  /** How many files the map runs over; 0 before they are listed. */
  readonly files: number;
  /** Indexes of the files that are done. */
  readonly done: ReadonlySet<number>;
  /** What is done last for each file that is under way: index -> step. */
  readonly active: ReadonlyMap<number, string>;
}

const MAP = "root/documents";
const LAST_OF_FILE: ReadonlySet<string> = new Set(["conclude", "skip"]);

/** Reads the facts of a history that the demo shows. */
export function progressOf(history: readonly HistoryEvent[]): Progress {
  const finished: FinishedStep[] = [];
  const done = new Set<number>();
  const active = new Map<number, string>();
  let files = 0;
  for (const event of history) {
    if (event.type === "fork.opened" && event.path === MAP) files = event.total;
    if (event.type !== "step.completed") continue;
    const { path, visit, attempt, startedAt, at } = event;
    finished.push({ path, visit, attempt, startedAt, at });
    if (!path.startsWith(`${MAP}/`)) continue;
    const file = Number.parseInt(visit, 10);
    if (LAST_OF_FILE.has(stepOf(path))) {
      done.add(file);
      active.delete(file);
    } else {
      active.set(file, stepOf(path));
    }
  }
  return { finished, files, done, active };
}

/** Follows one run; each look reads only what is new in its history. */
export class Watch {
  readonly #client: Flujo;
  readonly #run: string;
  readonly #events: HistoryEvent[] = [];

  constructor(client: Flujo, run: string) {
    this.#client = client;
    this.#run = run;
  }

  async look(): Promise<Progress> {
    this.#events.push(...(await this.#client.history(this.#run, { after: this.#events.at(-1)?.seq ?? 0 })));
    return progressOf(this.#events);
  }
}

/** Steps of a file on average: read, identify, count, find, draft, about five rounds of tighten, conclude. */
const STEPS_PER_FILE = 11;

/** Whether about half of the work is done. */
export function isHalfWay({ finished, files, done }: Progress): boolean {
  if (files === 0) return false;
  return done.size >= files / 2 || finished.length >= (files * STEPS_PER_FILE) / 2;
}

/** The name of a step: the last part of its path. */
export function stepOf(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}

/** Names one execution slot of a step: where it stands and which item and iteration it is. */
export function slotOf({ path, visit }: { readonly path: string; readonly visit: string }): string {
  return visit === "" ? path : `${path}#${visit}`;
}
