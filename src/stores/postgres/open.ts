import type { Clock } from "../../domain/ambient.ts";
import { FlujoError } from "../../domain/errors.ts";
import type { ShardStore } from "../../ports/shard.ts";
import { Database } from "./database.ts";
import { openPool, type PgPool } from "./driver.ts";
import { behindPooler, type Profile, PROFILES } from "./flags.ts";
import { migrate } from "./migrations.ts";
import { PostgresStore } from "./store.ts";

export interface PostgresStoreOptions {
  /** `postgres://user:password@host:port/database`. */
  readonly url?: string;
  /** An open pool instead of a URL: of `pg`. Its owner closes it, after the store. */
  readonly pool?: PgPool;
  /** All tables live in this schema, which is created when absent. Lower case, at most 40 characters. Default "flujo". */
  readonly schema?: string;
  /** A transaction pooler (pgbouncer) stands between us and the server: then nothing outlives a transaction. Default false. */
  readonly pooler?: boolean;
  /** What kind of server it is. Default "postgres". */
  readonly profile?: Profile;
  /** Connections that are kept open. Default 0. */
  readonly poolMin?: number;
  /** Connections at most, one of which listens. Default 10. */
  readonly poolMax?: number;
  /** How long a statement may take, in milliseconds. Default 30,000. */
  readonly statementTimeoutMs?: number;
  /** How long connecting may take, in milliseconds. Default 5,000. */
  readonly connectTimeoutMs?: number;
  /** What the server shows of our connections. Default "flujo". */
  readonly applicationName?: string;
  /** Whether missing tables are made when the store is opened. False: `migrate` does it, and until then nothing else works. Default true. */
  readonly migrate?: boolean;
  /** The store's clock; for tests. Default: the database's. */
  readonly clock?: Pick<Clock, "now">;
}

const SCHEMA = /^[a-z_][a-z0-9_]{0,39}$/;

/**
 * Opens a store in one schema of a Postgres database (14 or newer), and creates or upgrades its tables. Durable: a resolved
 * commit survives whatever the server's `synchronous_commit` promises.
 *
 * Throws OPTION_INVALID, DEPENDENCY_MISSING (`npm i pg`), STORE_UNAVAILABLE, STORE_READ_ONLY, STORE_FOREIGN, STORE_TOO_NEW.
 *
 *   await using store = await postgresStore({ url: "postgres://app@localhost/app" });
 *
 * Source: Fluxo, Postgres backend.
 */
export async function postgresStore(options: PostgresStoreOptions): Promise<ShardStore> {
  const checked = checkOptions(options);
  const { schema, statementTimeoutMs, connectTimeoutMs, where } = checked;
  const base = PROFILES[checked.profile];
  const flags = checked.pooler ? behindPooler(base) : base;
  const pool =
    options.pool ??
    (await openPool({
      url: checked.url,
      min: checked.poolMin,
      max: checked.poolMax,
      statementTimeoutMs,
      connectTimeoutMs,
      applicationName: checked.applicationName,
      pooler: checked.pooler,
    }));
  const db = new Database({ pool, owned: options.pool === undefined, schema, flags, statementTimeoutMs, where });
  try {
    await refuseReadOnly(db);
    if (checked.migrate) await migrate(db);
  } catch (error) {
    await db.close();
    throw error;
  }
  const guard = options.url === undefined ? undefined : { url: options.url, schema, connectTimeoutMs };
  return new PostgresStore({ db, clock: options.clock, guard });
}

/** A replica, or a session that takes no writes: better known now than at the first step. */
async function refuseReadOnly(db: Database): Promise<void> {
  const [row] = await db.queryOnce("SELECT current_setting('transaction_read_only') AS read_only");
  if (row?.["read_only"] === "on") {
    throw new FlujoError(
      "STORE_READ_ONLY",
      `${db.where} takes no writes: it is a replica, or its sessions are read-only`,
    );
  }
}

type Checked = Required<Omit<PostgresStoreOptions, "pool" | "clock">> & { readonly where: string };

function checkOptions(options: PostgresStoreOptions): Checked {
  const { url, pool, schema = "flujo", profile = "postgres" } = options;
  if ((url === undefined) === (pool === undefined)) {
    throw new FlujoError(
      "OPTION_INVALID",
      `expected a url or a pool but found ${url === undefined ? "neither" : "both"}`,
    );
  }
  if (!SCHEMA.test(schema)) {
    throw new FlujoError("OPTION_INVALID", `schema: expected a lower-case name of a-z 0-9 _ but found "${schema}"`);
  }
  if (!Object.hasOwn(PROFILES, profile)) {
    const known = Object.keys(PROFILES).join(", ");
    throw new FlujoError("OPTION_INVALID", `profile: expected one of ${known} but found "${String(profile)}"`);
  }
  const poolMax = whole("poolMax", options.poolMax ?? 10, 2);
  return {
    url: url ?? "",
    schema,
    profile,
    pooler: options.pooler ?? false,
    migrate: options.migrate ?? true,
    poolMax,
    poolMin: whole("poolMin", options.poolMin ?? 0, 0, poolMax),
    statementTimeoutMs: whole("statementTimeoutMs", options.statementTimeoutMs ?? 30_000, 1),
    connectTimeoutMs: whole("connectTimeoutMs", options.connectTimeoutMs ?? 5_000, 1),
    applicationName: options.applicationName ?? "flujo",
    where: url === undefined ? "the Postgres database" : placeOf(url),
  };
}

function whole(name: string, value: number, least: number, most: number = Number.MAX_SAFE_INTEGER): number {
  if (Number.isInteger(value) && value >= least && value <= most) return value;
  const range = most === Number.MAX_SAFE_INTEGER ? `from ${least}` : `from ${least} to ${most}`;
  throw new FlujoError("OPTION_INVALID", `${name}: expected a whole number ${range} but found ${value}`);
}

/** Host and database of a URL, and nothing of its secrets. Not even as a cause: an error of URL carries its input. */
function placeOf(url: string): string {
  if (!URL.canParse(url)) throw new FlujoError("OPTION_INVALID", "url: expected postgres://host/database");
  const { protocol, hostname, port, pathname } = new URL(url);
  if (protocol !== "postgres:" && protocol !== "postgresql:")
    throw new FlujoError("OPTION_INVALID", `url: expected postgres:// but found ${protocol}//`);
  return `Postgres at ${hostname === "" ? "localhost" : hostname}${port === "" ? "" : `:${port}`}${pathname}`;
}
