/** How servers that speak the Postgres protocol differ, as data. Nobody else branches on the name of a profile. */
export interface Flags {
  /** LISTEN needs a session of its own, and a server that has it. Without it only polling finds what others made ready. */
  readonly noListen: boolean;
  /** Statements prepared under a name live in a session. */
  readonly noNamedStatements: boolean;
  /** Each program is sent statement by statement in one transaction, instead of as one call of a function. */
  readonly noFunctions: boolean;
  /** Claimers wait for each other's rows instead of passing over them. */
  readonly noSkipLocked: boolean;
  /** Advisory locks are accepted and lock nothing. */
  readonly noAdvisoryLocks: boolean;
  /** Storage parameters (`fillfactor`, autovacuum) are unknown. */
  readonly noStorageParameters: boolean;
  /** Transactions run SERIALIZABLE: what conflicts is refused (40001) and tried again. */
  readonly serializable: boolean;
}

const POSTGRES: Flags = {
  noListen: false,
  noNamedStatements: false,
  noFunctions: false,
  noSkipLocked: false,
  noAdvisoryLocks: false,
  noStorageParameters: false,
  serializable: false,
};

/** Proof of each: https://www.cockroachlabs.com/docs/stable/postgresql-compatibility, section "Unsupported features". */
const COCKROACH: Flags = {
  ...POSTGRES,
  noListen: true,
  noFunctions: true,
  noSkipLocked: true,
  noAdvisoryLocks: true,
  noStorageParameters: true,
  serializable: true,
};

export type Profile = "postgres" | "cockroach";
export const PROFILES: Readonly<Record<Profile, Flags>> = { postgres: POSTGRES, cockroach: COCKROACH };

/** Behind a transaction pooler (pgbouncer) nothing may outlive a transaction. */
export const behindPooler = (flags: Flags): Flags => ({ ...flags, noListen: true, noNamedStatements: true });
