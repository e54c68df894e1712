import type { GuardRequest, LeaseGuard } from "../../ports/queue.ts";
import { threadGuard } from "../../ports/thread-guard.ts";
import { SCRIPTS } from "./scripts.ts";

/** How the thread reaches the server: the arguments of the driver's constructor of that name. */
export interface GuardConnection {
  readonly kind: "Redis" | "Cluster";
  readonly to: unknown;
  readonly options: object;
  /** Of the partitions on which the worker has a lease. */
  readonly prefixes: readonly string[];
}

const PROGRAM = `
let client;
const renew = async () => {
  const now = Date.now();
  if (client === undefined) {
    client = new (require(driver)[kind])(to, options);
    client.on("error", () => undefined);
  }
  const one = (prefix) => client.call("EVAL", script, "1", prefix, "", worker, String(epoch), String(leaseMs));
  const renewed = await Promise.all(prefixes.map(one));
  return renewed.every((answer) => answer === 1) ? now : 0;
};
`;

/** Renews a lease on all its partitions. */
export const guardLease = ({ kind, to, options, prefixes }: GuardConnection, request: GuardRequest): LeaseGuard =>
  threadGuard(
    { driver: "ioredis", program: PROGRAM, data: { kind, to, options, prefixes, script: SCRIPTS.renew.text } },
    request,
  );

/** One thread for all partitions that a worker has a lease on: asked for by each of them, it stops with the last. */
export function sharedGuard(connection: GuardConnection): (request: GuardRequest) => LeaseGuard {
  const guards = new Map<string, { readonly guard: LeaseGuard; users: number }>();
  return (request) => {
    const key = `${request.worker}#${request.epoch}`;
    const known = guards.get(key) ?? { guard: guardLease(connection, request), users: 0 };
    guards.set(key, known);
    known.users += 1;
    let stopped = false;
    return {
      beaten: () => known.guard.beaten(),
      get renewedAt() {
        return known.guard.renewedAt;
      },
      stop: async () => {
        if (stopped) return;
        stopped = true;
        known.users -= 1;
        if (known.users > 0) return;
        guards.delete(key);
        await known.guard.stop();
      },
    };
  };
}
