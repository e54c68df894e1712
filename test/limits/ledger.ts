import { appendFileSync, existsSync, readFileSync } from "node:fs";

/*
 * What processes saw, outside of the store that is tested: one file for all of them. A line is one write at its end, so the
 * order of lines is the order of what happened, whatever the clocks say, and a line that was written survives SIGKILL.
 *
 *   claim  <pid> <run> <key> <instant>   a worker was given the run; the instant is the store's
 *   begin  <pid> <run> <key>             its step begins
 *   end    <pid> <run> <key>             its step ends; its place is still held until its result is committed
 *   killed <pid>                         about to be: what this process wrote afterwards does not count
 */
export type Line =
  | { readonly what: "claim"; readonly pid: number; readonly run: string; readonly key: string; readonly at: number }
  | { readonly what: "begin" | "end"; readonly pid: number; readonly run: string; readonly key: string }
  | { readonly what: "killed"; readonly pid: number };

export const note = (file: string, line: Line): void => appendFileSync(file, `${JSON.stringify(line)}\n`);

/** The lines so far, without what a process wrote after it was given up for dead. */
export function notes(file: string): readonly Line[] {
  if (!existsSync(file)) return [];
  const dead = new Set<number>();
  const lines = readFileSync(file, "utf8")
    .split("\n")
    .filter((text) => text.endsWith("}"))
    .map((text) => JSON.parse(text) as Line);
  return lines.filter((line) => {
    if (dead.has(line.pid)) return false;
    if (line.what === "killed") dead.add(line.pid);
    return true;
  });
}
