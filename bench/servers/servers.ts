// Throw-away servers for suite `stores`: started when first asked for, stopped at the end, so that the figures depend neither
// on what else a server on this machine has to do nor on how it was set up. A URL by option takes their place.
import { createServer } from "node:net";
import { startPostgres } from "./postgres.ts";
import { startRedis } from "./redis.ts";

export interface Server {
  readonly name: string;
  readonly url: string;
  /** What it says of itself, for the report. */
  readonly settings: Readonly<Record<string, string>>;
  stop(): Promise<void>;
}

/** How often Redis syncs its log of commands to disk. */
export type AppendFsync = "everysec" | "always";

export interface ServerOptions {
  /** Directory for their files, on a real disk. */
  readonly directory: string;
  /** Use these instead of servers of our own. */
  readonly postgresUrl?: string | undefined;
  readonly redisUrl?: string | undefined;
}

export interface Servers extends AsyncDisposable {
  postgres(): Promise<Server>;
  redis(appendFsync: AppendFsync): Promise<Server>;
  /** Those that were started or used, in the order they were asked for. */
  used(): Promise<readonly Server[]>;
}

export function openServers({ directory, postgresUrl, redisUrl }: ServerOptions): Servers {
  const used = new Map<string, Promise<Server>>();
  const once = (name: string, start: () => Promise<Server>): Promise<Server> => {
    const server = used.get(name) ?? start();
    used.set(name, server);
    return server;
  };
  return {
    postgres: () => once("postgres", () => startPostgres({ directory, url: postgresUrl })),
    redis: (appendFsync) => once(`redis ${appendFsync}`, () => startRedis({ directory, url: redisUrl, appendFsync })),
    used: async () => started(used.values()),
    [Symbol.asyncDispose]: async () => {
      for (const server of await started(used.values())) await server.stop();
    },
  };
}

/** One that never came up is reported by the measurement that asked for it. */
async function started(all: Iterable<Promise<Server>>): Promise<readonly Server[]> {
  const settled = await Promise.allSettled(all);
  return settled.flatMap((each) => (each.status === "fulfilled" ? [each.value] : []));
}

/** A port that nobody listens on now. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer().on("error", reject);
    probe.listen(0, "127.0.0.1", () => {
      const address = probe.address();
      probe.close(() => {
        if (address === null || typeof address === "string") reject(new Error("the system gave no port"));
        else resolve(address.port);
      });
    });
  });
}
