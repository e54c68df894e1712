import { type Duration, durationMs } from "../domain/duration.ts";
import { FlujoError } from "../domain/errors.ts";
import { isId } from "../domain/ids.ts";
import type { QueueRules, Rate } from "../ports/queue-rules.ts";

/** At most `limit` begin within any `per`. */
export interface RateOptions {
  readonly limit: number;
  readonly per: Duration;
}

/** Rules of a queue. They hold over all workers of the store. Default: no limit. */
export interface QueueOptions {
  /** Of this queue at once. A run, or a step with a queue or a key of its own, holds a place while a worker has it. */
  readonly concurrency?: number;
  readonly rate?: RateOptions;
  /** The same for each key on its own; work without a key shares one. Keys take turns, however much each has waiting. */
  readonly perKey?: { readonly concurrency?: number; readonly rate?: RateOptions };
}

export interface QueueView extends QueueOptions {
  readonly name: string;
}

/** What the store keeps for these options. Throws OPTION_INVALID with every problem. */
export function queueRules(queue: string, options: QueueOptions): QueueRules {
  const problems: string[] = [];
  if (!isId(queue))
    problems.push(`expected a name of 1 to 128 characters A-Za-z0-9._:- but found ${JSON.stringify(queue)}`);
  const { concurrency, rate, perKey, ...others } = options;
  for (const name of Object.keys(others)) problems.push(`expected concurrency, rate or perKey but found "${name}"`);
  const lane = perKey === undefined ? {} : limits("perKey.", perKey, problems);
  const rules: QueueRules = {
    queue,
    ...limits("", { ...(concurrency !== undefined && { concurrency }), ...(rate && { rate }) }, problems),
    ...(Object.keys(lane).length > 0 && { lane }),
  };
  if (problems.length > 0) throw new FlujoError("OPTION_INVALID", `queue ${queue}: ${problems.join("; ")}`);
  return rules;
}

interface Limits {
  readonly concurrency?: number;
  readonly rate?: Rate;
}

function limits(at: string, { concurrency, rate }: Omit<QueueOptions, "perKey">, problems: string[]): Limits {
  const isCount = (value: unknown): boolean => typeof value === "number" && Number.isSafeInteger(value) && value >= 1;
  const expected = "expected a whole number of at least 1 but found";
  if (concurrency !== undefined && !isCount(concurrency)) problems.push(`${at}concurrency: ${expected} ${concurrency}`);
  if (rate === undefined) return concurrency === undefined ? {} : { concurrency };
  if (!isCount(rate.limit)) problems.push(`${at}rate.limit: ${expected} ${rate.limit}`);
  return {
    ...(concurrency !== undefined && { concurrency }),
    rate: { count: rate.limit, perMs: perMs(at, rate, problems) },
  };
}

function perMs(at: string, { per }: RateOptions, problems: string[]): number {
  try {
    const ms = durationMs(per, `${at}rate.per`);
    if (ms < 1) problems.push(`${at}rate.per: expected at least 1 ms but found ${ms}`);
    return ms;
  } catch (error) {
    problems.push(error instanceof Error ? error.message : String(error));
    return 1;
  }
}

/** Rules as their options. */
export function queueView({ queue, lane, ...rules }: QueueRules): QueueView {
  return { name: queue, ...optionsOf(rules), ...(lane && { perKey: optionsOf(lane) }) };
}

const optionsOf = ({ concurrency, rate }: Limits): Omit<QueueOptions, "perKey"> => ({
  ...(concurrency !== undefined && { concurrency }),
  ...(rate && { rate: { limit: rate.count, per: rate.perMs } }),
});
