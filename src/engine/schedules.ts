import { Cron } from "croner";
import { FlujoError } from "../domain/errors.ts";
import { isId, runId, type RunId } from "../domain/ids.ts";
import type { Metadata } from "../domain/run.ts";
import type { Wire } from "../domain/wire.ts";
import type { ScheduleRecord } from "../ports/schedule.ts";

/** Version of the stored form. A reader leaves alone what it does not know. */
const VERSION = 1;

/** What a store keeps of a schedule. Times in milliseconds since the epoch. */
export interface ScheduleSpec {
  readonly v: typeof VERSION;
  readonly flow: string;
  readonly version: string;
  readonly rhythm: Rhythm;
  readonly input: Wire;
  readonly metadata?: Metadata;
  readonly queue?: string;
  readonly priority?: number;
  readonly lane?: string;
  /** The first tick is not before, the last one before. */
  readonly startAt?: number;
  readonly endAt?: number;
  /** How many of several due ticks are started, the newest ones; 0 = none that is late. */
  readonly catchUp: number;
  readonly overlap: "allow" | "skip";
  readonly paused: boolean;
}

export type Rhythm =
  | { readonly kind: "cron"; readonly pattern: string; readonly timezone: string }
  /** At `anchorAt` and every so many milliseconds from then on. */
  | { readonly kind: "every"; readonly everyMs: number; readonly anchorAt: number };

/** A tick that comes later than this is a missed one: the look that finds it may be 5 s away. */
const LATE_MS = 10_000;
const TICK_CHARACTERS = new Date(0).toISOString().length;
/** A schedule's id leaves room for the tick in the ids of its runs. */
export const SCHEDULE_ID_CHARACTERS: number = 128 - TICK_CHARACTERS - 1;

export const isScheduleId = (id: unknown): id is string =>
  typeof id === "string" && isId(id) && id.length <= SCHEDULE_ID_CHARACTERS;

/** The run of one tick: the same for every worker and after every crash, so that starting it twice starts it once. */
export const tickRunId = (schedule: string, tick: number): RunId =>
  runId(`${schedule}:${new Date(tick).toISOString()}`);

/** Reads a stored schedule. Undefined when a newer version of this code wrote it. */
export function specOf({ spec }: Pick<ScheduleRecord, "spec">): ScheduleSpec | undefined {
  const stored = spec as unknown as Partial<ScheduleSpec> | null;
  return stored?.v === VERSION && stored.rhythm !== undefined ? (stored as ScheduleSpec) : undefined;
}

export const specVersion: typeof VERSION = VERSION;

/**
 * Reads a cron pattern, of five fields or six with seconds first. At a change of the clocks it does what Vixie cron does: a
 * fixed time that does not exist comes at the first that does, one that exists twice comes once, at the first; patterns with
 * a wildcard or a step in the time skip what does not exist and come at both of what exists twice. Throws SCHEDULE_INVALID.
 */
function cronOf({ pattern, timezone }: Extract<Rhythm, { kind: "cron" }>): Cron {
  try {
    return new Cron(pattern, { timezone, mode: "5-or-6-parts", fixedTimeRule: "no-wildcard" });
  } catch (cause) {
    const said = cause instanceof Error ? cause.message.replace(/^CronPattern: /, "") : String(cause);
    throw new FlujoError("SCHEDULE_INVALID", `cron: expected five or six fields but found "${pattern}": ${said}`, {
      cause,
    });
  }
}

type Bounded = Pick<ScheduleSpec, "rhythm" | "startAt" | "endAt">;

/** The first tick after a time; undefined when there is none. Throws SCHEDULE_INVALID for a pattern that is none. */
export function nextTick({ rhythm, startAt, endAt }: Bounded, after: number): number | undefined {
  const from = startAt === undefined ? after : Math.max(after, startAt - 1); // a tick at the start counts
  const tick = rhythm.kind === "cron" ? cronOf(rhythm).nextRun(new Date(from))?.getTime() : everyAfter(rhythm, from);
  return tick === undefined || (endAt !== undefined && tick >= endAt) ? undefined : tick;
}

function everyAfter({ everyMs, anchorAt }: Extract<Rhythm, { kind: "every" }>, after: number): number {
  return after < anchorAt ? anchorAt : anchorAt + (Math.floor((after - anchorAt) / everyMs) + 1) * everyMs;
}

/** The newest ticks from one time to another, both included, oldest first: as many as are wanted, however many there were. */
function newestTicks(
  { rhythm }: ScheduleSpec,
  { from, to }: { readonly from: number; readonly to: number },
  count: number,
): number[] {
  if (rhythm.kind === "cron") {
    // One millisecond later, since the reference itself does not count.
    const ticks = cronOf(rhythm).previousRuns(count, new Date(to + 1));
    return ticks
      .map((tick) => tick.getTime())
      .filter((tick) => tick >= from)
      .reverse();
  }
  const last = everyAfter(rhythm, to) - rhythm.everyMs;
  return Array.from({ length: count }, (_, i) => last - (count - 1 - i) * rhythm.everyMs).filter(
    (tick) => tick >= from,
  );
}

/** What is to be started now, and when to look again. */
export interface Firing {
  /** Oldest first. */
  readonly ticks: readonly number[];
  readonly nextAt: number | undefined;
}

/**
 * What a schedule whose next tick was `due` comes to. Of several ticks that are due together, because nobody was there, the
 * newest `catchUp` are started; with 0 only the last, and that only when it is not late itself.
 */
export function firing(spec: ScheduleSpec, due: number, now: number): Firing {
  const last = spec.endAt === undefined ? now : Math.min(now, spec.endAt - 1);
  const nextAt = nextTick(spec, Math.max(now, due));
  const newest = newestTicks(spec, { from: due, to: last }, Math.max(1, spec.catchUp));
  const onTime = now - (newest.at(-1) ?? Number.NEGATIVE_INFINITY) <= LATE_MS;
  return { ticks: spec.catchUp > 0 || onTime ? newest : [], nextAt };
}
