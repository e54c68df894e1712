import { rateFrom, type RateSection } from "../../config/queues.ts";
import { FlujoError } from "../../domain/errors.ts";
import type { QueueOptions, QueueView } from "../../runner/queues.ts";
import { countOf } from "../numbers.ts";
import type { Shell } from "../shell.ts";
import { durationText, tableText } from "../text.ts";

export interface QueueSetOptions {
  readonly concurrency?: string;
  readonly perKey?: string;
  readonly rate?: string;
  readonly keyRate?: string;
}

/** `flujo queues`: queues that have rules. */
export async function queuesCommand(shell: Shell): Promise<number> {
  const flujo = await shell.look();
  const queues = await flujo.queues();
  shell.result({ items: queues }, () => (queues.length === 0 ? "no queue has rules" : queueTable(queues)));
  return 0;
}

/** `flujo queues set <name>`: the rules of a queue, whole: what is not named has no limit. */
export async function queueSetCommand(shell: Shell, name: string, options: QueueSetOptions): Promise<number> {
  const rules = rulesOf(options);
  if (Object.keys(rules).length === 0)
    throw new FlujoError(
      "OPTION_INVALID",
      `expected --concurrency, --rate, --per-key or --key-rate; \`flujo queues free ${name}\` takes all rules away`,
    );
  const flujo = await shell.work({ worker: false });
  await flujo.setQueue(name, rules);
  shell.result({ name, ...rules }, () => queueTable([{ name, ...rules }]));
  return 0;
}

/** `flujo queues free <name>`: takes all rules of a queue away. */
export async function queueFreeCommand(shell: Shell, name: string): Promise<number> {
  const flujo = await shell.work({ worker: false });
  await flujo.setQueue(name, {});
  shell.result({ name }, () => `queue ${name} has no rules any more`);
  return 0;
}

function rulesOf({ concurrency, perKey, rate, keyRate }: QueueSetOptions): QueueOptions {
  const each = {
    ...(perKey !== undefined && { concurrency: countOf("--per-key", perKey) }),
    ...(keyRate !== undefined && { rate: rateOf("--key-rate", keyRate) }),
  };
  return {
    ...(concurrency !== undefined && { concurrency: countOf("--concurrency", concurrency) }),
    ...(rate !== undefined && { rate: rateOf("--rate", rate) }),
    ...(Object.keys(each).length > 0 && { perKey: each }),
  };
}

function rateOf(option: string, text: string): RateSection {
  const rate = rateFrom(text);
  if (rate !== undefined) return rate;
  throw new FlujoError("OPTION_INVALID", `${option}: expected a rate such as 10/1m but found "${text}"`);
}

function queueTable(queues: readonly QueueView[]): string {
  const rows = queues.map(({ name, concurrency, rate, perKey }) => [
    name,
    `${concurrency ?? ""}`,
    rateText(rate),
    `${perKey?.concurrency ?? ""}`,
    rateText(perKey?.rate),
  ]);
  return tableText([["queue", "at once", "rate", "per key", "key rate"], ...rows]);
}

const rateText = (rate: QueueOptions["rate"]): string =>
  rate === undefined ? "" : `${rate.limit} per ${durationText(Number(rate.per))}`;
