import { FlujoError } from "../../domain/errors.ts";
import { isRunStatus, RUN_STATUSES, type RunStatus } from "../../domain/run.ts";
import { titleOf } from "../../definition/definition.ts";
import type { RunView } from "../../runner/result.ts";
import { metadataOf } from "../metadata.ts";
import type { Shell } from "../shell.ts";
import { durationText, shellWord, tableText } from "../text.ts";
import { viewJson } from "../view-json.ts";

export interface ListCommandOptions {
  readonly flow?: string;
  readonly status?: readonly string[];
  readonly metadata?: readonly string[];
  readonly limit?: string;
  readonly cursor?: string;
}

/** `flujo list`: runs, newest first. */
export async function listCommand(shell: Shell, options: ListCommandOptions): Promise<number> {
  const { flow, cursor } = options;
  const query = {
    ...flowFilter(flow),
    ...(options.status && { status: options.status.flatMap((text) => text.split(",")).map(statusOf) }),
    ...(options.metadata && { metadata: metadataOf(options.metadata) }),
    ...(options.limit !== undefined && { limit: Number(options.limit) }),
    ...(cursor !== undefined && { cursor }),
  };
  const flujo = await shell.look();
  const { items, next } = await shell.slowly("listing runs", flujo.list(query));
  shell.result(
    { items: items.map((view) => viewJson(view, shell.verbose)), ...(next !== undefined && { next }) },
    () => (items.length === 0 ? "no runs" : runTable(items)),
  );
  if (next !== undefined && !shell.json)
    shell.note(`more: flujo list --cursor ${shellWord(next)} and the same filters`);
  return 0;
}

function runTable(items: readonly RunView[]): string {
  const rows = items.map((view) => [
    view.id,
    titleOf({ name: view.flow, version: view.version }),
    view.status,
    view.createdAt.toISOString().slice(0, 19).replace("T", " "),
    view.endedAt === undefined ? "" : durationText(view.endedAt.getTime() - view.createdAt.getTime()),
  ]);
  return tableText([["run", "flow", "status", "created (UTC)", "took"], ...rows]);
}

/** `name`, or `name@version`. */
function flowFilter(flow: string | undefined): { readonly flow?: string; readonly version?: string } {
  if (flow === undefined) return {};
  const [name = "", version] = flow.split("@");
  return { flow: name, ...(version !== undefined && { version }) };
}

function statusOf(text: string): RunStatus {
  if (isRunStatus(text)) return text;
  throw new FlujoError("FILTER_UNKNOWN", `--status: expected ${RUN_STATUSES.join(", ")} but found "${text}"`);
}
