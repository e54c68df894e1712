import type { LaneRules, QueueRules, Rate } from "../../src/ports/queue-rules.ts";
import type { Line } from "./ledger.ts";

/*
 * The rules once more, from the ledger alone.
 *
 * At once: a place is held from the claim to the commit, a step's lines lie in between, and the order of lines is the order of
 * what happened. So where more steps are open than there are places, more were given away.
 *
 * In a period: the beginnings of steps prove nothing, since a worker may begin late what it was given in time, and two periods'
 * worth may begin in one. What rates promise is about claims, by the store's clock, and those instants come with each claim.
 * The claims of a process that was killed before it could note them are missing: the oracle sees fewer then, never more.
 */

/** What went against the rules. */
export function violations(lines: readonly Line[], { lane = {}, ...queue }: QueueRules): readonly string[] {
  const keys = new Set(lines.flatMap((line) => (line.what === "claim" ? line.key : [])));
  const ofKeys = [...keys].flatMap((key) =>
    againstLimits(`key ${key}`, {
      lines: lines.filter((line) => line.what === "killed" || line.key === key),
      limits: lane,
    }),
  );
  return [...againstLimits("queue", { lines, limits: queue }), ...ofKeys];
}

interface Checked {
  readonly lines: readonly Line[];
  readonly limits: LaneRules;
}

function againstLimits(where: string, { lines, limits: { concurrency, rate } }: Checked): readonly string[] {
  const most = mostOpen(lines);
  const wrong =
    concurrency !== undefined && most > concurrency ? [`${where}: ${most} at once, not ${concurrency}`] : [];
  return rate === undefined ? wrong : [...wrong, ...tooOften(where, rate, lines)];
}

/** Runs whose step has begun in a process that lives, and has not ended, as of the last line. */
export function open(lines: readonly Line[]): ReadonlyMap<string, number> {
  const running = new Map<string, number>();
  for (const line of lines) follow(running, line);
  return running;
}

function mostOpen(lines: readonly Line[]): number {
  const running = new Map<string, number>();
  let most = 0;
  for (const line of lines) {
    follow(running, line);
    most = Math.max(most, running.size);
  }
  return most;
}

function follow(running: Map<string, number>, line: Line): void {
  if (line.what === "begin") running.set(`${line.run} ${line.pid}`, line.pid);
  else if (line.what === "end") running.delete(`${line.run} ${line.pid}`);
  else if (line.what === "killed") for (const [run, pid] of running) if (pid === line.pid) running.delete(run);
}

const claimsOf = (lines: readonly Line[]): readonly Extract<Line, { readonly what: "claim" }>[] =>
  lines.flatMap((line) => (line.what === "claim" ? line : [])).sort((a, b) => a.at - b.at);

/** Instants are in whole milliseconds on some stores, so two that are nearly a period apart may look one less. */
function tooOften(where: string, { count, perMs }: Rate, lines: readonly Line[]): readonly string[] {
  const at = claimsOf(lines).map((claim) => claim.at);
  const bursts = at.flatMap((from, i) => {
    const next = at[i + count];
    return next !== undefined && next - from < perMs - 1 ? [next - from] : [];
  });
  return bursts.length === 0 ? [] : [`${where}: ${count + 1} claims within ${Math.min(...bursts)} ms, not ${perMs} ms`];
}

/** How often the luckiest key had been served when the last key was served for the first time. */
export function headStart(lines: readonly Line[]): number {
  const claims = claimsOf(lines);
  const firsts = new Map<string, number>();
  for (const [i, { key }] of claims.entries()) if (!firsts.has(key)) firsts.set(key, i);
  const served = new Map<string, number>();
  for (const { key } of claims.slice(0, Math.max(0, ...firsts.values()))) served.set(key, (served.get(key) ?? 0) + 1);
  return Math.max(0, ...served.values());
}

/** Processes whose steps ended, and how many. */
export function share(lines: readonly Line[]): ReadonlyMap<number, number> {
  const ended = new Map<number, number>();
  for (const { what, pid } of lines) if (what === "end") ended.set(pid, (ended.get(pid) ?? 0) + 1);
  return ended;
}
