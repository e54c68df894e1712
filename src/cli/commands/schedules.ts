import { FlujoError } from "../../domain/errors.ts";
import type { Duration } from "../../domain/duration.ts";
import { titleOf } from "../../definition/definition.ts";
import type { ScheduleOptions, ScheduleView } from "../../runner/schedules.ts";
import { chooseFlow, loadFlows } from "../flows.ts";
import { parseJson } from "../json-text.ts";
import { metadataOf } from "../metadata.ts";
import { numberOf } from "../numbers.ts";
import type { Shell } from "../shell.ts";
import { durationText, tableText, valueJson } from "../text.ts";

export interface ScheduleAddOptions {
  readonly flow?: string;
  readonly cron?: string;
  readonly every?: string;
  readonly timezone?: string;
  readonly input?: string;
  readonly queue?: string;
  readonly key?: string;
  readonly priority?: string;
  readonly metadata?: readonly string[];
  readonly startAt?: string;
  readonly endAt?: string;
  readonly catchUp?: string;
  readonly overlap?: string;
  readonly paused?: boolean;
}

/** `flujo schedules`: which flows start by themselves, and when. */
export async function schedulesCommand(shell: Shell): Promise<number> {
  const flujo = await shell.look();
  const schedules = await flujo.schedules();
  shell.result({ items: schedules.map(scheduleJson) }, () =>
    schedules.length === 0 ? "no schedules" : scheduleTable(schedules),
  );
  return 0;
}

/** `flujo schedules add <id> <file>`: makes a schedule, or replaces the one of that id. Workers of the flow start its runs. */
export async function scheduleAddCommand(
  shell: Shell,
  [id, file]: readonly [id: string, file: string],
  options: ScheduleAddOptions,
): Promise<number> {
  const flow = chooseFlow(await loadFlows(shell, [file]), options.flow);
  const wanted = scheduleOptions(options);
  const flujo = await shell.work({ flows: [flow], worker: false });
  const view = await flujo.schedule(id, { flow: flow as typeof flow | string, ...wanted });
  shell.result(scheduleJson(view), () => scheduleTable([view]));
  return 0;
}

/** `flujo schedules remove <id>`: its runs go on. */
export async function scheduleRemoveCommand(shell: Shell, id: string): Promise<number> {
  const flujo = await shell.work({ worker: false });
  if (!(await flujo.unschedule(id))) throw new FlujoError("SCHEDULE_UNKNOWN", `no schedule has the id "${id}"`);
  shell.result({ id, removed: true }, () => `schedule ${id} removed`);
  return 0;
}

/** `flujo schedules pause|resume <id>`. */
export async function schedulePauseCommand(shell: Shell, id: string, paused: boolean): Promise<number> {
  const flujo = await shell.work({ worker: false });
  const view = await (paused ? flujo.pauseSchedule(id) : flujo.resumeSchedule(id));
  shell.result(scheduleJson(view), () => scheduleTable([view]));
  return 0;
}

function scheduleOptions(options: ScheduleAddOptions): Omit<ScheduleOptions, "flow"> {
  const { cron, every, timezone, input, queue, key, priority, metadata, startAt, endAt, catchUp, overlap, paused } =
    options;
  return {
    ...(cron !== undefined && { cron }),
    ...(every !== undefined && { every: every as Duration }), // checked where it is used, as text of anybody else
    ...(timezone !== undefined && { timezone }),
    ...(input !== undefined && { input: parseJson(input, "--input", "INPUT_INVALID") }),
    ...(queue !== undefined && { queue }),
    ...(key !== undefined && { key }),
    ...(priority !== undefined && { priority: numberOf("--priority", priority) }),
    ...(metadata && { metadata: metadataOf(metadata) }),
    ...(startAt !== undefined && { startAt: timeOf("--start-at", startAt) }),
    ...(endAt !== undefined && { endAt: timeOf("--end-at", endAt) }),
    ...(catchUp !== undefined && { catchUp: catchUpOf(catchUp) }),
    ...(overlap !== undefined && { overlap: overlap as "allow" | "skip" }),
    ...(paused === true && { paused }),
  };
}

function timeOf(option: string, text: string): Date {
  const time = new Date(text);
  if (!Number.isNaN(time.getTime())) return time;
  throw new FlujoError("OPTION_INVALID", `${option}: expected a time such as 2027-01-31T08:00:00Z but found "${text}"`);
}

const catchUpOf = (text: string): NonNullable<ScheduleOptions["catchUp"]> =>
  text === "none" || text === "last" ? text : { max: numberOf("--catch-up", text) };

const scheduleJson = (view: ScheduleView): unknown => ({ ...view, input: valueJson(view.input) });

function scheduleTable(schedules: readonly ScheduleView[]): string {
  const rows = schedules.map((view) => [
    view.id,
    titleOf({ name: view.flow, version: view.version }),
    rhythmText(view),
    view.paused ? "paused" : (view.nextAt?.toISOString() ?? "over"),
    view.lastAt?.toISOString() ?? "",
    view.lastRun ?? "",
  ]);
  return tableText([["schedule", "flow", "when", "next (UTC)", "last (UTC)", "last run"], ...rows]);
}

const rhythmText = ({ cron, timezone, everyMs = 0 }: ScheduleView): string =>
  cron === undefined ? `every ${durationText(everyMs)}` : `${cron} ${timezone ?? ""}`;
