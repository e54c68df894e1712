import { FlujoError } from "../../domain/errors.ts";
import { Ear } from "./ear.ts";

/** What the store needs of a connection, whatever the driver. Commands and answers are texts and lists of them. */
export interface RedisConnection {
  /** Sends one command. In a cluster `key` says to which node. */
  send(key: string, command: string, ...args: readonly string[]): Promise<unknown>;
  /** Asks each server that keys may live on: all masters of a cluster. */
  askAll(command: string, ...args: readonly string[]): Promise<readonly unknown[]>;
  /** Hears a channel, on a connection of its own that all channels share. Resolves to the way out. */
  hear(channel: string, heard: (text: string) => void): Promise<() => Promise<void>>;
}

/** A client of ioredis for one server (`Redis`), by shape. */
export interface IoredisClient {
  call(command: string, ...args: string[]): Promise<unknown>;
  duplicate(): IoredisSubscriber;
}

/** A client of ioredis for a cluster (`Cluster`), by shape. It keeps a connection for channels beside those to its nodes. */
export interface IoredisCluster {
  call(command: string, ...args: string[]): Promise<unknown>;
  nodes(role: "master"): readonly Pick<IoredisClient, "call">[];
  subscribe(channel: string): Promise<unknown>;
  unsubscribe(channel: string): Promise<unknown>;
  on(event: "message", heard: (channel: string, text: string) => void): unknown;
  off(event: "message", heard: (channel: string, text: string) => void): unknown;
}

export interface IoredisSubscriber {
  subscribe(channel: string): Promise<unknown>;
  unsubscribe(channel: string): Promise<unknown>;
  on(event: "message", heard: (channel: string, text: string) => void): unknown;
  on(event: "error", heard: (error: Error) => void): unknown;
  on(event: "ready", heard: () => void): unknown;
  disconnect(): void;
}

/** A connected client of node-redis, by shape. */
export interface NodeRedisClient {
  sendCommand(args: readonly string[]): Promise<unknown>;
  duplicate(): NodeRedisSubscriber;
}

/** A connected cluster of node-redis, by shape. */
export interface NodeRedisCluster {
  readonly masters: readonly unknown[];
  nodeClient(master: unknown): Pick<NodeRedisClient, "sendCommand"> | Promise<Pick<NodeRedisClient, "sendCommand">>;
  sendCommand(firstKey: string, isReadonly: boolean, args: readonly string[]): Promise<unknown>;
  duplicate(): NodeRedisSubscriber;
}

export interface NodeRedisSubscriber {
  connect(): Promise<unknown>;
  subscribe(channel: string, heard: (text: string) => void): Promise<unknown>;
  unsubscribe(channel: string): Promise<unknown>;
  on(event: "error", heard: (error: Error) => void): unknown;
  destroy(): void;
}

export type RedisClient = IoredisClient | IoredisCluster | NodeRedisClient | NodeRedisCluster;

/** Partitions that share a client share its connection for channels, too. */
const connections = new WeakMap<object, RedisConnection>();

/** Any supported client as a connection. Throws OPTION_INVALID for anything else. */
export function connectionOf(client: RedisClient): RedisConnection {
  const known = connections.get(client);
  if (known !== undefined) return known;
  const connection = newConnection(client);
  connections.set(client, connection);
  return connection;
}

function newConnection(client: RedisClient): RedisConnection {
  if (isIoredis(client)) {
    const { askAll, open } = isIoredisCluster(client) ? manyOfIoredis(client) : oneOfIoredis(client);
    return { send: (_key, command, ...args) => client.call(command, ...args), askAll, ...hearing(open) };
  }
  if (isNodeRedis(client)) {
    const { send, askAll } = isNodeRedisCluster(client) ? manyOfNodeRedis(client) : oneOfNodeRedis(client);
    return { send, askAll, ...hearing(async () => subscriberOfNodeRedis(client.duplicate())) };
  }
  throw new FlujoError("OPTION_INVALID", "client: expected a client of ioredis or node-redis but found something else");
}

const isIoredis = (client: RedisClient): client is IoredisClient | IoredisCluster =>
  "call" in client && typeof client.call === "function";

const isIoredisCluster = (client: IoredisClient | IoredisCluster): client is IoredisCluster =>
  "nodes" in client && typeof client.nodes === "function";

const isNodeRedis = (client: RedisClient): client is NodeRedisClient | NodeRedisCluster =>
  "sendCommand" in client && typeof client.sendCommand === "function";

const isNodeRedisCluster = (client: NodeRedisClient | NodeRedisCluster): client is NodeRedisCluster =>
  "masters" in client;

interface Ways extends Pick<RedisConnection, "askAll"> {
  readonly open: () => Promise<Subscriber>;
}

const oneOfIoredis = (client: IoredisClient): Ways => ({
  askAll: async (command, ...args) => [await client.call(command, ...args)],
  open: () => subscriberOfIoredis(client.duplicate()),
});

const manyOfIoredis = (client: IoredisCluster): Ways => ({
  askAll: (command, ...args) => Promise.all(client.nodes("master").map(async (node) => node.call(command, ...args))),
  open: async () => subscriberOfIoredisCluster(client),
});

const oneOfNodeRedis = (client: NodeRedisClient): Pick<RedisConnection, "send" | "askAll"> => ({
  send: async (_key, command, ...args) => flat(await client.sendCommand([command, ...args])),
  askAll: async (command, ...args) => [flat(await client.sendCommand([command, ...args]))],
});

const manyOfNodeRedis = (client: NodeRedisCluster): Pick<RedisConnection, "send" | "askAll"> => ({
  send: async (key, command, ...args) => flat(await client.sendCommand(key, false, [command, ...args])),
  askAll: (command, ...args) =>
    Promise.all(
      client.masters.map(async (master) =>
        flat(await (await client.nodeClient(master)).sendCommand([command, ...args])),
      ),
    ),
});

/** RESP3, which node-redis 6 speaks unless told otherwise, answers hashes as records. Everywhere else they are lists of pairs. */
function flat(answer: unknown): unknown {
  if (typeof answer !== "object" || answer === null || Array.isArray(answer)) return answer;
  return Object.entries(answer).flat();
}

/** A connection that can do nothing but hear. */
export interface Subscriber {
  subscribe(channel: string, heard: (text: string) => void): Promise<unknown>;
  unsubscribe(channel: string): Promise<unknown>;
  end(): void;
}

function hearing(open: () => Promise<Subscriber>): Pick<RedisConnection, "hear"> {
  const ear = new Ear(open);
  return { hear: (channel, heard) => ear.hear(channel, heard) };
}

async function subscriberOfIoredis(client: IoredisSubscriber): Promise<Subscriber> {
  const channels = new Map<string, (text: string) => void>();
  client.on("error", () => undefined); // it connects again by itself; until then polling finds what it misses
  client.on("message", (channel, text) => channels.get(channel)?.(text));
  // The driver subscribes again by itself and drops the promise: a connection lost at that moment ended the process with an
  // unhandled rejection, or else left it deaf, since the driver forgets channels whose subscription was not answered.
  const subscribe = client.subscribe.bind(client);
  client.subscribe = (channel) => {
    const subscribed = subscribe(channel);
    subscribed.catch(() => undefined);
    return subscribed;
  };
  client.on("ready", () => {
    for (const channel of channels.keys()) void client.subscribe(channel);
  });
  return {
    subscribe: async (channel, heard) => {
      channels.set(channel, heard);
      await client.subscribe(channel);
    },
    unsubscribe: (channel) => {
      channels.delete(channel);
      return client.unsubscribe(channel);
    },
    end: () => client.disconnect(),
  };
}

/** The cluster's own connection for channels: it moves to another node, with all channels, when its node goes away. */
function subscriberOfIoredisCluster(client: IoredisCluster): Subscriber {
  const channels = new Map<string, (text: string) => void>();
  const tell = (channel: string, text: string): void => channels.get(channel)?.(text);
  client.on("message", tell);
  return {
    subscribe: async (channel, heard) => {
      channels.set(channel, heard);
      await client.subscribe(channel);
    },
    unsubscribe: (channel) => {
      channels.delete(channel);
      return client.unsubscribe(channel);
    },
    end: () => {
      client.off("message", tell);
      // Refused when its owner has closed the client before: nothing is heard then either.
      for (const channel of channels.keys()) client.unsubscribe(channel).catch(() => undefined);
    },
  };
}

async function subscriberOfNodeRedis(client: NodeRedisSubscriber): Promise<Subscriber> {
  client.on("error", () => undefined); // as above
  await client.connect();
  const channels = new Set<string>(); // it adds a listener with each call
  return {
    subscribe: async (channel, heard) => {
      if (channels.has(channel)) return;
      channels.add(channel);
      await client.subscribe(channel, heard);
    },
    unsubscribe: (channel) => {
      channels.delete(channel);
      return client.unsubscribe(channel);
    },
    end: () => client.destroy(),
  };
}
