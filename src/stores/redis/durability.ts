import { FlujoError } from "../../domain/errors.ts";
import type { RedisConnection } from "./client.ts";
import { saidBy } from "./errors.ts";
import { listIn, textIn } from "./rows.ts";

export interface Durability {
  /** Whether the server keeps what it has acknowledged: AOF is on. */
  readonly durable: boolean;
  /** What its owner should know, a sentence each. */
  readonly warnings: readonly string[];
}

const KEEPS_ALL = "noeviction";

/**
 * Asks the server, or all masters of a cluster, how it keeps what it is given. `INFO` says whether AOF is on, also where a managed server forbids CONFIG;
 * `appendfsync everysec` loses up to a second of acknowledged work when the machine dies, but none when the process does.
 */
export async function durabilityOf(connection: RedisConnection): Promise<Durability> {
  const warnings: string[] = [];
  const aof = await infoOf(connection);
  if (aof === undefined)
    warnings.push("it could not be checked whether the server keeps what it is given (INFO is forbidden)");
  if (aof === false) {
    warnings.push(
      "appendonly is off: acknowledged work since the last snapshot is lost when the server stops (set appendonly yes)",
    );
  }
  const policy = await policyOf(connection);
  if (policy === undefined) {
    warnings.push("maxmemory-policy could not be checked (CONFIG is forbidden): it must be noeviction");
  } else if (policy !== KEEPS_ALL) {
    warnings.push(
      `maxmemory-policy is ${policy}: the server would throw runs away when memory is short (set noeviction)`,
    );
  }
  return { durable: aof === true, warnings };
}

/** Throws STORE_NOT_DURABLE. */
export function requireDurability({ durable, warnings }: Durability, where: string): void {
  if (durable) return;
  throw new FlujoError(
    "STORE_NOT_DURABLE",
    `${where}: expected a server that keeps what it is given, but ${warnings[0] ?? "it does not"}`,
  );
}

/** Whether all of them have AOF on; undefined when one of them does not say. */
async function infoOf(connection: RedisConnection): Promise<boolean | undefined> {
  try {
    const answers = await connection.askAll("INFO", "persistence");
    const found = answers.map((text) => /^aof_enabled:(\d)/m.exec(textIn(text))?.[1]);
    return found.includes(undefined) ? undefined : found.every((enabled) => enabled === "1");
  } catch (error) {
    return onlyForbidden(error);
  }
}

/** The policy of all of them, or one that is not as it must be; undefined when one of them does not say. */
async function policyOf(connection: RedisConnection): Promise<string | undefined> {
  try {
    const answers = await connection.askAll("CONFIG", "GET", "maxmemory-policy");
    const found = answers.map((pair) => listIn(pair).map(textIn)[1]);
    return found.includes(undefined) ? undefined : (found.find((policy) => policy !== KEEPS_ALL) ?? KEEPS_ALL);
  } catch (error) {
    return onlyForbidden(error);
  }
}

/** Managed servers answer with an error; a connection that broke is another matter. */
function onlyForbidden(error: unknown): undefined {
  if (/^(NOPERM|ERR|DENIED)/.test(saidBy(error))) return undefined;
  throw error;
}
