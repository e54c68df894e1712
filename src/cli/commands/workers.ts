import type { WorkerView } from "../../runner/workers.ts";
import type { Shell } from "../shell.ts";
import { durationText, oneLine, tableText } from "../text.ts";

const FLOWS_WIDTH = 60;

/** `flujo workers`: who works on this store: where, on which queues, with which flows, how much it holds. */
export async function workersCommand(shell: Shell): Promise<number> {
  const flujo = await shell.look();
  const workers = (await shell.exists()) ? await shell.slowly("asking for the workers", flujo.workers()) : [];
  shell.result({ items: workers }, () => (workers.length === 0 ? "no workers" : workerTable(shell, workers)));
  return 0;
}

function workerTable({ io, colors, verbose }: Shell, workers: readonly WorkerView[]): string {
  const rows = workers.map(({ id, alive, held, concurrency, queues, flows, host, pid, flujo, startedAt }) => [
    id,
    alive ? "alive" : "lost",
    `${held}/${concurrency ?? "?"}`,
    queues.join(","),
    startedAt === undefined ? "" : durationText(io.now() - startedAt.getTime()),
    [host ?? "", pid ?? ""].join(":"),
    flujo ?? "",
    oneLine(flowsText(flows, verbose), verbose ? Number.POSITIVE_INFINITY : FLOWS_WIDTH),
  ]);
  const text = tableText([["worker", "state", "holds", "queues", "for", "host:pid", "flujo", "flows"], ...rows]);
  return workers.every(({ alive }) => alive) ? text : `${text}\n${colors.dim("lost: its lease has run out")}`;
}

const flowsText = (flows: WorkerView["flows"], verbose: boolean): string =>
  flows
    .map(({ name, version, fingerprint }) => `${name}@${version}${verbose ? ` (${fingerprint.slice(0, 12)})` : ""}`)
    .join(", ");
