import { setTimeout as pause } from "node:timers/promises";
import { sha256 } from "../../domain/sha256.ts";
import { FlujoError } from "../../domain/errors.ts";
import { arrayBuffer, type Cell } from "./array-buffer.ts";
import type { PgClient, PgPool, PgQuery, Row, SqlValue } from "./driver.ts";
import { isRowFault, isTransient, storeError } from "./errors.ts";
import type { Flags } from "./flags.ts";
import { handleOf } from "./transaction-handle.ts";
import { callOf, callValues, inSchema, type Program, statementOf, type Values, valueOf } from "./program.ts";

/**
 * Deadlocks and refused serializations are tried again this often: each time somebody else has got through. The pauses double, up to
 * 4 s: where 28 connections took 200 holds on one account of a serializing server, shorter ones left 60 of them refused.
 */
const ATTEMPTS = 12;
const BACKOFF_MS = 4;

export interface DatabaseOptions {
  readonly pool: PgPool;
  /** Whether closing ends the pool. */
  readonly owned: boolean;
  readonly schema: string;
  readonly flags: Flags;
  readonly statementTimeoutMs: number;
  /** The server, without secrets. */
  readonly where: string;
}

/** Connections to one schema: programs, statements and transactions, each tried again where that is safe. */
export class Database {
  readonly schema: string;
  readonly flags: Flags;
  readonly where: string;
  readonly #pool: PgPool;
  readonly #owned: boolean;
  readonly #timeoutMs: number;
  readonly #queries = new Map<string, Query>();
  /** The texts of calls are long, and looking one up by its text would mean writing it anew each time. */
  readonly #calls = new Map<Program, { readonly query: Query; readonly names: readonly string[] }>();
  #closed = false;

  constructor({ pool, owned, schema, flags, statementTimeoutMs, where }: DatabaseOptions) {
    this.#pool = pool;
    this.#owned = owned;
    this.schema = schema;
    this.flags = flags;
    this.#timeoutMs = statementTimeoutMs;
    this.where = where;
    if (!owned) return;
    pool.on("error", () => undefined); // an idle connection broke: the pool has dropped it, the next call opens another
    // The pool lets go of the errors of a connection a moment before whoever asked for it gets it. One that the server ends as
    // soon as it is open breaks in that moment, with nobody to hear it, and ended the process.
    pool.on("connect", (client) => client.on("error", () => undefined));
  }

  /** Answers what the last step of the program answers. Row faults are thrown as they came, all else as an error of the store. */
  async run(program: Program, values: Values): Promise<readonly Row[]> {
    return this.#again(async () =>
      this.flags.noFunctions
        ? this.#inTransaction((client) => this.#steps(program, values, client))
        : (await this.#pool.query(this.#call(program, values))).rows,
    );
  }

  /** The same inside a transaction of the caller. */
  async runIn(client: PgClient, program: Program, values: Values): Promise<readonly Row[]> {
    return this.flags.noFunctions
      ? this.#steps(program, values, client)
      : (await client.query(this.#call(program, values))).rows;
  }

  /** One statement on its own. `flujo.` in its text is the schema. */
  async query(sql: string, values: readonly SqlValue[] = []): Promise<readonly Row[]> {
    return this.#again(async () => (await this.#pool.query(this.#query(sql, values))).rows);
  }

  /** Text that is not worth preparing. */
  async queryOnce(sql: string, values: readonly SqlValue[] = []): Promise<readonly Row[]> {
    return this.#again(
      async () =>
        (
          await this.#pool.query({
            text: inSchema(sql, this.schema),
            values: sent(values, arrayTypesIn(sql)),
          })
        ).rows,
    );
  }

  async queryIn(client: PgClient, sql: string, values: readonly SqlValue[] = []): Promise<readonly Row[]> {
    return (await client.query(this.#query(sql, values))).rows;
  }

  /** All or nothing. `work` may run several times: it must change nothing outside of the transaction. */
  async transaction<T>(work: (client: PgClient) => Promise<T>): Promise<T> {
    return this.#again(async () => this.#inTransaction(work));
  }

  /**
   * All or nothing, once: what `theirs` does is not ours to repeat, and what it throws comes through as it is. `ours` follows in
   * the same transaction, which is kept if it says so.
   */
  async transactOnce<T>(
    theirs: (client: PgClient) => Promise<T>,
    ours: (client: PgClient, made: T) => Promise<boolean>,
  ): Promise<void> {
    this.#open();
    let thrown: { readonly error: unknown } | undefined;
    let over = false;
    const both = async (client: PgClient): Promise<boolean> => {
      await client.query({ text: "SAVEPOINT work" });
      const made = await theirs(handleOf(client, () => over))
        .catch((error: unknown) => {
          thrown = { error };
          throw error;
        })
        .finally(() => {
          over = true;
        });
      await client.query({ text: "RELEASE SAVEPOINT work" }); // fails when the work has ended the transaction by itself
      return ours(client, made);
    };
    try {
      await this.#inTransaction(both, (keep) => keep);
    } catch (error) {
      throw thrown === undefined ? storeError(error, this.where) : thrown.error;
    }
  }

  /** A connection for LISTEN. */
  async connect(): Promise<PgClient> {
    this.#open();
    return this.#pool.connect();
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    if (this.#owned) await this.#pool.end();
  }

  #open(): void {
    if (this.#closed) throw new FlujoError("STORE_CLOSED", `the store in ${this.where} was closed`);
  }

  async #again<T>(attempt: () => Promise<T>): Promise<T> {
    for (let left = ATTEMPTS - 1; ; left--) {
      this.#open();
      try {
        return await attempt();
      } catch (error) {
        if (isTransient(error) && left > 0) {
          await pause(Math.random() * BACKOFF_MS * 2 ** (ATTEMPTS - 1 - left));
          continue;
        }
        if (isRowFault(error)) throw error;
        throw storeError(error, this.where);
      }
    }
  }

  async #inTransaction<T>(
    work: (client: PgClient) => Promise<T>,
    keep: (result: T) => boolean = () => true,
  ): Promise<T> {
    const client = await this.#pool.connect();
    let broken: Error | undefined;
    const note = (error: Error): void => {
      broken = error;
    };
    client.on("error", note);
    try {
      await client.query({ text: this.flags.serializable ? "BEGIN ISOLATION LEVEL SERIALIZABLE" : "BEGIN" });
      await client.query({ text: `SET LOCAL statement_timeout = ${this.#timeoutMs}` });
      const result = await work(client);
      await client.query({ text: keep(result) ? "COMMIT" : "ROLLBACK" });
      return result;
    } catch (error) {
      await client.query({ text: "ROLLBACK" }).catch(note);
      throw error;
    } finally {
      client.removeListener("error", note);
      client.release(broken);
    }
  }

  async #steps(program: Program, given: Values, client: PgClient): Promise<readonly Row[]> {
    const values: Record<string, SqlValue> = { ...empties(program), ...given };
    for (const [i, step] of program.steps.entries()) {
      if (step.when !== undefined && isEmpty(valueOf(step.when, values))) continue;
      const { text, names } = statementOf(step, program);
      const query = this.#query(
        text,
        names.map((name) => valueOf(name, values)),
      );
      const rows = (await client.query({ ...query, rowMode: "array" })).rows as unknown as readonly SqlValue[][];
      if (i === program.steps.length - 1) return rows.map((cells) => named(program, cells));
      for (const [column, name] of [step.into ?? []].flat().entries()) values[name] = rows[0]?.[column] ?? null;
    }
    return [];
  }

  #call(program: Program, values: Values): PgQuery {
    let call = this.#calls.get(program);
    if (call === undefined) {
      const { text, names } = callOf(program);
      call = { query: this.#prepared(text), names };
      this.#calls.set(program, call);
    }
    return this.#filled(call.query, callValues(program, call.names, values));
  }

  #query(sql: string, values: readonly SqlValue[]): PgQuery {
    return this.#filled(this.#prepared(sql), values);
  }

  #prepared(sql: string): Query {
    let query = this.#queries.get(sql);
    if (query === undefined) {
      const text = inSchema(this.flags.noSkipLocked ? sql.replaceAll(" SKIP LOCKED", "") : sql, this.schema);
      query = { text, name: `flujo_${sha256(text).slice(0, 24)}`, arrays: arrayTypesIn(text) };
      this.#queries.set(sql, query);
    }
    return query;
  }

  #filled({ text, name, arrays }: Query, values: readonly SqlValue[]): PgQuery {
    return { text, values: sent(values, arrays), ...(!this.flags.noNamedStatements && { name }) };
  }
}

interface Query {
  readonly text: string;
  readonly name: string;
  readonly arrays: readonly (string | undefined)[];
}

const ARRAY = /\$(\d+)::(\w+)\[\]/g;

/** Of each parameter that the text casts to an array (`$1::text[]`): the type of its items. */
function arrayTypesIn(sql: string): readonly (string | undefined)[] {
  const types: (string | undefined)[] = [];
  for (const [, n, type] of sql.matchAll(ARRAY)) types[Number(n) - 1] = type;
  return types;
}

const sent = (values: readonly SqlValue[], arrays: readonly (string | undefined)[]): unknown[] =>
  values.map((value, i) => (isArray(value) ? arrayBuffer(arrays[i] ?? "an unnamed type", value) : value));

const isArray = (value: SqlValue): value is readonly Cell[] => Array.isArray(value);

/** Cells under the names that the function would give them. */
const named = ({ returns }: Program, cells: readonly SqlValue[]): Row =>
  Object.fromEntries(returns.split(",").map((column, i) => [column.trim().split(" ")[0] ?? "", cells[i] ?? null]));

const isEmpty = (value: SqlValue): boolean => Array.isArray(value) && value.length === 0;

/** Variables that are arrays begin empty, as in the function. */
const empties = ({ variables = {} }: Program): Record<string, SqlValue> =>
  Object.fromEntries(Object.entries(variables).map(([name, type]) => [name, type.endsWith("[]") ? [] : null]));
