import { appendFileSync, existsSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** A step began. */
export interface Sighting {
  readonly run: string;
  readonly path: string;
  readonly visit: string;
  /** Milliseconds since the epoch. */
  readonly at: number;
}

const fileOf = (folder: string, worker: string): string => join(folder, `${worker}.sightings`);

/** Each worker has a file of its own. What was written survives SIGKILL of the process. */
export function note(folder: string, worker: string, { run, path, visit }: Omit<Sighting, "at">): void {
  appendFileSync(fileOf(folder, worker), `${run} ${path} ${visit} ${performance.timeOrigin + performance.now()}\n`);
}

/** The steps that began in one worker, in order. */
export function sightings(folder: string, worker: string): Sighting[] {
  const file = fileOf(folder, worker);
  if (!existsSync(file)) return [];
  return readFileSync(file, "utf8")
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => {
      const [run = "", path = "", visit = "", at = ""] = line.split(" ");
      return { run, path, visit, at: Number(at) };
    });
}
