import { type Duration, durationMs } from "../domain/duration.ts";
import { isId } from "../domain/ids.ts";
import { didYouMean } from "../domain/suggest.ts";

/** At most `limit` within any `per`. */
export interface RateSection {
  readonly limit: number;
  readonly per: Duration;
}

/** What flujo.toml says about one queue; the shape that `FlujoOptions.queues` has. */
export interface QueueSection {
  readonly concurrency?: number;
  readonly rate?: RateSection;
  readonly perKey?: { readonly concurrency?: number; readonly rate?: RateSection };
}

const NAMES = ["concurrency", "rate", "per_key", "key_rate"] as const;
const RATE = /^\s*(\d{1,9})\s*\/\s*(.+)$/;

/** Reads `10/1m`: ten within any minute. Undefined when it says nothing of the kind. */
export function rateFrom(text: string): RateSection | undefined {
  const [, limit = "0", per = ""] = RATE.exec(text) ?? [];
  try {
    const perMs = durationMs(per as Duration);
    return Number(limit) >= 1 && perMs >= 1 ? { limit: Number(limit), per: perMs } : undefined;
  } catch {
    return undefined;
  }
}

/** What is odd about a table: what is wrong, and what is unknown, each with its path. */
export interface Findings {
  readonly problems: { readonly path: string; readonly says: string }[];
  readonly warnings: { readonly path: string; readonly says: string }[];
}

/**
 *   [queues.gpu]
 *   concurrency = 4        # at once
 *   rate = "100/1m"        # begin within any minute
 *   per_key = 1            # the same for each key
 *   key_rate = "10/1m"
 */
export function queuesFrom(table: unknown, findings: Findings): Readonly<Record<string, QueueSection>> {
  if (!isTable(table)) {
    findings.problems.push({ path: "queues", says: "expected a table for each queue: [queues.gpu]" });
    return {};
  }
  return Object.fromEntries(Object.entries(table).map(([name, section]) => [name, queueFrom(name, section, findings)]));
}

function queueFrom(name: string, section: unknown, { problems, warnings }: Findings): QueueSection {
  const path = `queues.${name}`;
  if (!isId(name)) problems.push({ path, says: "expected a name of A-Za-z0-9._:-" });
  if (!isTable(section)) {
    problems.push({ path, says: "expected a table" });
    return {};
  }
  for (const key of Object.keys(section)) {
    if (!(NAMES as readonly string[]).includes(key))
      warnings.push({ path: `${path}.${key}`, says: `unknown key "${key}"${didYouMean(key, NAMES)}` });
  }
  const count = (key: (typeof NAMES)[number]): number | undefined => {
    const value = section[key];
    if (value === undefined || (Number.isSafeInteger(value) && Number(value) >= 1)) return value as number | undefined;
    problems.push({ path: `${path}.${key}`, says: "expected a whole number of at least 1" });
    return undefined;
  };
  const rate = (key: (typeof NAMES)[number]): RateSection | undefined => {
    const value = section[key];
    const read = typeof value === "string" ? rateFrom(value) : undefined;
    if (value !== undefined && read === undefined)
      problems.push({ path: `${path}.${key}`, says: 'expected a rate such as "10/1m"' });
    return read;
  };
  const [whole, each] = [limits(count("concurrency"), rate("rate")), limits(count("per_key"), rate("key_rate"))];
  return { ...whole, ...(Object.keys(each).length > 0 && { perKey: each }) };
}

const limits = (concurrency: number | undefined, rate: RateSection | undefined): Omit<QueueSection, "perKey"> => ({
  ...(concurrency !== undefined && { concurrency }),
  ...(rate && { rate }),
});

const isTable = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof Date);
