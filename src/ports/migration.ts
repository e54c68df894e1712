import { FlujoError } from "../domain/errors.ts";

/** One step of a store's schema. */
export interface Migration {
  readonly version: number;
  readonly title: string;
  /** The statements, where the store has a language for them. */
  readonly sql?: string;
}

export interface MigrateOptions {
  /** Says what would be applied and applies nothing. */
  readonly dryRun?: boolean;
  /** Up to this version. Default: the newest that this code knows. Older than the schema is an error: nothing is ever undone. */
  readonly to?: number;
}

/** From which schema version to which; `steps` in order, empty when nothing was to be done. */
export interface MigrationReport {
  readonly from: number;
  readonly to: number;
  readonly steps: readonly Migration[];
}

/** The version to reach. Throws OPTION_INVALID when `to` is none that this code knows, or older than the schema. */
export function versionToReach(
  { to }: MigrateOptions,
  { from, newest }: { readonly from: number; readonly newest: number },
): number {
  const version = to ?? newest;
  if (Number.isInteger(version) && version >= from && version <= newest) return version;
  throw new FlujoError(
    "OPTION_INVALID",
    `to: expected a schema version from ${from} to ${newest} but found ${version}`,
  );
}
