import { FlujoError } from "../../domain/errors.ts";
import { type Migration, type MigrateOptions, type MigrationReport, versionToReach } from "../../ports/migration.ts";
import type { Partition } from "./partition.ts";
import { listIn, numberIn } from "./rows.ts";

/** In order; a released one is never changed. Keys come into being with what they hold, so the first only says whose they are. */
const MIGRATIONS: readonly Migration[] = [
  { version: 1, title: "Keys of runs, fibers, queues and workers" },
  { version: 2, title: "Keys of items and of the quota ledger" },
];
export const SCHEMA_VERSION: number = MIGRATIONS.length;

const stepsBetween = (from: number, to: number): readonly Migration[] =>
  MIGRATIONS.filter(({ version }) => version > from && version <= to);

/** The script decides alone, so of several processes one does each step and the others find it done. */
export async function migrate(partition: Partition, options: MigrateOptions = {}): Promise<MigrationReport> {
  const before = await versionOf(partition);
  const to = versionToReach(options, { from: before, newest: SCHEMA_VERSION });
  if (options.dryRun === true) return { from: before, to, steps: stepsBetween(before, to) };
  const from = numberIn(await partition.run("migrate", String(to)));
  return { from, to: Math.max(from, to), steps: stepsBetween(from, to) };
}

/** Throws STORE_FOREIGN when the keys are not ours, STORE_TOO_NEW when they are those of a newer flujo. */
export async function versionOf(partition: Partition): Promise<number> {
  const [type, stored] = listIn(await partition.run("version"));
  if (type !== "hash" && type !== "none") {
    throw new FlujoError(
      "STORE_FOREIGN",
      `${partition.where}: expected ${partition.prefix}meta to be ours but found a ${String(type)}; choose another prefix`,
    );
  }
  if (type === "hash" && stored === null) {
    throw new FlujoError("STORE_FOREIGN", `${partition.where}: ${partition.prefix}meta names no schema version`);
  }
  const version = numberIn(stored ?? 0);
  if (version > SCHEMA_VERSION) {
    throw new FlujoError(
      "STORE_TOO_NEW",
      `${partition.where} has schema version ${version}; this flujo knows up to ${SCHEMA_VERSION}`,
    );
  }
  return version;
}
