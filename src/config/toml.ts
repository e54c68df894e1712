import { parse, TomlError } from "smol-toml";
import { FlujoError } from "../domain/errors.ts";
import { type BudgetTables, budgetsFrom, NO_BUDGETS } from "./budgets.ts";
import { type CostTables, costFrom, NO_COST_TABLES } from "./cost.ts";
import { checkValue, KEYS, REFUSED, SECTIONS } from "./keys.ts";
import { type Findings, queuesFrom, type QueueSection } from "./queues.ts";
import { didYouMean } from "../domain/suggest.ts";

/** What a flujo.toml says: values by path (`worker.lease`), and what is odd about it. */
export interface TomlFile {
  readonly file: string;
  readonly values: ReadonlyMap<string, unknown>;
  readonly lines: ReadonlyMap<string, number>;
  readonly queues: Readonly<Record<string, QueueSection>>;
  readonly cost: CostTables;
  readonly budgets: BudgetTables;
  readonly warnings: readonly string[];
}

/** Reads the text of a flujo.toml. Throws CONFIG_INVALID with every wrong value; unknown keys are warnings. */
export function readToml(file: string, text: string): TomlFile {
  const { queues: rules, cost: money, budgets: wanted, ...table } = parsed(file, text);
  const { providers, estimators, ...cost } = isTable(money) ? tablesOf(money) : {};
  const entries = flat(money === undefined ? table : { ...table, cost: isTable(money) ? cost : money });
  const values = new Map<string, unknown>();
  const lines = new Map<string, number>();
  const [warnings, problems]: [string[], string[]] = [[], []];
  const placeOf = (path: string): string => {
    const line = lineOf(text, path);
    return line === undefined ? file : `${file}:${line}`;
  };
  const found: Findings = { problems: [], warnings: [] };
  const queues = rules === undefined ? {} : queuesFrom(rules, found);
  const costs = isTable(money) ? costFrom({ providers, estimators }, found) : NO_COST_TABLES;
  const budgets = wanted === undefined ? NO_BUDGETS : budgetsFrom(wanted, found);
  for (const { path, says } of found.problems) problems.push(`${placeOf(path)}: ${path}: ${says}`);
  for (const { path, says } of found.warnings) warnings.push(`${placeOf(path)}: ${says}`);
  for (const [path, value] of entries) {
    const line = lineOf(text, path);
    const where = placeOf(path);
    if (line !== undefined) lines.set(path, line);
    if (SECTIONS.includes(path)) {
      problems.push(`${where}: [${path}]: expected a table but found ${shown(value)}`);
      continue;
    }
    const refused = REFUSED[path];
    if (refused !== undefined) {
      problems.push(`${where}: unknown key "${path}": ${refused}`);
      continue;
    }
    const key = KEYS.find((one) => one.path === path);
    if (key === undefined) {
      warnings.push(`${where}: unknown key "${path}"${didYouMean(path, known())}`);
      continue;
    }
    if (key.secret === true) {
      problems.push(`${where}: ${path}: expected in the environment only, as ${key.env}`);
      continue;
    }
    const checked = checkValue(key.kind, value);
    if (checked.ok) values.set(path, checked.value);
    else problems.push(`${where}: ${path}: expected ${checked.expected} but found ${shown(value)}`);
  }
  if (problems.length > 0) throw new FlujoError("CONFIG_INVALID", problems.join("\n"), { details: { file, problems } });
  return { file, values, lines, queues, cost: costs, budgets, warnings };
}

const known = (): readonly string[] => [
  ...KEYS.map(({ path }) => path),
  "queues",
  "budgets",
  "cost.providers",
  "cost.estimators",
];

/** Keys that hold tables of their own, apart from those that hold values. */
const tablesOf = (table: object): Readonly<Record<string, unknown>> => ({ ...table });

function parsed(file: string, text: string): Readonly<Record<string, unknown>> {
  try {
    return parse(text.replace(/^\uFEFF/, ""));
  } catch (error) {
    const where = error instanceof TomlError ? `${file}:${error.line}:${error.column}` : file;
    const said = error instanceof Error ? (error.message.split("\n")[0] ?? "") : String(error);
    throw new FlujoError("CONFIG_INVALID", `${where}: expected TOML: ${said}`, { cause: error, details: { file } });
  }
}

const isTable = (value: unknown): value is object =>
  typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof Date);

/** Keys of known sections one by one; an unknown section is one entry, so that it is reported once. */
function flat(table: object): [path: string, value: unknown][] {
  return Object.entries(table).flatMap(([name, value]): [string, unknown][] =>
    SECTIONS.includes(name) && isTable(value)
      ? Object.entries(value).map(([key, inner]): [string, unknown] => [`${name}.${key}`, inner])
      : [[name, value]],
  );
}

/** Where a key or a section stands. A parser that keeps no positions leaves it to a search; undefined when it finds none. */
function lineOf(text: string, path: string): number | undefined {
  const section = path.slice(0, Math.max(0, path.lastIndexOf(".")));
  let current = "";
  for (const [index, line] of text.split("\n").entries()) {
    const header = /^\s*\[+\s*([^\]]+?)\s*\]/.exec(line)?.[1]?.replaceAll('"', "");
    if (header !== undefined) {
      current = header;
      if (header === path || header.startsWith(`${path}.`)) return index + 1;
      continue;
    }
    const name = /^\s*([^=#]+?)\s*=/.exec(line)?.[1]?.replace(/["'\s]/g, "");
    if (name === undefined) continue;
    const full = current === "" ? name : `${current}.${name}`;
    if (full === path || full.startsWith(`${path}.`) || (current === "" && name === section)) return index + 1;
  }
  return undefined;
}

function shown(value: unknown): string {
  const text = typeof value === "bigint" ? String(value) : (JSON.stringify(value) ?? String(value));
  return text.length > 80 ? `${text.slice(0, 80)}…` : text;
}
