import { FlujoError } from "../../domain/errors.ts";
import { connectionOf, type IoredisClient, type IoredisCluster, type RedisConnection } from "./client.ts";
import { saidBy } from "./errors.ts";

export interface Timeouts {
  readonly connectTimeoutMs: number;
  readonly commandTimeoutMs: number;
}

export interface ConnectOptions extends Timeouts {
  readonly url: string;
}

export interface Connected {
  readonly connection: RedisConnection;
  readonly disconnect: () => void;
}

/** Longest pause between two tries to connect again. */
const RECONNECT_MS = 1_000;

/** Half of the pause is chance: a hundred workers must not come back in step. */
export const pauseMs = (attempt: number): number =>
  Math.min(RECONNECT_MS, 25 * 2 ** Math.min(attempt, 10)) * (0.5 + Math.random() / 2);

/** How long a closing connection may linger: the server is told, and whatever it still answers interests nobody. */
const LINGER_MS = 20;

/** How long a connection may be silent before the kernel asks whether the other side is there: channels are silent for long. */
const KEEP_ALIVE_MS = 10_000;

/**
 * How the driver behaves when the connection breaks: a command whose answer is lost is rejected and never sent again behind our
 * back, since it may have been carried out. Whoever asked repeats it, and the fence makes that safe.
 */
export const driverOptions = ({ connectTimeoutMs, commandTimeoutMs }: Timeouts): object => ({
  connectTimeout: connectTimeoutMs,
  commandTimeout: commandTimeoutMs,
  // A half-open connection never ends by itself: after one command without an answer a new one is opened.
  socketTimeout: commandTimeoutMs,
  keepAlive: KEEP_ALIVE_MS,
  disconnectTimeout: LINGER_MS,
  autoResendUnfulfilledCommands: false,
  maxRetriesPerRequest: 0,
});

interface Driver extends IoredisClient {
  readonly status: string;
  connect(): Promise<void>;
  disconnect(): void;
  on(event: "error", heard: (error: Error) => void): unknown;
}

export interface ClusterNode {
  readonly host: string;
  readonly port: number;
}

export interface ClusterDriver extends IoredisCluster {
  readonly status: string;
  connect(): Promise<void>;
  disconnect(): void;
  on(event: "message", heard: (channel: string, text: string) => void): unknown;
  on(event: "error" | "node error", heard: (error: Error) => void): unknown;
}

/** Connects with ioredis, or says at once that nobody is there. Throws STORE_UNAVAILABLE and DEPENDENCY_MISSING. */
export async function connect(options: ConnectOptions): Promise<Connected> {
  const where = placeOf(options.url);
  const { Redis } = await loadIoredis();
  let isOpen = false;
  const client = new Redis(options.url, {
    ...driverOptions(options),
    lazyConnect: true,
    // A server that does not answer the first time is not waited for.
    retryStrategy: (attempt: number) => (isOpen ? pauseMs(attempt) : null),
  });
  let last: Error | undefined;
  client.on("error", (error) => {
    last = error; // each command that fails says so itself; the driver connects again
  });
  try {
    await client.connect();
    isOpen = true;
  } catch (error) {
    if (client.status !== "end") client.disconnect();
    const cause = last ?? error;
    throw new FlujoError("STORE_UNAVAILABLE", `cannot connect to ${where}: ${saidBy(cause)}`, { cause });
  }
  return { connection: connectionOf(client), disconnect: () => client.disconnect() };
}

/** The server of a URL, without name and password. Throws STORE_URI_INVALID. */
export function placeOf(url: string): string {
  let parsed: URL;
  try {
    parsed = new URL(url);
  } catch {
    throw new FlujoError("STORE_URI_INVALID", "expected redis://host:port/database but found something that is no URL");
  }
  const { protocol, hostname, port, pathname } = parsed;
  if (protocol !== "redis:" && protocol !== "rediss:") {
    throw new FlujoError("STORE_URI_INVALID", `expected redis:// or rediss:// but found ${protocol}//`);
  }
  if (!/^(\/\d*)?$/.test(pathname)) {
    throw new FlujoError(
      "STORE_URI_INVALID",
      `expected the number of a database after the host but found "${pathname}"`,
    );
  }
  return `${protocol}//${hostname}:${port === "" ? "6379" : port}${pathname}`;
}

/** Classes of the driver, by shape: its own types say less than what we ask for. */
interface Ioredis {
  readonly Redis: new (url: string, options: object) => Driver;
  readonly Cluster: new (nodes: readonly ClusterNode[], options: object) => ClusterDriver;
}

/** The only place that knows a driver by name. */
export async function loadIoredis(): Promise<Ioredis> {
  try {
    return (await import("ioredis")) as unknown as Ioredis;
  } catch (error) {
    throw new FlujoError("DEPENDENCY_MISSING", "the Redis store needs its driver: npm i ioredis", { cause: error });
  }
}
