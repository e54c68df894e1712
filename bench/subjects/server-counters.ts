// Counting what others ask of a server, without asking it anything meanwhile.
import { once } from "node:events";

export interface Counter extends AsyncDisposable {
  readonly how: string;
  reset(): Promise<void>;
  /** Requests since the reset, by what they are. */
  read(): Promise<ReadonlyMap<string, number>>;
}

const SHOWN_CHARACTERS = 60;

/**
 * Statements in the database at `url`, by pg_stat_statements: also BEGIN and COMMIT, not what functions do inside. Where that is
 * not loaded, transactions. Has to be called before the others connect.
 */
export async function countPostgres(administrationUrl: string, url: string): Promise<Counter> {
  const { default: pg } = await import("pg");
  const client = new pg.Client({ connectionString: administrationUrl });
  await client.connect();
  const database = new URL(url).pathname.slice(1);
  const { rows } = await client.query("SHOW shared_preload_libraries");
  const statements = String(rows[0]?.shared_preload_libraries).includes("pg_stat_statements");
  if (statements) {
    await client.query("CREATE EXTENSION IF NOT EXISTS pg_stat_statements");
    await client.query(`ALTER DATABASE ${database} SET pg_stat_statements.track = 'top'`);
  }
  const count = statements ? COUNT_STATEMENTS : COUNT_TRANSACTIONS;
  const read = async () => {
    const result = await client.query<{ what: string; calls: string }>(count, [database]);
    return new Map(result.rows.map(({ what, calls }) => [what, Number(calls)]));
  };
  let before: ReadonlyMap<string, number> = new Map();
  return {
    how: statements ? "pg_stat_statements" : "transactions of pg_stat_database",
    reset: async () => {
      before = await read();
    },
    read: async () => since(before, await read()),
    [Symbol.asyncDispose]: () => client.end(),
  };
}

const COUNT_STATEMENTS = `
  SELECT left(regexp_replace(query, '\\s+', ' ', 'g'), ${SHOWN_CHARACTERS}) AS what, sum(calls)::text AS calls
  FROM pg_stat_statements
  WHERE dbid = (SELECT oid FROM pg_database WHERE datname = $1)
  GROUP BY 1`;

const COUNT_TRANSACTIONS = `
  SELECT 'transactions' AS what, (xact_commit + xact_rollback)::text AS calls
  FROM pg_stat_database
  WHERE datname = $1`;

function since(before: ReadonlyMap<string, number>, now: ReadonlyMap<string, number>): ReadonlyMap<string, number> {
  const grown = [...now].map(([what, calls]) => [what, calls - (before.get(what) ?? 0)] as const);
  return new Map(grown.filter(([, calls]) => calls > 0));
}

/** Commands that clients send, by MONITOR: INFO commandstats would count those inside of scripts too. */
export async function countRedis(url: string): Promise<Counter> {
  const { Redis } = await import("ioredis");
  const client = new Redis(url);
  await once(client, "ready");
  const monitor = await client.monitor();
  let calls = new Map<string, number>();
  monitor.on("monitor", (_time: string, command: readonly string[], source: string) => {
    if (source === "lua") return;
    const what = (command[0] ?? "").toLowerCase();
    calls.set(what, (calls.get(what) ?? 0) + 1);
  });
  return {
    how: "MONITOR, without commands of scripts",
    reset: async () => {
      calls = new Map();
    },
    read: async () => calls,
    [Symbol.asyncDispose]: async () => {
      monitor.disconnect();
      client.disconnect();
    },
  };
}
