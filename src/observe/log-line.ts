export const LEVELS = ["debug", "info", "warn", "error"] as const;
export type Level = (typeof LEVELS)[number];

export interface LogLine {
  readonly at: number;
  readonly level: Level;
  readonly message: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

/** One JSON object on one line. Never throws, whatever the fields are: a log line must not fail a step. */
export function jsonLine({ at, level, message, fields }: LogLine): string {
  const rest = { time: new Date(at).toISOString(), level, message };
  try {
    return `${JSON.stringify({ ...rest, ...fields }, plain)}\n`;
  } catch {
    return `${JSON.stringify({ ...rest, fields: "not serializable" })}\n`;
  }
}

/** `12:01:02.345 error run r1 of review failed  code=STEP_FAILED`: for a person who watches. */
export function textLine({ at, level, message, fields }: LogLine): string {
  const time = new Date(at).toISOString().slice(11, 23);
  const pairs = Object.entries(fields).flatMap(([name, value]) =>
    value === undefined ? [] : [`${name}=${pairValue(value)}`],
  );
  return `${[time, level.padEnd(5), message, ...pairs].join(" ")}\n`;
}

const plain = (_: string, value: unknown): unknown =>
  typeof value === "bigint" ? value.toString() : value instanceof Error ? String(value) : value;

function pairValue(value: unknown): string {
  if (typeof value === "string" && /^[\w./:@#+-]+$/.test(value)) return value;
  try {
    return JSON.stringify(value, plain) ?? String(value);
  } catch {
    return "[not serializable]";
  }
}
