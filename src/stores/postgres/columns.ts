import type { Cell } from "./array-buffer.ts";
import type { SqlValue } from "./driver.ts";
import type { ParamTypes } from "./insert-steps.ts";

const prefixes = new Map<ParamTypes, Map<string, readonly string[]>>();

/** Names of the parameters behind their prefix. Kept: made for each batch they took 18 µs of a run of four steps. */
function namesOf(prefix: string, params: ParamTypes): readonly string[] {
  const known = prefixes.get(params) ?? new Map<string, readonly string[]>();
  prefixes.set(params, known);
  const names = known.get(prefix) ?? Object.keys(params).map((name) => `${prefix}_${name}`);
  known.set(prefix, names);
  return names;
}

/** Rows as one array for each column, which is how a statement takes many at once. */
export class Columns {
  readonly #names: readonly string[];
  readonly #columns: Cell[][];
  count = 0;

  constructor(prefix: string, params: ParamTypes) {
    this.#names = namesOf(prefix, params);
    this.#columns = this.#names.map(() => []);
  }

  /** Cells in the order of the columns. */
  add(...cells: readonly Cell[]): void {
    for (let i = 0; i < this.#columns.length; i++) this.#columns[i]?.push(cells[i] ?? null);
    this.count += 1;
  }

  writeTo(values: Record<string, SqlValue>): void {
    for (let i = 0; i < this.#names.length; i++) values[this.#names[i] ?? ""] = this.#columns[i] ?? [];
  }
}

/** Parameters with every array empty and the rest null. */
export function emptyValues(params: ParamTypes): Readonly<Record<string, SqlValue>> {
  return Object.fromEntries(Object.entries(params).map(([name, type]) => [name, type.endsWith("[]") ? [] : null]));
}
