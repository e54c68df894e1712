import { FlujoError } from "../../domain/errors.ts";
import { connectionOf, type RedisConnection } from "./client.ts";
import { type ClusterNode, type Connected, driverOptions, loadIoredis, pauseMs, type Timeouts } from "./connect.ts";
import { saidBy } from "./errors.ts";

/** Where a cluster is: any of its nodes, which tell of the others. */
export interface ClusterPlace {
  readonly nodes: readonly ClusterNode[];
  /** Credentials and TLS, the same for all nodes. */
  readonly access: object;
  /** For messages: without name and password. */
  readonly where: string;
}

const SHAPE = "redis://[[user]:password@]host[:port][,host[:port]…]";

/** Reads the URL of a cluster. Throws STORE_URI_INVALID, without saying what else the URL holds. */
export function clusterPlaceOf(url: string): ClusterPlace {
  const [, scheme, credentials, hosts] = /^(rediss?:)\/\/(?:(.*)@)?([^/?#@]+)(?:\/0?)?$/s.exec(url) ?? [];
  if (scheme === undefined || hosts === undefined) {
    throw new FlujoError(
      "STORE_URI_INVALID",
      `expected ${SHAPE}, in which a cluster has no database but 0, found another URL`,
    );
  }
  const nodes = hosts.split(",").map(nodeIn);
  return {
    nodes,
    access: { ...(credentials !== undefined && accessIn(credentials)), ...(scheme === "rediss:" && { tls: {} }) },
    where: `${scheme}//${nodes.map(({ host, port }) => `${host}:${port}`).join(",")}`,
  };
}

function nodeIn(text: string): ClusterNode {
  const [, host, port = "6379"] = /^(\[[\da-fA-F:.]+\]|[^:\s]+)(?::(\d{1,5}))?$/.exec(text) ?? [];
  if (host !== undefined) return { host: host.replace(/^\[|\]$/g, ""), port: Number(port) };
  throw new FlujoError("STORE_URI_INVALID", `expected host:port but found ${JSON.stringify(text)}`);
}

function accessIn(credentials: string): object {
  const colon = credentials.indexOf(":");
  const [name, password] = [credentials.slice(0, Math.max(0, colon)), credentials.slice(colon + 1)];
  try {
    return { ...(name !== "" && { username: decodeURIComponent(name) }), password: decodeURIComponent(password) };
  } catch {
    throw new FlujoError("STORE_URI_INVALID", "expected a name and a password in percent-encoding but found a stray %");
  }
}

/**
 * What the driver does for a cluster besides (see `driverOptions`): commands that a node sent elsewhere (MOVED, ASK) or refused
 * unread (CLUSTERDOWN, TRYAGAIN) go out again, those whose node was lost do not. Without the driver's own check that the cluster
 * is well: when that failed, `connect` neither succeeded nor failed.
 */
export const clusterOptions = (access: object, timeouts: Timeouts): object => ({
  redisOptions: { ...driverOptions(timeouts), ...access },
  lazyConnect: true,
  enableReadyCheck: false,
  retryDelayOnFailover: 0,
  slotsRefreshTimeout: timeouts.connectTimeoutMs,
});

/** Connects to a cluster with ioredis, or says at once that nobody is there. Throws STORE_UNAVAILABLE and DEPENDENCY_MISSING. */
export async function connectCluster({ nodes, access, where }: ClusterPlace, timeouts: Timeouts): Promise<Connected> {
  const { Cluster } = await loadIoredis();
  let isOpen = false;
  const client = new Cluster(nodes, {
    ...clusterOptions(access, timeouts),
    clusterRetryStrategy: (attempt: number) => (isOpen ? pauseMs(attempt) : null),
  });
  let last: Error | undefined;
  client.on("error", () => undefined); // each command that fails says so itself; the driver connects again
  client.on("node error", (error) => {
    last = error;
  });
  try {
    await client.connect();
    isOpen = true;
  } catch (error) {
    if (client.status !== "end") client.disconnect();
    const cause = last ?? error;
    throw new FlujoError("STORE_UNAVAILABLE", `cannot connect to ${where}: ${saidBy(cause)}`, { cause });
  }
  const connection = connectionOf(client);
  const send: RedisConnection["send"] = async (key, command, ...args) => {
    // The driver would keep the command, for ever where no node comes back.
    if (client.status !== "ready") throw new Error("no node of the cluster can be reached");
    return connection.send(key, command, ...args);
  };
  return { connection: { ...connection, send }, disconnect: () => client.disconnect() };
}
