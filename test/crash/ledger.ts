import { closeSync, existsSync, fsyncSync, openSync, readFileSync, writeSync } from "node:fs";

/** The outside world: what steps did, one line each, synced, so that no kill loses a line that was written. */
export function record(file: string, ...words: readonly (string | number)[]): void {
  const fd = openSync(file, "a");
  try {
    writeSync(fd, `${words.join(" ")}\n`);
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

/** The lines so far, each as its words. */
export function recorded(file: string): string[][] {
  if (!existsSync(file)) return [];
  return readFileSync(file, "utf8")
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => line.split(" "));
}

/** How often each line occurs. */
export function tally(lines: Iterable<string>): Map<string, number> {
  const counts = new Map<string, number>();
  for (const line of lines) counts.set(line, (counts.get(line) ?? 0) + 1);
  return counts;
}
