import type { Failure } from "./failure.ts";

/** What kind of trouble a failure is, for who has to decide what to do about many of them. Source: Flujo, error categories. */
export const ERROR_CATEGORIES = [
  "control_flow",
  "network",
  "validation",
  "authentication",
  "resource_exhaustion",
  "configuration",
  "system",
] as const;
export type ErrorCategory = (typeof ERROR_CATEGORIES)[number];

interface Signs {
  readonly codes: readonly Failure["code"][];
  /** Names of errors that steps throw. */
  readonly names: RegExp;
  /** What errors say that have no name of their own: those of Node and of HTTP clients. */
  readonly says: RegExp;
}

const NEVER = /(?!)/;

/** The one table. What is in none of its rows is `system`. The first row that knows a failure says what it is. */
const SIGNS: Readonly<Record<Exclude<ErrorCategory, "system">, Signs>> = {
  control_flow: {
    codes: ["RUN_CANCELLED", "HOOK_ABORTED", "REDIRECT_LOOP", "FALLBACK_LOOP", "LOOP_LIMIT", "BRANCH_UNKNOWN"],
    names: /^AbortError$/,
    says: NEVER,
  },
  authentication: {
    codes: ["MODEL_KEY_MISSING", "GOVERNANCE_DENIED", "TOOL_NOT_ALLOWED"],
    names: /^(Authentication|Authorization|Unauthorized|Forbidden|PermissionDenied)(Error)?$/,
    says: /\b(401|403)\b|unauthori[sz]ed|invalid api key|\b(EACCES|EPERM)\b/i,
  },
  resource_exhaustion: {
    codes: [
      "COST_LIMIT_EXCEEDED",
      "TOKEN_LIMIT_EXCEEDED",
      "QUOTA_EXCEEDED",
      "MODEL_RATE_LIMITED",
      "VALUE_TOO_LARGE",
      "AGENT_TURNS_EXCEEDED",
    ],
    names: /^(RateLimit|QuotaExceeded|TooManyRequests)(Error)?$/,
    says: /\b429\b|rate limit|\b(ENOSPC|ENOMEM|EMFILE)\b/i,
  },
  network: {
    codes: ["STEP_TIMEOUT", "RUN_TIMEOUT", "DEADLINE_EXCEEDED", "MODEL_UNAVAILABLE", "STORE_UNAVAILABLE"],
    names: /^(\w*Timeout|\w*Connection|Network|Fetch)(Error)?$/,
    says: /\bE(CONN(REFUSED|RESET|ABORTED)|TIMEDOUT|HOSTUNREACH|NETUNREACH|PIPE|AI_AGAIN)\b|\bENOTFOUND\b|fetch failed|socket hang up/,
  },
  configuration: {
    codes: [
      "CONFIG_INVALID",
      "OPTION_INVALID",
      "MODEL_UNKNOWN",
      "PRICING_NOT_CONFIGURED",
      "DEPENDENCY_MISSING",
      "FLOW_UNKNOWN",
      "REFERENCE_UNKNOWN",
      "AGENT_CHANGED",
    ],
    names: /^Config(uration)?Error$/,
    says: NEVER,
  },
  validation: {
    codes: [
      "STEP_INPUT_INVALID",
      "STEP_OUTPUT_INVALID",
      "INPUT_INVALID",
      "OUTPUT_INVALID",
      "CONTEXT_INVALID",
      "ANSWER_INVALID",
      "SIGNAL_INVALID",
      "VALUE_NOT_SERIALIZABLE",
      "ITEMS_INVALID",
      "AGENT_OUTPUT_INVALID",
      "TOOL_ARGUMENTS_INVALID",
      "VALIDATION_FAILED",
      "INVARIANT_VIOLATED",
      "PROMPT_INVALID",
    ],
    names: /^(Zod|Valibot|Validation|Syntax|Type|Range|Value)Error$|^ValiError$/,
    says: NEVER,
  },
};

const rows = Object.entries(SIGNS) as [Exclude<ErrorCategory, "system">, Signs][];

/** Of a failure, or of the first of its causes that says something. */
export function categoryOf(failure: Pick<Failure, "code" | "name" | "message" | "cause">): ErrorCategory {
  for (let at: typeof failure | undefined = failure; at !== undefined; at = at.cause) {
    const { code, name, message } = at;
    const own = rows.find(([, { codes }]) => codes.includes(code));
    // A network error is often a TypeError ("fetch failed"): what it says counts before what it is called.
    const found =
      own ?? rows.find(([, { says }]) => says.test(message)) ?? rows.find(([, { names }]) => names.test(name));
    if (found !== undefined) return found[0];
  }
  return "system";
}
