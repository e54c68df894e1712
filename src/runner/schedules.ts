import type { Ambient } from "../domain/ambient.ts";
import { type Duration, durationMs } from "../domain/duration.ts";
import { FlujoError } from "../domain/errors.ts";
import { sameWire } from "../domain/canonical.ts";
import type { RunId } from "../domain/ids.ts";
import { LIMITS } from "../domain/limits.ts";
import type { Metadata } from "../domain/run.ts";
import { decode, encode, type Wire } from "../domain/wire.ts";
import type { Definition } from "../definition/definition.ts";
import { checkStart } from "../engine/new-run.ts";
import {
  isScheduleId,
  nextTick,
  type Rhythm,
  SCHEDULE_ID_CHARACTERS,
  type ScheduleSpec,
  specOf,
  specVersion,
} from "../engine/schedules.ts";
import type { ScheduleRecord } from "../ports/schedule.ts";
import type { Store } from "../ports/store.ts";
import { checkStartOptions } from "./start-options.ts";

/** When a flow starts, and with what. Give either `cron` or `every`. */
export interface ScheduleOptions<Flow = unknown, Input = unknown> {
  /** By value, or by name (and version when several are registered). The schedule stays with that version. */
  readonly flow: Flow;
  /** Five fields, or six with seconds first: `0 3 * * 1-5`. Also `@daily` and the like. */
  readonly cron?: string;
  /** At least 1 s. Counted from `startAt`, else from when the schedule was made. */
  readonly every?: Duration;
  /** Of the cron pattern: an IANA name such as `Europe/Berlin`. Default UTC. */
  readonly timezone?: string;
  readonly input?: Input;
  /** As for a start. Its runs have `schedule`, the id of the schedule, besides. */
  readonly metadata?: Metadata;
  readonly queue?: string;
  readonly priority?: number;
  readonly key?: string;
  /** No tick before. */
  readonly startAt?: Date | number;
  /** No tick at this time or later. */
  readonly endAt?: Date | number;
  /**
   * What becomes of ticks at which no worker was there: `none` = they are lost, `last` = only the last is made up for,
   * `{ max }` = at most so many, the newest. Default `last`.
   */
  readonly catchUp?: "none" | "last" | { readonly max: number };
  /** Whether a tick starts while the run of the tick before has not ended. Default `allow`. */
  readonly overlap?: "allow" | "skip";
  readonly paused?: boolean;
}

/** A schedule as it is stored, and where it stands. */
export interface ScheduleView {
  readonly id: string;
  readonly flow: string;
  readonly version: string;
  readonly cron?: string;
  readonly timezone?: string;
  readonly everyMs?: number;
  readonly input: unknown;
  readonly metadata: Metadata;
  readonly queue?: string;
  readonly priority?: number;
  readonly key?: string;
  readonly startAt?: Date;
  readonly endAt?: Date;
  readonly catchUp: number;
  readonly overlap: "allow" | "skip";
  readonly paused: boolean;
  /** Absent: paused, or over. */
  readonly nextAt?: Date;
  readonly lastAt?: Date;
  readonly lastRun?: RunId;
}

const MIN_EVERY_MS = 1_000;
const MAX_CATCH_UP = 1_000;

/** Making, pausing and looking at schedules. Who starts their runs is the scheduler of each worker. */
export class Schedules {
  readonly #store: Store;
  readonly #ambient: Ambient;
  readonly #changed: () => void;

  constructor(store: Store, ambient: Ambient, changed: () => void) {
    this.#store = store;
    this.#ambient = ambient;
    this.#changed = changed;
  }

  /** Throws SCHEDULE_INVALID, OPTION_INVALID, INPUT_INVALID. */
  async put(id: string, flow: Definition, options: Omit<ScheduleOptions, "flow">): Promise<ScheduleView> {
    const now = this.#ambient.clock.now();
    const before = (await this.#store.schedules()).find((one) => one.id === id);
    const spec = specFrom({ id, flow, now, before: before && specOf(before) }, options);
    const checked = await checkStart(flow, options.input, undefined);
    if (!checked.ok) throw new FlujoError(checked.problem.code, checked.problem.message);
    // A service that says at each start what its schedules are must not lose the ticks that it missed while it was away.
    if (before !== undefined && sameWire(before.spec, wireOf(spec))) return viewOf(before, spec);
    const nextAt = spec.paused ? undefined : nextTick(spec, now);
    if (!spec.paused && nextAt === undefined) throw invalid([`there is no tick after ${new Date(now).toISOString()}`]);
    return this.#write(id, spec, { before, nextAt });
  }

  async list(): Promise<readonly ScheduleView[]> {
    const records = await this.#store.schedules();
    return records.flatMap((record) => {
      const spec = specOf(record);
      return spec === undefined ? [] : [viewOf(record, spec)];
    });
  }

  /** False when there was none. */
  remove(id: string): Promise<boolean> {
    return this.#store.removeSchedule(id);
  }

  /** Throws SCHEDULE_UNKNOWN. Ticks of the pause are not made up for. */
  async pause(id: string, paused: boolean): Promise<ScheduleView> {
    const before = (await this.#store.schedules()).find((one) => one.id === id);
    const known = before === undefined ? undefined : specOf(before);
    if (before === undefined || known === undefined)
      throw new FlujoError("SCHEDULE_UNKNOWN", `no schedule has the id "${id}"`);
    if (known.paused === paused) return viewOf(before, known);
    const spec = { ...known, paused };
    return this.#write(id, spec, { before, nextAt: paused ? undefined : nextTick(spec, this.#ambient.clock.now()) });
  }

  async #write(
    id: string,
    spec: ScheduleSpec,
    { before, nextAt }: { readonly before: ScheduleRecord | undefined; readonly nextAt: number | undefined },
  ): Promise<ScheduleView> {
    const { lastAt, lastRun } = before ?? {};
    const record: ScheduleRecord = {
      id,
      spec: wireOf(spec),
      ...(nextAt !== undefined && { nextAt }),
      ...(lastAt !== undefined && { lastAt }),
      ...(lastRun !== undefined && { lastRun }),
    };
    await this.#store.putSchedule(record);
    this.#changed();
    return viewOf(record, spec);
  }
}

const wireOf = (spec: ScheduleSpec): Wire => spec as unknown as Wire; // plain JSON by construction

const invalid = (problems: readonly string[]): FlujoError =>
  new FlujoError("SCHEDULE_INVALID", problems.join("; "), { details: { problems } });

interface Making {
  readonly id: string;
  readonly flow: Definition;
  readonly now: number;
  readonly before: ScheduleSpec | undefined;
}

/** Checks everything at once. Throws SCHEDULE_INVALID, or OPTION_INVALID for what a start would refuse, too. */
function specFrom({ id, flow, now, before }: Making, options: Omit<ScheduleOptions, "flow">): ScheduleSpec {
  const { cron, every, timezone, input, endAt, overlap = "allow", paused = false } = options;
  const { metadata, queue, priority, lane, startAt } = checkStartOptions(startOptionsIn(options));
  const problems: string[] = [];
  if (!isScheduleId(id))
    problems.push(`id: expected 1 to ${SCHEDULE_ID_CHARACTERS} characters A-Za-z0-9._:- but found ${shown(id)}`);
  if ((cron === undefined) === (every === undefined)) problems.push("expected either cron or every");
  if (every !== undefined && timezone !== undefined) problems.push("timezone: a rhythm of `every` has none");
  if (timezone !== undefined && !isTimezone(timezone))
    problems.push(`timezone: expected an IANA name such as Europe/Berlin but found ${shown(timezone)}`);
  if (overlap !== "allow" && overlap !== "skip")
    problems.push(`overlap: expected allow or skip but found ${shown(overlap)}`);
  if (typeof paused !== "boolean") problems.push(`paused: expected true or false but found ${shown(paused)}`);
  const catchUp = catchUpIn(options.catchUp, problems);
  const end = endAt === undefined ? undefined : Number(endAt);
  if (end !== undefined && !Number.isFinite(end))
    problems.push("endAt: expected a Date or milliseconds since the epoch");
  if (end !== undefined && startAt !== undefined && end <= startAt)
    problems.push("endAt: expected a time after startAt");
  const everyMs = every === undefined ? undefined : everyIn(every, problems);
  if (problems.length > 0) throw invalid(problems);
  const wire = encode(input);
  if (JSON.stringify(wire).length > LIMITS.messageBytes)
    throw invalid([`input: expected at most ${LIMITS.messageBytes} bytes; keep large data elsewhere and pass its key`]);
  const rhythm: Rhythm =
    cron === undefined
      ? { kind: "every", everyMs: everyMs ?? 0, anchorAt: startAt ?? anchorOf(before, everyMs, now) }
      : { kind: "cron", pattern: String(cron).trim(), timezone: timezone ?? "UTC" };
  const spec: ScheduleSpec = {
    v: specVersion,
    flow: flow.name,
    version: flow.version,
    rhythm,
    input: wire,
    ...(metadata && { metadata }),
    ...(queue !== undefined && { queue }),
    ...(priority !== undefined && { priority }),
    ...(lane !== undefined && { lane }),
    ...(startAt !== undefined && { startAt }),
    ...(end !== undefined && { endAt: end }),
    catchUp,
    overlap,
    paused,
  };
  nextTick(spec, now); // a pattern that is none is refused here, also when paused
  return spec;
}

const startOptionsIn = ({ metadata, queue, priority, key, startAt }: Omit<ScheduleOptions, "flow">): object => ({
  ...(metadata !== undefined && { metadata }),
  ...(queue !== undefined && { queue }),
  ...(priority !== undefined && { priority }),
  ...(key !== undefined && { key }),
  ...(startAt !== undefined && { startAt }),
});

/** The same rhythm said again goes on as it was; a new one comes for the first time after one span. */
function anchorOf(before: ScheduleSpec | undefined, everyMs: number | undefined, now: number): number {
  const rhythm = before?.rhythm;
  if (rhythm?.kind === "every" && rhythm.everyMs === everyMs && before?.startAt === undefined) return rhythm.anchorAt;
  return now + (everyMs ?? 0);
}

function everyIn(every: Duration, problems: string[]): number {
  try {
    const ms = durationMs(every, "every");
    if (ms < MIN_EVERY_MS) problems.push(`every: expected at least 1 s but found ${ms} ms`);
    return ms;
  } catch (error) {
    problems.push(error instanceof Error ? error.message : String(error));
    return 0;
  }
}

function catchUpIn(catchUp: ScheduleOptions["catchUp"], problems: string[]): number {
  if (catchUp === undefined || catchUp === "last") return 1;
  if (catchUp === "none") return 0;
  const max: unknown = typeof catchUp === "object" && catchUp !== null ? catchUp.max : undefined;
  if (typeof max === "number" && Number.isInteger(max) && max >= 1 && max <= MAX_CATCH_UP) return max;
  problems.push(`catchUp: expected none, last or { max: 1 to ${MAX_CATCH_UP} } but found ${shown(max ?? catchUp)}`);
  return 0;
}

function isTimezone(timezone: unknown): boolean {
  if (typeof timezone !== "string" || timezone === "") return false;
  try {
    return new Intl.DateTimeFormat("en", { timeZone: timezone }).resolvedOptions().timeZone !== "";
  } catch {
    return false;
  }
}

const shown = (value: unknown): string => (JSON.stringify(value) ?? typeof value).slice(0, 150);

function viewOf({ id, nextAt, lastAt, lastRun }: ScheduleRecord, spec: ScheduleSpec): ScheduleView {
  const { flow, version, rhythm, queue, priority, lane, startAt, endAt, catchUp, overlap, paused } = spec;
  return {
    id,
    flow,
    version,
    ...(rhythm.kind === "cron" ? { cron: rhythm.pattern, timezone: rhythm.timezone } : { everyMs: rhythm.everyMs }),
    input: decode(spec.input),
    metadata: spec.metadata ?? {},
    ...(queue !== undefined && { queue }),
    ...(priority !== undefined && { priority }),
    ...(lane !== undefined && { key: lane }),
    ...(startAt !== undefined && { startAt: new Date(startAt) }),
    ...(endAt !== undefined && { endAt: new Date(endAt) }),
    catchUp,
    overlap,
    paused,
    ...(nextAt !== undefined && { nextAt: new Date(nextAt) }),
    ...(lastAt !== undefined && { lastAt: new Date(lastAt) }),
    ...(lastRun !== undefined && { lastRun }),
  };
}
