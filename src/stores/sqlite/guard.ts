import type { GuardRequest, LeaseGuard } from "../../ports/queue.ts";
import { threadGuard } from "../../ports/thread-guard.ts";

const PROGRAM = `
let db, statement;
const renew = () => {
  const now = Date.now();
  if (statement === undefined) {
    const Database = require(driver);
    db = new Database(path);
    db.exec("PRAGMA busy_timeout = 1000; PRAGMA synchronous = NORMAL");
    statement = db.prepare("UPDATE workers SET lease_until = ? WHERE id = ? AND epoch = ?");
  }
  return statement.run(now + leaseMs, worker, epoch).changes > 0 ? now : 0;
};
const close = () => {
  if (db !== undefined) db.close();
};
`;

/**
 * Renews a lease in the file. The thread ends by itself, within the second that it waits for a locked file at most: one that is
 * terminated amid a statement that fails takes the whole process with it, because libsql cannot throw any more (SIGABRT).
 */
export const guardLease = (path: string, request: GuardRequest): LeaseGuard =>
  threadGuard({ driver: "libsql", program: PROGRAM, data: { path }, endsByItself: true }, request);
