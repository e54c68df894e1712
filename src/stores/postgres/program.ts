import type { SqlValue } from "./driver.ts";

/*
 * Everything that reads, decides and writes is a PROGRAM: a list of SQL statements that hand values to each other. It exists
 * once and runs in two ways: as one function of the server, made from it by the migration, so that it is one round trip and
 * each statement sees what was committed before it began (READ COMMITTED); or statement by statement inside one transaction,
 * where the server has no functions.
 *
 * In the text `:name` is a parameter or a variable and `flujo.` stands for the schema.
 */

export interface Step {
  readonly sql: string;
  /** Answers one row, whose columns are kept under these names for the steps after it. */
  readonly into?: string | readonly string[];
  /** Runs only if this array is not empty. */
  readonly when?: string;
  /** The text is an expression over what is at hand: in a function an assignment, which costs less than a statement. */
  readonly expression?: true;
}

export interface Program {
  readonly name: string;
  /** Name and SQL type, in the order of the function's arguments. */
  readonly params: Readonly<Record<string, string>>;
  readonly variables?: Readonly<Record<string, string>>;
  /**
   * Parameters that are empty in most calls. A function of the server has at most 100 arguments, so these go as one: an array
   * of the texts of their arrays, or an empty one.
   */
  readonly bundle?: readonly string[];
  /** Columns of what the last step answers. */
  readonly returns: string;
  readonly steps: readonly Step[];
}

export type Values = Readonly<Record<string, SqlValue>>;

const NAME = /(?<![:\w]):([a-z]\w*)/g;

export const inSchema = (sql: string, schema: string): string => sql.replaceAll(/\bflujo\./g, `"${schema}".`);

/** Milliseconds since the epoch by the database, unless the caller brought a clock. */
export const NOW: Step = {
  into: "now",
  expression: true,
  sql: "coalesce(:now, floor(extract(epoch FROM clock_timestamp()) * 1000)::float8)",
};

/*
 * Settings of each function. Without statistics, or with old ones, the planner likes to read a small table whole and keeps that
 * plan when the table has grown; every statement here is meant for an index, and says so.
 */
const SETTINGS = [
  "search_path = pg_catalog, pg_temp",
  "enable_seqscan = off",
  "enable_hashjoin = off",
  "enable_mergejoin = off",
  "jit = off",
  "plan_cache_mode = force_generic_plan",
];

function stepText({ sql, into, when, expression }: Step, last: boolean): string {
  const text = sql.replaceAll(NAME, "_$1").trim();
  const kept = [into ?? []].flat().map((name) => `_${name}`);
  const statement = last
    ? `RETURN QUERY ${text};`
    : expression
      ? `${kept.join()} := ${text};`
      : `${text}${kept.length === 0 ? "" : `\n  INTO ${kept.join(", ")}`};`;
  return when === undefined ? statement : `IF cardinality(_${when}) > 0 THEN ${statement} END IF;`;
}

/** The function of the server. */
export function functionText(program: Program): string {
  const { name, params, variables = {}, bundle = [], returns, steps } = program;
  const args = Object.entries(argumentsOf(program)).map(([arg, type]) => `_${arg} ${type}`);
  const declared = Object.entries(variables).map(
    ([variable, type]) => `_${variable} ${type}${type.endsWith("[]") ? " := '{}'" : ""};`,
  );
  declared.push(...bundle.map((one) => `_${one} ${params[one]} := '{}';`));
  const unpacked = bundle.map((one, i) => `_${one} := _bundle[${i + 1}];`).join(" ");
  const body = steps.map((step, i) => stepText(step, i === steps.length - 1));
  return `CREATE FUNCTION flujo.${name}(${args.join(", ")}) RETURNS TABLE (${returns}) LANGUAGE plpgsql
${SETTINGS.map((setting) => `SET ${setting}`).join("\n")}
AS $program$
#variable_conflict use_column
DECLARE ${declared.join(" ")}
BEGIN${unpacked === "" ? "" : `\nIF cardinality(_bundle) > 0 THEN ${unpacked} END IF;`}
${body.join("\n")}
END $program$;`;
}

/** Names and types of the function's arguments. */
function argumentsOf({ params, bundle = [] }: Program): Readonly<Record<string, string>> {
  if (bundle.length === 0) return params;
  const direct = Object.entries(params).filter(([name]) => !bundle.includes(name));
  return { ...Object.fromEntries(direct), bundle: "text[]" };
}

/** The statement that calls the function, and the names of its arguments. */
export function callOf(program: Program): { readonly text: string; readonly names: readonly string[] } {
  const args = argumentsOf(program);
  const types = Object.values(args).map((type, i) => `$${i + 1}::${type}`);
  return { text: `SELECT * FROM flujo.${program.name}(${types.join(", ")})`, names: Object.keys(args) };
}

/** What the arguments of these names are. */
export const callValues = (program: Program, names: readonly string[], values: Values): SqlValue[] =>
  names.map((name) => (name === "bundle" ? bundled(program, values) : valueOf(name, values)));

function bundled({ bundle = [] }: Program, values: Values): SqlValue {
  const arrays = bundle.map((name) => valueOf(name, values));
  return arrays.every((array) => Array.isArray(array) && array.length === 0) ? [] : arrays.map(arrayText);
}

const SPECIAL = /["\\]/g;

/** An array as Postgres reads it from a text: how one array of a bundle stands beside others of other types. */
function arrayText(array: SqlValue): string {
  if (!Array.isArray(array)) throw new Error("expected an array");
  let text = "{";
  for (const cell of array as readonly (string | number | boolean | null)[]) {
    if (text.length > 1) text += ",";
    if (typeof cell !== "string") text += cell === null ? "NULL" : String(cell);
    else if (cell.includes('"') || cell.includes("\\")) text += `"${cell.replace(SPECIAL, "\\$&")}"`;
    else text += `"${cell}"`;
  }
  return `${text}}`;
}

/** One step as a statement with numbered parameters, and their names in order. */
export function statementOf(
  { sql, expression }: Step,
  { params, variables }: Program,
): { text: string; names: readonly string[] } {
  const names: string[] = [];
  const text = (expression ? `SELECT ${sql}` : sql).replaceAll(NAME, (_, name: string) => {
    if (!names.includes(name)) names.push(name);
    const type = params[name] ?? variables?.[name];
    if (type === undefined) throw new Error(`the program names :${name}, which is no parameter and no variable`);
    return `$${names.indexOf(name) + 1}::${type}`;
  });
  return { text, names };
}

export function valueOf(name: string, values: Values): SqlValue {
  const value = values[name];
  if (value === undefined) throw new Error(`the program needs a value for :${name}`);
  return value;
}
