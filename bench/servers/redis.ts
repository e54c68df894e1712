// A Redis server with its append-only file on; everything else is as shipped, but no snapshots beside it.
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { startDaemon } from "./daemon.ts";
import { type AppendFsync, type Server, freePort } from "./servers.ts";

const SHOWN = ["appendonly", "appendfsync", "save", "maxmemory-policy"];

export interface RedisOptions {
  readonly directory: string;
  readonly url: string | undefined;
  readonly appendFsync: AppendFsync;
}

/** Starts a server of our own on a free port, or takes the one at `url`. Throws when its log is not synced as asked. */
export async function startRedis({ directory, url, appendFsync }: RedisOptions): Promise<Server> {
  const server =
    url === undefined
      ? await startOwn(join(directory, `redis-${appendFsync}-${process.pid}`), appendFsync)
      : given(url);
  const settings = await settingsOf(server.url);
  if (settings["appendonly"] !== "yes" || settings["appendfsync"] !== appendFsync) {
    await server.stop();
    throw new Error(`this Redis does not run with appendonly yes and appendfsync ${appendFsync}`);
  }
  return { name: `Redis, AOF ${appendFsync} (${url === undefined ? "own" : "given"})`, ...server, settings };
}

const given = (url: string) => ({ url, stop: async () => {} });

async function startOwn(directory: string, appendFsync: AppendFsync): Promise<{ url: string; stop(): Promise<void> }> {
  mkdirSync(directory, { recursive: true });
  const port = await freePort();
  const url = `redis://127.0.0.1:${port}`;
  const stop = await startDaemon({
    command: "redis-server",
    arguments: [
      ...["--port", `${port}`, "--bind", "127.0.0.1", "--dir", directory],
      ...["--appendonly", "yes", "--appendfsync", appendFsync, "--save", ""],
    ],
    directory,
    stopSignal: "SIGTERM",
    probe: () => settingsOf(url).then(() => {}),
  });
  return { url, stop };
}

async function settingsOf(url: string): Promise<Record<string, string>> {
  const { Redis } = await import("ioredis");
  const client = new Redis(url, { lazyConnect: true, retryStrategy: () => null });
  client.on("error", () => {}); // told by the call that meets it
  try {
    await client.connect();
    const pairs = (await client.call("CONFIG", "GET", ...SHOWN)) as string[];
    const version = /redis_version:(\S+)/.exec(await client.info("server"))?.[1] ?? "unknown";
    const shown = Object.fromEntries(SHOWN.map((name) => [name, pairs[pairs.indexOf(name) + 1] || '""']));
    return { version, ...shown };
  } finally {
    client.disconnect();
  }
}
