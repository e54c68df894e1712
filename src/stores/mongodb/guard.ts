import type { GuardRequest, LeaseGuard } from "../../ports/queue.ts";
import { threadGuard } from "../../ports/thread-guard.ts";

const PROGRAM = `
let client;
const renew = async () => {
  if (client === undefined) {
    const { MongoClient } = require(driver);
    client = new MongoClient(url, { retryWrites: false, serverSelectionTimeoutMS: leaseMs, maxPoolSize: 1, appName: "flujo-guard" });
  }
  const workers = client.db(database).collection(collection);
  const until = Date.now() + offsetMs + leaseMs;
  const { matchedCount } = await workers.updateOne({ _id: worker, epoch }, { $set: { leaseUntil: until } });
  return matchedCount > 0 ? Date.now() : 0;
};
`;

export interface GuardedPlace {
  readonly url: string;
  readonly database: string;
  /** Of the workers. */
  readonly collection: string;
  /** What the server's clock is ahead of this machine's. */
  readonly offsetMs: number;
}

/** Renews a lease by the server's clock, as this machine knows it. */
export const guardLease = ({ url, database, collection, offsetMs }: GuardedPlace, request: GuardRequest): LeaseGuard =>
  threadGuard({ driver: "mongodb", program: PROGRAM, data: { url, database, collection, offsetMs } }, request);
