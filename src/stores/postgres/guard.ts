import type { GuardRequest, LeaseGuard } from "../../ports/queue.ts";
import { threadGuard } from "../../ports/thread-guard.ts";

const PROGRAM = `
let client;
const forget = () => { client = undefined; };
const renew = async () => {
  try {
    if (client === undefined) {
      const { Client } = require(driver);
      const opened = new Client({ connectionString: url, connectionTimeoutMillis: connectTimeoutMs, query_timeout: connectTimeoutMs });
      opened.on("error", forget);
      await opened.connect();
      client = opened;
    }
    const asked = Date.now();
    const { rowCount } = await client.query(sql, [leaseMs, worker, epoch]);
    return rowCount > 0 ? asked : 0;
  } catch (error) {
    if (client !== undefined) client.end().catch(() => undefined);
    forget(); // the next try takes a new connection
    throw error;
  }
};
`;

export interface GuardConnection {
  readonly url: string;
  readonly schema: string;
  readonly connectTimeoutMs: number;
}

/** Renews a lease by the database's clock. */
export function guardLease({ url, schema, connectTimeoutMs }: GuardConnection, request: GuardRequest): LeaseGuard {
  const sql = `UPDATE "${schema}".workers
    SET lease_until = floor(extract(epoch FROM clock_timestamp()) * 1000)::float8 + $1::float8 WHERE id = $2 AND epoch = $3`;
  return threadGuard({ driver: "pg", program: PROGRAM, data: { url, connectTimeoutMs, sql } }, request);
}
