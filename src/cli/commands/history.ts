import { FlujoError } from "../../domain/errors.ts";
import type { HistoryEvent } from "../../domain/event.ts";
import { placeOf } from "../../domain/ids.ts";
import { resolveRun } from "../run-ids.ts";
import type { Shell } from "../shell.ts";
import { oneLine, tableText } from "../text.ts";

/** `flujo history <run>`: everything that was recorded, in order. */
export async function historyCommand(shell: Shell, run: string, options: { readonly after?: string }): Promise<number> {
  const after = sequence(options.after ?? "0");
  const flujo = await shell.look();
  const id = await resolveRun(shell, flujo, run);
  const events = await shell.slowly("reading the history", flujo.history(id, { after }));
  shell.result({ runId: id, events }, () => (events.length === 0 ? "no events" : eventTable(events)));
  return 0;
}

function sequence(text: string): number {
  if (/^\d{1,15}$/.test(text)) return Number(text);
  throw new FlujoError("OPTION_INVALID", `--after: expected a sequence number but found "${text}"`);
}

const DETAIL_WIDTH = 100;
const SHOWN_ELSEWHERE: ReadonlySet<string> = new Set(["type", "seq", "at", "fiber", "worker", "path", "visit"]);

function eventTable(events: readonly HistoryEvent[]): string {
  const rows = events.map((event) => [
    String(event.seq),
    new Date(event.at).toISOString().slice(0, 23).replace("T", " "),
    event.fiber,
    event.type,
    "path" in event ? placeOf(event.path, event.visit) : "",
    detail(event),
  ]);
  return tableText([["seq", "time (UTC)", "fiber", "event", "at", "detail"], ...rows], [0]);
}

function detail(event: HistoryEvent): string {
  if ("failure" in event && event.failure !== undefined)
    return oneLine(`${event.failure.code}: ${event.failure.message}`, DETAIL_WIDTH);
  const rest = Object.entries(event).filter(([name]) => !SHOWN_ELSEWHERE.has(name));
  const parts = rest.map(([name, value]) => `${name}=${typeof value === "string" ? value : JSON.stringify(value)}`);
  return oneLine(parts.join(" "), DETAIL_WIDTH);
}
