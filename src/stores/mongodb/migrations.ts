import { FlujoError } from "../../domain/errors.ts";
import { type MigrateOptions, type Migration, type MigrationReport, versionToReach } from "../../ports/migration.ts";
import type { Base } from "./base.ts";
import { type Collections, NAMES } from "./base.ts";
import type { IndexDescription, MongoDatabase } from "./driver.ts";
import { isDuplicate } from "./errors.ts";

const OURS = "flujo";

const exists = (field: string): Readonly<Record<string, unknown>> => ({ [field]: { $exists: true } });

type Indexes = Readonly<Partial<Record<keyof Collections, readonly IndexDescription[]>>>;

/** Indexes, by collection. Partial ones hold only documents that have the field, so parked runs cost the queue nothing. */
const OF_RUNS: Indexes = {
  runs: [
    { name: "ready", key: { queue: 1, fp: 1, priority: -1, due: 1 }, partialFilterExpression: exists("due") },
    { name: "lanes", key: { lane: 1, queue: 1, fp: 1, priority: -1, due: 1 }, partialFilterExpression: exists("due") },
    { name: "leased", key: { lease: 1, cancel: 1 }, partialFilterExpression: exists("lease") },
    { name: "places", key: { queue: 1, lane: 1, lease: 1 }, partialFilterExpression: exists("lease") },
    { name: "family", key: { life: 1, key: 1 } },
    { name: "forks", key: { life: 1, parent: 1, fork: 1, ordinal: 1 }, partialFilterExpression: exists("parent") },
    { name: "waiting", key: { life: 1, names: 1 }, partialFilterExpression: exists("names") },
    { name: "unborn", key: { unborn: 1 }, partialFilterExpression: exists("unborn") },
    { name: "listed", key: { createdAt: -1, _id: -1 }, partialFilterExpression: exists("createdAt") },
    { name: "by_status", key: { status: 1, createdAt: -1, _id: -1 }, partialFilterExpression: exists("createdAt") },
    { name: "by_flow", key: { flow: 1, createdAt: -1, _id: -1 }, partialFilterExpression: exists("createdAt") },
    {
      name: "by_metadata",
      key: { "meta.k": 1, "meta.v": 1, createdAt: -1 },
      partialFilterExpression: exists("createdAt"),
    },
    { name: "by_caller", key: { "caller.run": 1, createdAt: -1 }, partialFilterExpression: exists("caller.run") },
    { name: "ended", key: { endedAt: 1, _id: 1 }, partialFilterExpression: exists("endedAt") },
    { name: "todo", key: { todo: 1 }, partialFilterExpression: exists("todo") },
    { name: "graves", key: { grave: 1 }, partialFilterExpression: exists("grave") },
  ],
  events: [{ name: "story", key: { story: 1, n: 1 } }],
  received: [{ name: "story", key: { story: 1 } }],
  references: [
    { name: "story", key: { story: 1 } },
    { name: "hash", key: { hash: 1 } },
    { name: "tag", key: { tag: 1 } },
  ],
  queues: [{ name: "granting", key: { "grants.token": 1 }, partialFilterExpression: exists("grants") }],
};

const OF_ITEMS: Indexes = {
  items: [{ name: "expiring", key: { expiresAt: 1 }, partialFilterExpression: exists("expiresAt") }],
  quota_accounts: [{ name: "touched", key: { updatedAt: 1 } }],
  quota_holds: [
    { name: "life", key: { life: 1 } },
    { name: "graves", key: { grave: 1 }, partialFilterExpression: exists("grave") },
  ],
};

async function createIndexes({ in: collections }: Base, all: Indexes): Promise<void> {
  for (const [name, indexes] of Object.entries(all)) {
    await collections[name as keyof Collections].createIndexes(indexes);
  }
}

/** In order; a released one is never changed. */
const MIGRATIONS: readonly (Migration & { readonly apply: (base: Base) => Promise<void> })[] = [
  {
    version: 1,
    title: "runs, their history and their queue",
    apply: (base) => createIndexes(base, OF_RUNS),
  },
  {
    version: 2,
    title: "items and the quota ledger",
    apply: (base) => createIndexes(base, OF_ITEMS),
  },
];
export const SCHEMA_VERSION: number = MIGRATIONS.length;

interface SchemaDocument {
  readonly _id: string;
  readonly program: string;
  readonly version: number;
}

/** The version of the schema; undefined = there is none. Throws for what is not ours, or newer than this code. */
async function versionOf(base: Base): Promise<number | undefined> {
  const [found] = (await base.in.schema.find({ _id: "schema" }).toArray()) as readonly SchemaDocument[];
  if (found === undefined) return undefined;
  if (found.program !== OURS) {
    throw new FlujoError("STORE_FOREIGN", `${base.where} belongs to another program (${String(found.program)})`);
  }
  if (found.version > SCHEMA_VERSION) {
    const newest = `this flujo knows up to ${SCHEMA_VERSION}`;
    throw new FlujoError("STORE_TOO_NEW", `${base.where} has schema version ${found.version}; ${newest}`);
  }
  return found.version;
}

/** Collections of our names without our mark are somebody else's. The mark comes first, so it is asked for last. */
async function refuseForeign(base: Base, db: MongoDatabase, prefix: string): Promise<void> {
  const found = (await db.listCollections({}, { nameOnly: true }).toArray()) as readonly { readonly name: string }[];
  const taken = NAMES.map((name) => prefix + name).filter((name) => found.some((one) => one.name === name));
  if (taken.length > 0 && (await versionOf(base)) === undefined) {
    throw new FlujoError("STORE_FOREIGN", `${base.where} has collections of another program: ${taken.join(", ")}`);
  }
}

/** Creating an index that exists is no change, so several processes may migrate at once; one of them says that it did. */
export async function migrate(
  base: Base,
  place: { readonly db: MongoDatabase; readonly prefix: string },
  { dryRun = false, to }: MigrateOptions,
): Promise<MigrationReport> {
  const marked = await versionOf(base);
  const from = marked ?? 0;
  const version = versionToReach({ ...(to !== undefined && { to }) }, { from, newest: SCHEMA_VERSION });
  const missing = MIGRATIONS.filter((step) => step.version > from && step.version <= version);
  const steps: Migration[] = [];
  if (!dryRun && missing.length > 0 && marked === undefined) {
    await refuseForeign(base, place.db, place.prefix);
    await mark(base, 0);
  }
  for (const { version: number, title, apply } of missing) {
    if (!dryRun) await apply(base);
    if (dryRun || (await mark(base, number))) steps.push({ version: number, title });
  }
  return { from: steps.length > 0 ? from : version, to: version, steps };
}

/** The mark says whose the collections are, before there are any. False = another process was there before. */
async function mark(base: Base, version: number): Promise<boolean> {
  const older = { _id: "schema", version: { $lt: version } };
  try {
    await base.in.schema.updateOne(older, { $set: { program: OURS, version } }, { upsert: true });
    return true;
  } catch (error) {
    if (!isDuplicate(error)) throw error;
    return false;
  }
}
