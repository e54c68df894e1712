import { didYouMean } from "../domain/suggest.ts";
import type { UsageLimits } from "../domain/usage-limits.ts";
import type { Findings } from "./queues.ts";

/** What one run may use. */
export type BudgetSection = Pick<UsageLimits, "costUsd" | "totalTokens">;

/** What flujo.toml says about what runs may use. */
export interface BudgetTables {
  readonly default?: BudgetSection;
  /** By the name of a flow, or a pattern of names; in the order of the file. */
  readonly pipelines: readonly { readonly pattern: string; readonly limits: BudgetSection }[];
}

export const NO_BUDGETS: BudgetTables = Object.freeze({ pipelines: Object.freeze([]) });

const FIELDS = { total_cost_usd_limit: "costUsd", total_tokens_limit: "totalTokens" } as const;
const NAMES = Object.keys(FIELDS) as (keyof typeof FIELDS)[];

/**
 *   [budgets.default]
 *   total_cost_usd_limit = 1.0
 *   [budgets.pipeline.review]              # the flow of that name
 *   total_tokens_limit = 20_000
 *   [budgets.pipeline."team-a-*"]          # `*` is any text, `?` any character
 *   total_cost_usd_limit = 0.25
 *
 * Source: Flujo, budgets.
 */
export function budgetsFrom(value: unknown, findings: Findings): BudgetTables {
  const table = tableOf("budgets", value, findings);
  for (const key of Object.keys(table)) {
    if (key === "default" || key === "pipeline") continue;
    const meant = didYouMean(key, ["default", "pipeline"]);
    findings.warnings.push({ path: `budgets.${key}`, says: `unknown key "budgets.${key}"${meant}` });
  }
  const { default: all, pipeline = {} } = table;
  const pipelines = Object.entries(tableOf("budgets.pipeline", pipeline, findings)).map(([pattern, limits]) => ({
    pattern,
    limits: budgetFrom(`budgets.pipeline.${pattern}`, limits, findings),
  }));
  return { pipelines, ...(all !== undefined && { default: budgetFrom("budgets.default", all, findings) }) };
}

function budgetFrom(path: string, value: unknown, findings: Findings): BudgetSection {
  const found: { -readonly [Name in keyof BudgetSection]: BudgetSection[Name] } = {};
  for (const [key, amount] of Object.entries(tableOf(path, value, findings))) {
    const name = NAMES.find((one) => one === key);
    const where = `${path}.${key}`;
    if (name === undefined) {
      findings.warnings.push({ path: where, says: `unknown key "${key}"${didYouMean(key, NAMES)}` });
    } else if (typeof amount === "number" && Number.isFinite(amount) && amount >= 0) found[FIELDS[name]] = amount;
    else findings.problems.push({ path: where, says: "expected a number of at least 0" });
  }
  return found;
}

function tableOf(path: string, value: unknown, { problems }: Findings): Readonly<Record<string, unknown>> {
  if (typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof Date))
    return { ...value };
  problems.push({ path, says: `expected a table: [${path}]` });
  return {};
}

/** The budget of a flow, and where it is written. */
export interface Budget {
  readonly limits: BudgetSection;
  /** `budgets.pipeline[pattern]`, `budgets.default` or `none`. */
  readonly source: string;
}

/** The exact name counts before a pattern, the first pattern of the file before others, any of them before the default. */
export function budgetOf({ default: all, pipelines }: BudgetTables, flow: string): Budget {
  const found =
    pipelines.find(({ pattern }) => pattern === flow) ?? pipelines.find(({ pattern }) => fits(pattern, flow));
  if (found !== undefined) return { limits: found.limits, source: `budgets.pipeline[${found.pattern}]` };
  return all === undefined ? { limits: {}, source: "none" } : { limits: all, source: "budgets.default" };
}

function fits(pattern: string, name: string): boolean {
  const quoted = pattern.replace(/[.+^${}()|[\]\\]/g, "\\$&");
  return new RegExp(`^${quoted.replaceAll("*", ".*").replaceAll("?", ".")}$`, "s").test(name);
}
