import { type Duration, durationMs } from "../domain/duration.ts";

/** What flujo.toml and the environment say about workers; the same names as the options of a worker. */
export interface WorkerSection {
  readonly concurrency?: number;
  readonly batchSize?: number;
  readonly pollInterval?: Duration;
  readonly queues?: readonly string[];
  readonly drain?: Duration;
  readonly lease?: Duration;
  readonly heartbeat?: Duration;
  readonly sweep?: Duration;
  readonly schedules?: Duration;
  readonly maxDeliveries?: number;
}

/** What flujo.toml and the environment say about tasks in the background. Source: Flujo, [background_tasks]. */
export interface BackgroundSection {
  /** US dollars. */
  readonly maxCostPerTask?: number;
  readonly maxTokensPerTask?: number;
}

/** What flujo.toml and the environment say about shadow evaluation. Source: Flujo, FLUJO_SHADOW_EVAL_*. */
export interface ShadowEvalSection {
  readonly enabled?: boolean;
  readonly sampleRate?: number;
  /** Seconds. */
  readonly timeoutS?: number;
  readonly judgeModel?: string;
  readonly sink?: "database" | "telemetry";
  readonly evaluateOnFailure?: boolean;
  readonly runLevel?: boolean;
}

/** What flujo.toml says about agents that say nothing themselves. Source: Flujo, AROS. */
export interface ArosSection {
  /** How far answers are bent towards their schema. */
  readonly coercionTolerantLevel?: 0 | 1 | 2;
  /** How often text in quotes is unpacked. */
  readonly maxUnescapeDepth?: number;
  /** `off`: the schema of an answer is not sent to the provider. */
  readonly structuredOutputDefault?: "off" | "auto" | "openai_json";
}

type Kind =
  | "level"
  | "depth"
  | "structured output"
  | "fingerprint mode"
  | "text"
  | "count"
  | "amount"
  | "share"
  | "sink"
  | "duration"
  | "names"
  | "flag"
  | "secret"
  | "governance mode"
  | "scrubbing";

export interface Key {
  /** As flujo.toml writes it: `worker.batch_size`. */
  readonly path: string;
  readonly kind: Kind;
  readonly env: string;
  /** A secret: it has no place in a file that is shared, and its value is never shown. */
  readonly secret?: true;
}

const worker = (name: string, kind: Kind): Key => ({
  path: `worker.${name}`,
  kind,
  env: `FLUJO_WORKER_${name.toUpperCase()}`,
});

const governance = (name: string, kind: Kind): Key => ({
  path: `governance_${name}`,
  kind,
  env: `FLUJO_GOVERNANCE_${name.toUpperCase()}`,
});

const background = (name: string, kind: Kind): Key => ({
  path: `background_tasks.${name}`,
  kind,
  env: `FLUJO_BACKGROUND_TASKS_${name.toUpperCase()}`,
});

const shadowEval = (name: string, kind: Kind): Key => ({
  path: `shadow_eval.${name}`,
  kind,
  env: `FLUJO_SHADOW_EVAL_${name.toUpperCase()}`,
});

const aros = (name: string, kind: Kind): Key => ({
  path: `aros.${name}`,
  kind,
  env: `FLUJO_AROS_${name.toUpperCase()}`,
});

/** Keys that mean nothing here although people know them, and why. To pass over them would be to promise what they say. */
export const REFUSED: Readonly<Record<string, string>> = {
  "aros.enabled": "answers are always read by their schema; coercion_tolerant_level = 0 bends none",
  "aros.enable_aop_default": "how far answers are bent is coercion_tolerant_level",
  "aros.anyof_strategy": "of several branches the first that fits is always taken",
  "aros.enable_reasoning_precheck": "a precheck needs a plan to look for: give it to the step",
};

/** The one schema: whatever is not here is unknown, in the file and in the environment. */
export const KEYS: readonly Key[] = [
  { path: "state_uri", kind: "text", env: "FLUJO_STATE_URI" },
  { path: "cost.strict", kind: "flag", env: "FLUJO_COST_STRICT" },
  worker("concurrency", "count"),
  worker("batch_size", "count"),
  worker("poll_interval", "duration"),
  worker("queues", "names"),
  worker("drain", "duration"),
  worker("lease", "duration"),
  worker("heartbeat", "duration"),
  worker("sweep", "duration"),
  worker("schedules", "duration"),
  worker("max_deliveries", "count"),
  { path: "strict_hooks", kind: "flag", env: "FLUJO_STRICT_HOOKS" },
  governance("mode", "governance mode"),
  governance("pii_scrub", "scrubbing"),
  governance("pii_strong", "flag"),
  { ...governance("pii_key", "secret"), secret: true },
  governance("tool_allowlist", "names"),
  governance("policy_module", "text"),
  aros("coercion_tolerant_level", "level"),
  aros("max_unescape_depth", "depth"),
  aros("structured_output_default", "structured output"),
  {
    path: "settings.granular_resume_fingerprint_mode",
    kind: "fingerprint mode",
    env: "FLUJO_GRANULAR_RESUME_FINGERPRINT_MODE",
  },
  background("max_cost_per_task", "amount"),
  background("max_tokens_per_task", "count"),
  shadowEval("enabled", "flag"),
  shadowEval("sample_rate", "share"),
  shadowEval("timeout_s", "amount"),
  shadowEval("judge_model", "text"),
  shadowEval("sink", "sink"),
  shadowEval("evaluate_on_failure", "flag"),
  shadowEval("run_level", "flag"),
];

export const SECTIONS: readonly string[] = [...new Set(KEYS.flatMap(({ path }) => path.split(".").slice(0, -1)))];

export type Checked =
  | { readonly ok: true; readonly value: unknown }
  | { readonly ok: false; readonly expected: string };

const SECRET_CHARACTERS = 16;
const MODES = ["allow_all", "deny_all"];
const SINKS = ["database", "telemetry"];
const SCRUBBED = ["model", "everywhere"];
const STRUCTURED = ["off", "auto", "openai_json"];
const FINGERPRINTS = ["strict", "compat"];
const MAX_LEVEL = 2;

const EXPECTED: Readonly<Record<Kind, string>> = {
  level: `0, 1 or ${MAX_LEVEL}`,
  depth: "a whole number of at least 0",
  "structured output": STRUCTURED.join(", "),
  "fingerprint mode": FINGERPRINTS.join(" or "),
  text: "text that is not empty",
  count: "a whole number of at least 1",
  amount: "a number of at least 0",
  share: "a number from 0 to 1",
  sink: SINKS.join(" or "),
  duration: 'milliseconds or text such as "10s", "5 minutes"',
  names: "a list of names",
  flag: "true or false",
  secret: `at least ${SECRET_CHARACTERS} characters`,
  "governance mode": MODES.join(" or "),
  scrubbing: `true, false, ${SCRUBBED.join(" or ")}`,
};

const FLAGS: Readonly<Record<string, boolean>> = {
  1: true,
  true: true,
  yes: true,
  on: true,
  0: false,
  false: false,
  no: false,
  off: false,
};
const flagOf = (text: string): boolean | string => FLAGS[text.trim().toLowerCase()] ?? text.trim();

/** A value of flujo.toml. */
export function checkValue(kind: Kind, value: unknown): Checked {
  return isOfKind(kind, value) ? { ok: true, value } : { ok: false, expected: EXPECTED[kind] };
}

/** A value of the environment, where everything is text: numbers in digits, lists with commas. */
export function checkText(kind: Kind, text: string): Checked {
  switch (kind) {
    case "text":
    case "secret":
    case "governance mode":
    case "sink":
    case "structured output":
    case "fingerprint mode":
      return checkValue(kind, text);
    case "flag":
    case "scrubbing":
      return checkValue(kind, flagOf(text));
    case "count":
    case "level":
    case "depth":
      return checkValue(kind, /^\d+$/.test(text.trim()) ? Number(text) : text);
    case "duration":
    case "amount":
    case "share":
      return checkValue(kind, /^\d+(\.\d+)?$/.test(text.trim()) ? Number(text) : text);
    case "names":
      return checkValue(
        kind,
        text.split(",").map((name) => name.trim()),
      );
  }
}

function isOfKind(kind: Kind, value: unknown): boolean {
  switch (kind) {
    case "text":
      return typeof value === "string" && value.trim() !== "";
    case "count":
      return typeof value === "number" && Number.isSafeInteger(value) && value >= 1;
    case "level":
      return isWhole(value) && value <= MAX_LEVEL;
    case "depth":
      return isWhole(value);
    case "structured output":
      return typeof value === "string" && STRUCTURED.includes(value);
    case "fingerprint mode":
      return typeof value === "string" && FINGERPRINTS.includes(value);
    case "amount":
      return typeof value === "number" && Number.isFinite(value) && value >= 0;
    case "share":
      return typeof value === "number" && value >= 0 && value <= 1;
    case "sink":
      return typeof value === "string" && SINKS.includes(value);
    case "duration":
      return isDuration(value);
    case "names":
      return Array.isArray(value) && value.length > 0 && value.every((name) => typeof name === "string" && name !== "");
    case "flag":
      return typeof value === "boolean";
    case "secret":
      return typeof value === "string" && value.length >= SECRET_CHARACTERS;
    case "governance mode":
      return typeof value === "string" && MODES.includes(value);
    case "scrubbing":
      return typeof value === "boolean" || (typeof value === "string" && SCRUBBED.includes(value));
  }
}

const isWhole = (value: unknown): value is number =>
  typeof value === "number" && Number.isSafeInteger(value) && value >= 0;

function isDuration(value: unknown): boolean {
  if (typeof value !== "number" && typeof value !== "string") return false;
  try {
    durationMs(value as Duration);
    return true;
  } catch {
    return false;
  }
}
