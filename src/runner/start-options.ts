import { FlujoError } from "../domain/errors.ts";
import { isId, isKey, KEY_FORM, runId, type RunId } from "../domain/ids.ts";
import type { Allowance } from "../domain/quota.ts";
import type { Metadata } from "../domain/run.ts";
import { allowanceOf, tightest, wallTimeMsOf } from "../domain/usage-limits.ts";
import type { LimitsOf } from "../engine/new-run.ts";
import type { StartOptions } from "./options.ts";

/** What a run is started with besides its input, checked. */
export interface CheckedOptions {
  readonly id?: RunId;
  readonly metadata?: Metadata;
  readonly queue?: string;
  readonly priority?: number;
  readonly lane?: string;
  /** Milliseconds since the epoch. */
  readonly startAt?: number;
  readonly limits?: Allowance;
  readonly wallTimeMs?: number;
}

const MAX_TIME_MS = 8_640_000_000_000_000; // the last instant that a Date can say

/**
 * Checks the options of a start, once, at the border: a time that is none would be a run that never starts, a priority that is
 * none cannot be ordered among others. Throws OPTION_INVALID naming the option, or ID_INVALID.
 */
export function checkStartOptions(
  { id, metadata, queue, priority, key, startAt, limits }: StartOptions,
  runner: ReturnType<LimitsOf> = {},
): CheckedOptions {
  const allowance = tightest(allowanceOf(limits), runner.limits);
  const times = [wallTimeMsOf(limits), runner.wallTimeMs].filter((one) => one !== undefined);
  return {
    ...(allowance !== undefined && { limits: allowance }),
    ...(times.length > 0 && { wallTimeMs: Math.min(...times) }),
    ...(id !== undefined && { id: runId(id) }),
    ...(metadata !== undefined && { metadata: metadataIn(metadata) }),
    ...(queue !== undefined && { queue: queueIn(queue) }),
    ...(priority !== undefined && { priority: priorityIn(priority) }),
    ...(key !== undefined && { lane: keyIn(key) }),
    ...(startAt !== undefined && { startAt: timeIn(startAt) }),
  };
}

function refuse(option: string, expected: string, found: unknown): never {
  const text = typeof found === "string" ? JSON.stringify(found.slice(0, 150)) : shown(found);
  throw new FlujoError("OPTION_INVALID", `${option}: expected ${expected} but found ${text}`);
}

const shown = (found: unknown): string => {
  if (typeof found === "number" || typeof found === "bigint" || found === null) return String(found);
  if (found instanceof Date) return "an invalid date";
  return Array.isArray(found) ? "an array" : typeof found;
};

function metadataIn(metadata: unknown): Metadata {
  if (typeof metadata !== "object" || metadata === null || Array.isArray(metadata))
    return refuse("metadata", "an object", metadata);
  for (const [name, value] of Object.entries(metadata)) {
    if (typeof value === "string" || typeof value === "boolean" || Number.isFinite(value)) continue;
    refuse(`metadata.${name}`, "a string, a finite number or a boolean", value);
  }
  return metadata as Metadata;
}

function keyIn(key: unknown): string {
  return isKey(key) ? key : refuse("key", KEY_FORM, key);
}

function queueIn(queue: unknown): string {
  if (typeof queue === "string" && isId(queue)) return queue;
  return refuse("queue", "1 to 128 characters A-Za-z0-9._:-", queue);
}

function priorityIn(priority: unknown): number {
  if (typeof priority === "number" && Number.isFinite(priority)) return priority;
  return refuse("priority", "a finite number", priority);
}

function timeIn(startAt: unknown): number {
  const time = startAt instanceof Date ? startAt.getTime() : startAt;
  if (typeof time === "number" && Math.abs(time) <= MAX_TIME_MS) return time;
  return refuse("startAt", "a Date or milliseconds since the epoch", startAt);
}
