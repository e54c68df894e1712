import type { Cell } from "./array-buffer.ts";
import type { SqlValue } from "./driver.ts";
import type { ParamTypes } from "./insert-steps.ts";

/** Rows as one array for each column, which is how a statement takes many at once. */
export class Columns {
  readonly #prefix: string;
  readonly #names: readonly string[];
  readonly #columns: Cell[][];
  count = 0;

  constructor(prefix: string, params: ParamTypes) {
    this.#prefix = prefix;
    this.#names = Object.keys(params);
    this.#columns = this.#names.map(() => []);
  }

  /** Cells in the order of the columns. */
  add(...cells: readonly Cell[]): void {
    for (let i = 0; i < this.#columns.length; i++) this.#columns[i]?.push(cells[i] ?? null);
    this.count += 1;
  }

  writeTo(values: Record<string, SqlValue>): void {
    for (const [i, name] of this.#names.entries()) values[`${this.#prefix}_${name}`] = this.#columns[i] ?? [];
  }
}

/** Parameters with every array empty and the rest null. */
export function emptyValues(params: ParamTypes): Readonly<Record<string, SqlValue>> {
  return Object.fromEntries(Object.entries(params).map(([name, type]) => [name, type.endsWith("[]") ? [] : null]));
}
