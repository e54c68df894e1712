// Every measured thing is a process of its own: clean heap, clean JIT, clean RSS, and no two engines in one event loop.
import { execFile } from "node:child_process";
import { join } from "node:path";

/** The Node that runs the measured processes. */
export interface Runtime {
  readonly path: string;
  readonly version: string;
}

export interface ChildSpec {
  /** Path below bench/, such as "peers/openworkflow.mjs". */
  readonly file: string;
  readonly arguments: readonly string[];
  readonly exposeGc?: boolean;
  /** Default: 90 s. */
  readonly timeoutMs?: number;
}

export type Line = Readonly<Record<string, unknown>>;
export type Outcome = { readonly line: Line } | { readonly error: string };

const CHILD_TIMEOUT_MS = 90_000;
const ROOT = join(import.meta.dirname, "..");

/** Runs one process to its end and returns the JSON line it printed last, or what went wrong. */
export function runChild(runtime: Runtime, spec: ChildSpec): Promise<Outcome> {
  const command = [...nodeOptions(runtime, spec), join(import.meta.dirname, spec.file), ...spec.arguments];
  const timeout = spec.timeoutMs ?? CHILD_TIMEOUT_MS;
  const options = { cwd: ROOT, timeout, killSignal: "SIGKILL", maxBuffer: 16 * 2 ** 20 } as const;
  return new Promise((resolve) => {
    execFile(runtime.path, command, options, (failure, stdout, stderr) => {
      const line = failure === null ? lastJsonLine(stdout) : undefined;
      resolve(line === undefined ? { error: reason(failure, stderr, timeout) } : { line });
    });
  });
}

function nodeOptions(runtime: Runtime, spec: ChildSpec): string[] {
  const typescript = spec.file.endsWith(".ts") && !stripsTypes(runtime.version) ? ["--import", "tsx"] : [];
  return [...typescript, ...(spec.exposeGc ? ["--expose-gc"] : [])];
}

/** Node runs TypeScript by itself from 22.18 on. */
function stripsTypes(version: string): boolean {
  const [major = 0, minor = 0] = version.replace("v", "").split(".").map(Number);
  return major > 22 || (major === 22 && minor >= 18);
}

function lastJsonLine(stdout: string): Line | undefined {
  const text = stdout.trimEnd().split("\n").at(-1) ?? "";
  if (!text.startsWith("{")) return undefined;
  const parsed: unknown = JSON.parse(text);
  return isLine(parsed) ? parsed : undefined;
}

function isLine(value: unknown): value is Line {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function reason(failure: (Error & { readonly killed?: boolean }) | null, stderr: string, timeoutMs: number): string {
  if (failure?.killed) return `did not end within ${timeoutMs / 1000} s`;
  const lines = stderr.split("\n").map((line) => line.trim());
  const message = lines.find((line) => /^(\[?\w*(Error|Exception)\b)/.test(line)) ?? lines.filter(Boolean).at(-1);
  return message ?? failure?.message ?? "printed no result";
}

/** Reads a number the process reported. */
export function numberIn(line: Line, key: string): number {
  const value = line[key];
  if (typeof value !== "number") throw new TypeError(`the measured process reported no number "${key}"`);
  return value;
}
