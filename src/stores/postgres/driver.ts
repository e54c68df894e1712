import { FlujoError } from "../../domain/errors.ts";
import type { Cell } from "./array-buffer.ts";
import { Sockets } from "./sockets.ts";

export type SqlValue = Cell | readonly Cell[];
export type Row = Readonly<Record<string, unknown>>;

export interface PgQuery {
  readonly text: string;
  readonly values?: unknown[];
  /** Prepared once for each connection under this name. */
  readonly name?: string;
  /** Rows as lists of cells, in the order of the columns. */
  readonly rowMode?: "array";
}

export interface PgResult {
  readonly rows: readonly Row[];
  readonly rowCount: number | null;
}

/** One connection of a pool, by shape: what `connect()` of a `pg` pool answers. */
export interface PgClient {
  query(query: PgQuery): Promise<PgResult>;
  release(destroy?: boolean | Error): void;
  on(event: "notification", listener: (message: PgNotification) => void): unknown;
  on(event: "error", listener: (error: Error) => void): unknown;
  removeListener(event: "notification", listener: (message: PgNotification) => void): unknown;
  removeListener(event: "error", listener: (error: Error) => void): unknown;
}

export interface PgNotification {
  readonly channel: string;
  readonly payload?: string | undefined;
}

/** A pool of connections, by shape: `new pg.Pool(…)` fits as it is. */
export interface PgPool {
  connect(): Promise<PgClient>;
  query(query: PgQuery): Promise<PgResult>;
  end(): Promise<void>;
  on(event: "error", listener: (error: Error) => void): unknown;
  /** A connection has been opened. */
  on(event: "connect", listener: (client: PgClient) => void): unknown;
}

export interface PoolSettings {
  readonly url: string;
  readonly min: number;
  readonly max: number;
  readonly statementTimeoutMs: number;
  readonly connectTimeoutMs: number;
  readonly applicationName: string;
  /** A pooler between us and the server refuses start-up parameters that it does not know. */
  readonly pooler: boolean;
}

/** Answers that a half-open connection never brings must not be awaited for ever: a little longer than the server's own limit. */
const GRACE_MS = 2_000;

/** Opens a pool with `pg`, the only driver that is known by name. Its `end` resolves when no socket is open. */
export async function openPool(settings: PoolSettings): Promise<PgPool> {
  const { url, min, max, statementTimeoutMs, connectTimeoutMs, applicationName, pooler } = settings;
  const { Pool } = await loadPg();
  const sockets = new Sockets();
  class Owned extends Pool {
    override async end(): Promise<void> {
      await super.end();
      await sockets.closed();
    }
  }
  return new Owned({
    stream: () => sockets.create(),
    connectionString: url,
    min,
    max,
    application_name: applicationName,
    connectionTimeoutMillis: connectTimeoutMs,
    query_timeout: statementTimeoutMs + GRACE_MS,
    keepAlive: true,
    ...(!pooler && { statement_timeout: statementTimeoutMs }),
  });
}

interface Driver {
  readonly Pool: new (options: object) => PgPool;
}

async function loadPg(): Promise<Driver> {
  try {
    const { default: pg } = await import("pg");
    return pg as unknown as Driver; // its own types say more than we ask for
  } catch (error) {
    throw new FlujoError("DEPENDENCY_MISSING", "the Postgres store needs its driver: npm i pg", { cause: error });
  }
}
