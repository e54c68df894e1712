import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { Redis } from "ioredis";
import { freePort, type Leashed, onLeash, poll } from "./leash.ts";

/** The bus of a cluster listens this much above its node's port. */
const BUS_OFFSET = 10_000;
const LAST_PORT = 65_535;
const SLOTS = 16_384;
const NODES = 3;

export interface OwnRedisOptions {
  /** When the append-only file is synced. Default: there is none. */
  readonly appendonly?: "everysec" | "always";
}

/** A Redis of our own, to be killed and started again. */
export interface OwnRedis extends AsyncDisposable {
  readonly url: string;
  readonly port: number;
  /** SIGKILL. What it had not written to its append-only file is lost. */
  kill(): Promise<void>;
  /** Starts it again on the same port and data. */
  start(): Promise<void>;
}

export interface RedisCluster extends AsyncDisposable {
  readonly nodes: readonly OwnRedis[];
  /** Of the nodes. */
  readonly urls: readonly string[];
}

/** Whether `redis-server` is installed. */
export function hasRedisProgram(): boolean {
  return (process.env["PATH"] ?? "").split(delimiter).some((folder) => existsSync(join(folder, "redis-server")));
}

/** Starts a throw-away Redis with its data in a folder of its own. It is gone when its owner lets go of it. */
export function ownRedis(options: OwnRedisOptions = {}): Promise<OwnRedis> {
  return startRedis(appendonlyOf(options), freePort);
}

async function startRedis(settings: readonly string[], choosePort: () => Promise<number>): Promise<OwnRedis> {
  const folder = mkdtempSync(join(tmpdir(), "flujo-redis-"));
  const port = await choosePort();
  const url = `redis://127.0.0.1:${port}`;
  const command = ["redis-server", "--port", String(port), "--bind", "127.0.0.1", "--dir", folder, "--save", ""];
  let running: Leashed | undefined;
  const server: OwnRedis = {
    url,
    port,
    start: async () => {
      const one = await onLeash([...command, ...settings], { log: join(folder, "log"), signal: "KILL" });
      running = one;
      await poll(
        () => `Redis to answer on port ${port}\n${one.log()}`,
        () => answersPing(url),
      );
    },
    kill: async () => {
      await running?.letGo();
      running = undefined;
    },
    [Symbol.asyncDispose]: async () => {
      await server.kill();
      rmSync(folder, { recursive: true, force: true });
    },
  };
  try {
    await server.start();
    return server;
  } catch (error) {
    await server[Symbol.asyncDispose]();
    throw error;
  }
}

const appendonlyOf = ({ appendonly }: OwnRedisOptions): readonly string[] =>
  appendonly === undefined ? [] : ["--appendonly", "yes", "--appendfsync", appendonly];

/**
 * Three masters without replicas, all slots assigned, ready when this resolves (1 to 2 s here). While one is away the others go
 * on with their slots.
 */
export async function redisCluster(options: OwnRedisOptions = {}): Promise<RedisCluster> {
  const settings = [
    ...appendonlyOf(options),
    "--cluster-require-full-coverage",
    "no",
    "--cluster-enabled",
    "yes",
    "--cluster-config-file",
    "nodes.conf",
    "--cluster-node-timeout",
    "2000",
  ];
  const nodes: OwnRedis[] = [];
  const dispose = async (): Promise<void> => {
    await Promise.all(nodes.map((node) => node[Symbol.asyncDispose]()));
  };
  try {
    for (let i = 0; i < NODES; i++) nodes.push(await startRedis(settings, portWithBus));
    const [first] = nodes;
    for (const [i, node] of nodes.entries()) {
      const [from, to] = [Math.ceil((i * SLOTS) / NODES), Math.ceil(((i + 1) * SLOTS) / NODES) - 1];
      await askRedis(node.url, "CLUSTER", "ADDSLOTSRANGE", String(from), String(to));
      // Without an epoch of its own for each node, the three of them argue over it for a second.
      await askRedis(node.url, "CLUSTER", "SET-CONFIG-EPOCH", String(i + 1));
      if (first !== undefined && i > 0)
        await askRedis(node.url, "CLUSTER", "MEET", "127.0.0.1", String(first.port), String(first.port + BUS_OFFSET));
    }
    for (const { url } of nodes) {
      await poll(
        () => "the cluster to be ok",
        async () => {
          const info = String(await askRedis(url, "CLUSTER", "INFO"));
          return info.includes("cluster_state:ok") && info.includes(`cluster_known_nodes:${NODES}`);
        },
      );
    }
  } catch (error) {
    await dispose();
    throw error;
  }
  return { nodes, urls: nodes.map(({ url }) => url), [Symbol.asyncDispose]: dispose };
}

/** A free port whose neighbour for the bus is a port, too. */
async function portWithBus(): Promise<number> {
  for (;;) {
    const port = await freePort();
    if (port + BUS_OFFSET <= LAST_PORT) return port;
  }
}

/** Whether a Redis answers there. */
export async function answersPing(url: string): Promise<boolean> {
  try {
    return (await askRedis(url, "PING")) === "PONG";
  } catch {
    return false;
  }
}

/** Asks one question over a connection of its own. Rejects when nobody answers within a moment. */
export async function askRedis(url: string, command: string, ...words: readonly string[]): Promise<unknown> {
  const client = new Redis(url, { lazyConnect: true, connectTimeout: 2_000, retryStrategy: () => null });
  client.on("error", () => undefined); // the connection's failure rejects the question
  try {
    await client.connect();
    return await client.call(command, ...words);
  } finally {
    // Where it never connected, the driver would wait for 2 s for an end that has been.
    if (client.status !== "end" && client.status !== "close") client.disconnect();
  }
}
