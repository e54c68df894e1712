import { type Duration, durationMs } from "../../domain/duration.ts";
import { FlujoError } from "../../domain/errors.ts";
import { END_STATUSES, type EndStatus } from "../../domain/run.ts";
import type { Flujo } from "../../runner/flujo.ts";
import type { Shell } from "../shell.ts";

export interface PruneCommandOptions {
  readonly olderThan: string;
  readonly status?: readonly string[];
  readonly yes?: boolean;
}

/** So that a large store shows progress, and other processes get their turn. */
const CHUNK = 1_000;

/** `flujo prune --older-than 30d`: deletes runs that ended long ago. Asks first; without a terminal it wants `--yes`. */
export async function pruneCommand(shell: Shell, options: PruneCommandOptions): Promise<number> {
  const endedBefore = shell.io.now() - durationMs(options.olderThan as Duration, "--older-than");
  const statuses = options.status?.flatMap((text) => text.split(",")).map(endStatus) ?? END_STATUSES;
  const flujo = await shell.look();
  if (options.yes !== true) {
    const count = await shell.slowly("counting", countEnded(flujo, endedBefore, statuses));
    if (count > 0 && !(await confirmed(shell, count))) {
      shell.result({ deleted: 0, wouldDelete: count }, () => "");
      return 0;
    }
  }
  let deleted = 0;
  for (;;) {
    const more = await flujo.prune({ endedBefore, statuses, limit: CHUNK });
    deleted += more;
    if (more < CHUNK) break;
    shell.note(`${deleted} runs deleted…`);
  }
  shell.result({ deleted }, () => `${deleted} ${deleted === 1 ? "run" : "runs"} deleted`);
  return 0;
}

async function confirmed(shell: Shell, count: number): Promise<boolean> {
  const runs = count === 1 ? "1 run" : `${count} runs`;
  if (!shell.io.stdin.isTTY)
    throw new FlujoError(
      "OPTION_INVALID",
      `${runs} would be deleted, with their history; nothing was: repeat with --yes`,
    );
  const typed = await shell.io.stdin.ask(`Delete ${runs} with their history? [y/N] `, shell.interrupts.graceful);
  return /^y(es)?$/i.test(typed?.trim() ?? "");
}

async function countEnded(flujo: Flujo, endedBefore: number, statuses: readonly EndStatus[]): Promise<number> {
  let count = 0;
  let cursor: string | undefined;
  do {
    const page = await flujo.list({
      status: statuses,
      createdBefore: endedBefore,
      limit: CHUNK,
      ...(cursor !== undefined && { cursor }),
    });
    count += page.items.filter(({ endedAt }) => endedAt !== undefined && endedAt.getTime() < endedBefore).length;
    cursor = page.next;
  } while (cursor !== undefined);
  return count;
}

function endStatus(text: string): EndStatus {
  const found = END_STATUSES.find((status) => status === text);
  if (found !== undefined) return found;
  throw new FlujoError("FILTER_UNKNOWN", `--status: expected ${END_STATUSES.join(", ")} but found "${text}"`);
}
