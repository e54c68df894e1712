import { titleOf } from "../../definition/definition.ts";
import { isEnd } from "../../domain/run.ts";
import type { RunDetails } from "../../runner/result.ts";
import { failureText } from "../problem.ts";
import { resolveRun } from "../run-ids.ts";
import type { Shell } from "../shell.ts";
import { durationText, oneLine, tableText, valueText } from "../text.ts";
import { detailsJson } from "../view-json.ts";

const VALUE_WIDTH = 2_000;

/** `flujo get <run>`: one run with what it waits for. */
export async function getCommand(shell: Shell, run: string): Promise<number> {
  const flujo = await shell.look();
  const details = await flujo.get(await resolveRun(shell, flujo, run));
  shell.result(detailsJson(details, shell.verbose), () => text(shell, details));
  return 0;
}

function text(shell: Shell, details: RunDetails): string {
  const { colors, verbose } = shell;
  const { createdAt, endedAt, metadata, parent, cancelReason, failure } = details;
  const facts: [string, string | undefined][] = [
    ["run", details.id],
    ["flow", titleOf({ name: details.flow, version: details.version })],
    ["status", details.status],
    ["created", createdAt.toISOString()],
    ["ended", endedAt && `${endedAt.toISOString()} (${durationText(endedAt.getTime() - createdAt.getTime())})`],
    ["parent", parent],
    ["metadata", Object.keys(metadata).length === 0 ? undefined : JSON.stringify(metadata)],
    ["input", value(details.input)],
    ["output", "output" in details ? value(details.output) : undefined],
    ["cancel", cancelReason],
  ];
  const blocks = [
    tableText(facts.flatMap(([name, fact]) => (fact === undefined ? [] : [[colors.bold(name), fact]]))),
    failure && failureText(failure, colors, verbose),
    ...(isEnd(details.status) ? [] : open(details)),
  ];
  return blocks.filter((block) => block !== undefined && block !== "").join("\n\n");
}

function open({ id, pauses, signals, fibers, unconsumed }: RunDetails): string[] {
  return [
    ...pauses.map(({ path, question, token }) => {
      const asks = oneLine(valueText(question), VALUE_WIDTH);
      return `${path} asks: ${asks}\n  flujo answer ${id} '<json>' --token ${token}`;
    }),
    ...signals.map((name) => `waits for signal ${name}\n  flujo signal ${id} ${name} '<json>'`),
    fibers.length === 0
      ? ""
      : tableText([
          ["fiber", "position", "at", "queue", "key", "worker", "due"],
          ...fibers.map(({ key, position, at, queue, lane, worker, dueAt }) => [
            key,
            position,
            at,
            queue,
            lane ?? "",
            worker ?? "",
            dueAt?.toISOString() ?? "",
          ]),
        ]),
    unconsumed.length === 0 ? "" : `signals not consumed yet: ${unconsumed.map(({ name }) => name).join(", ")}`,
  ];
}

const value = (one: unknown): string => oneLine(valueText(one), VALUE_WIDTH);
