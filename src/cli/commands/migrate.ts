import type { MigrationReport } from "../../ports/migration.ts";
import { openStore, withoutSecrets } from "../../runner/open-store.ts";
import { FlujoError } from "../../domain/errors.ts";
import type { Shell } from "../shell.ts";

export interface MigrateCommandOptions {
  readonly dryRun?: boolean;
  readonly targetVersion?: string;
}

/** `flujo migrate`: brings the store's schema up to date, or says what that would do. Nothing is ever undone. */
export async function migrateCommand(
  shell: Shell,
  { dryRun = false, targetVersion }: MigrateCommandOptions,
): Promise<number> {
  const to = targetVersion === undefined ? undefined : versionOf(targetVersion);
  const { uri } = await shell.store();
  const where = withoutSecrets(uri);
  const nowhere = dryRun && !(await shell.exists()); // looking creates no database
  const store = await shell.slowly(
    `opening ${where}`,
    openStore(nowhere ? "sqlite::memory:" : uri, { migrate: false }),
  );
  try {
    const options = { ...(dryRun && { dryRun }), ...(to !== undefined && { to }) };
    const report = await shell.slowly("migrating", store.migrate(options));
    shell.result({ store: where, dryRun, ...report }, () => reportText(shell, report, dryRun));
    return 0;
  } finally {
    await store.close();
  }
}

function versionOf(text: string): number {
  if (/^\d{1,6}$/.test(text)) return Number(text);
  throw new FlujoError("OPTION_INVALID", `--target-version: expected a whole number but found "${text}"`);
}

function reportText({ colors, verbose }: Shell, { from, to, steps }: MigrationReport, dryRun: boolean): string {
  if (steps.length === 0) return `the schema is at version ${from}: nothing to do`;
  const head = dryRun ? `would migrate from version ${from} to ${to}:` : `migrated from version ${from} to ${to}:`;
  const lines = steps.map(({ version, title, sql }) => {
    const statements = sql === undefined || !(dryRun || verbose) ? "" : `\n${colors.dim(sql.trim())}`;
    return `  ${version}  ${title}${statements}`;
  });
  return [head, ...lines].join("\n");
}
