import { FlujoError } from "../../domain/errors.ts";
import { type MigrateOptions, type Migration, type MigrationReport, versionToReach } from "../../ports/migration.ts";
import { CLAIM, GIVE_TURNS, LOCK_RULES, NEXT_DUE, NEXT_UNSEEN, OFFER, TAKE_THESE } from "./claim-program.ts";
import { ADVANCE, COMMIT } from "./commit-program.ts";
import { FINISH } from "./finish-program.ts";
import type { Database } from "./database.ts";
import type { PgClient } from "./driver.ts";
import { isRowFault, storeError } from "./errors.ts";
import type { Flags } from "./flags.ts";
import { GET_ITEMS, PUT_ITEMS, REMOVE_ITEMS, SWEEP_ITEMS } from "./item-programs.ts";
import { STORAGE_2, VERSION_2 } from "./kept-schema.ts";
import { FORGET_ACCOUNTS, HOLD, SETTLE } from "./ledger-programs.ts";
import { functionText, inSchema, type Program } from "./program.ts";
import { BEST_OF_LANES, CLAIM_IN_TURN, CLAIMABLE, LEASED, LOOK, OPEN_LANES } from "./lane-programs.ts";
import { PRUNE } from "./prune-program.ts";
import { LOAD } from "./read.ts";
import { RECEIVE } from "./receive-program.ts";
import { numberIn } from "./rows.ts";
import { CANCEL, REVIVE, SIGNAL } from "./run-programs.ts";
import { STORAGE_1, VERSION_1 } from "./schema.ts";
import { CREATE_RUNS, START } from "./start-program.ts";
import { ADMIT, HEARTBEAT, REGISTER, RELEASE, SWEEP } from "./worker-programs.ts";

/** Names carry a version: processes of two versions of this code may work on one schema while it is upgraded. */
const PROGRAMS_1: readonly Program[] = [
  ADVANCE,
  RECEIVE,
  FINISH,
  COMMIT,
  START,
  CREATE_RUNS,
  SIGNAL,
  CANCEL,
  REVIVE,
  LOAD,
  CLAIM,
  LOCK_RULES,
  LOOK,
  CLAIM_IN_TURN,
  TAKE_THESE,
  GIVE_TURNS,
  OFFER,
  OPEN_LANES,
  CLAIMABLE,
  BEST_OF_LANES,
  LEASED,
  NEXT_DUE,
  NEXT_UNSEEN,
  REGISTER,
  ADMIT,
  HEARTBEAT,
  SWEEP,
  RELEASE,
  PRUNE,
];

const PROGRAMS_2: readonly Program[] = [GET_ITEMS, PUT_ITEMS, REMOVE_ITEMS, SWEEP_ITEMS, HOLD, SETTLE, FORGET_ACCOUNTS];

interface Version {
  readonly title: string;
  readonly tables: string;
  readonly storage: string;
  readonly programs: readonly Program[];
}

/** In order; a released one is never changed. */
const VERSIONS: readonly Version[] = [
  { title: "tables and functions", tables: VERSION_1, storage: STORAGE_1, programs: PROGRAMS_1 },
  { title: "items and the quota ledger", tables: VERSION_2, storage: STORAGE_2, programs: PROGRAMS_2 },
];
export const SCHEMA_VERSION: number = VERSIONS.length;

const LEDGER = `
CREATE TABLE flujo.flujo_migrations (version int8 PRIMARY KEY, title text NOT NULL, applied_at float8 NOT NULL);
INSERT INTO flujo.flujo_migrations VALUES (0, 'the ledger itself', 0);`;

/**
 * Applies what is missing, in one transaction. Of several processes that start at once one does it: it holds an advisory lock, or
 * where there is none the first row of the ledger, and the others find it done.
 */
export async function migrate(db: Database, options: MigrateOptions = {}): Promise<MigrationReport> {
  const from = await versionOf(db);
  refuseNewer(db, from);
  const to = versionToReach(options, { from, newest: SCHEMA_VERSION });
  if (options.dryRun === true || from === to) return { from, to, steps: stepsBetween(db, from, to) };
  for (let left = RACES; ; left--) {
    try {
      return await db.transaction(async (client) => applyUpTo(db, client, to));
    } catch (error) {
      if (left === 0 || !db.flags.noAdvisoryLocks || !isRowFault(error)) throw storeError(error, db.where);
    }
  }
}

/** Without advisory locks two processes may create the schema itself at once. One of them is refused (23505), and looks again. */
const RACES = 5;

const stepsBetween = (db: Database, from: number, to: number): Migration[] =>
  VERSIONS.slice(from, to).map((version, i) => ({
    version: from + i + 1,
    title: version.title,
    sql: inSchema(sqlOf(version, db.flags), db.schema),
  }));

const sqlOf = ({ tables, storage, programs }: Version, { noStorageParameters, noFunctions }: Flags): string =>
  [tables, ...(noStorageParameters ? [] : [storage]), ...(noFunctions ? [] : programs.map(functionText))].join("\n");

/** Whoever waited for the lock finds some of it done, and reports the rest. */
async function applyUpTo(db: Database, client: PgClient, to: number): Promise<MigrationReport> {
  const run = async (sql: string): Promise<void> => {
    await client.query({ text: inSchema(sql, db.schema) });
  };
  if (!db.flags.noAdvisoryLocks) {
    await client.query({
      text: "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))",
      values: [`flujo ${db.schema}`],
    });
  }
  const [ledger] = (await client.query({ text: KNOWN, values: [db.schema] })).rows;
  if (ledger === undefined || numberIn(ledger, "ledgers") === 0) {
    await run(`CREATE SCHEMA IF NOT EXISTS "${db.schema}"`);
    await run(LEDGER);
  }
  await run("SELECT 1 FROM flujo.flujo_migrations WHERE version = 0 FOR UPDATE");
  const [row] = await db.queryIn(client, "SELECT max(version) AS version FROM flujo.flujo_migrations");
  const from = row === undefined ? 0 : numberIn(row, "version");
  const steps = stepsBetween(db, from, to);
  for (const { version, title, sql } of steps) {
    await run(sql ?? "");
    await client.query({
      text: inSchema(
        "INSERT INTO flujo.flujo_migrations VALUES ($1, $2, floor(extract(epoch FROM clock_timestamp()) * 1000)::float8)",
        db.schema,
      ),
      values: [version, title],
    });
  }
  return { from, to: Math.max(from, to), steps };
}

/** Tables of that schema: ours, and any. */
const KNOWN = `
  SELECT count(*) FILTER (WHERE table_name = 'flujo_migrations') AS ledgers, count(*) AS tables
  FROM information_schema.tables WHERE table_schema = $1`;

/** 0 = there is nothing yet. Throws STORE_FOREIGN for a schema in which somebody else has tables. */
async function versionOf(db: Database): Promise<number> {
  const [row = {}] = await db.queryOnce(KNOWN, [db.schema]);
  if (numberIn(row, "ledgers") === 0) {
    const tables = numberIn(row, "tables");
    if (tables === 0) return 0;
    throw new FlujoError(
      "STORE_FOREIGN",
      `the schema "${db.schema}" in ${db.where} belongs to another program: ${tables} tables, none of them flujo_migrations`,
    );
  }
  const [found] = await db.queryOnce("SELECT max(version) AS version FROM flujo.flujo_migrations");
  return found === undefined ? 0 : numberIn(found, "version");
}

function refuseNewer(db: Database, version: number): void {
  if (version <= SCHEMA_VERSION) return;
  throw new FlujoError(
    "STORE_TOO_NEW",
    `the schema "${db.schema}" in ${db.where} has version ${version}; this flujo knows up to ${SCHEMA_VERSION}`,
  );
}
