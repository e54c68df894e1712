import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Address } from "../setup/addresses.ts";
import { askPostgres, ownPostgres } from "../setup/own-postgres.ts";
import { askRedis, ownRedis } from "../setup/own-redis.ts";
import { TcpProxy } from "../setup/tcp-proxy.ts";

export const STORE_NAMES = ["sqlite", "postgres", "redis"] as const;
export type ChaosStore = (typeof STORE_NAMES)[number];

/** A server that can be treated badly. */
export interface Victim {
  /** Stops it hard. */
  down(): Promise<void>;
  up(): Promise<void>;
  /** Cuts the connections of everybody else. */
  cut(): Promise<void>;
  /** In front of it; workers know it only. */
  readonly proxy: TcpProxy;
}

/** Where one experiment takes place: a store of its own, and a ledger outside of it. */
export interface Site extends AsyncDisposable {
  readonly store: ChaosStore;
  /** As seen by the one who examines. */
  readonly address: Address;
  /** As seen by workers: through the weather. */
  readonly exposed: Address;
  readonly ledger: string;
  readonly transactions: boolean;
  /** Without one there is nothing between a process and its store but the file. */
  readonly victim?: Victim;
}

export async function openSite(store: ChaosStore): Promise<Site> {
  const folder = mkdtempSync(join(tmpdir(), "flujo-chaos-"));
  const clear = (): void => rmSync(folder, { recursive: true, force: true });
  try {
    const around = { ledger: folder, clear };
    if (store === "postgres") return await postgresSite(around);
    if (store === "redis") return await redisSite(around);
    const address: Address = { kind: "sqlite", path: join(folder, "flujo.db") };
    const dispose = async (): Promise<void> => clear();
    return { store, address, exposed: address, ledger: folder, transactions: true, [Symbol.asyncDispose]: dispose };
  } catch (error) {
    clear();
    throw error;
  }
}

interface Around {
  readonly ledger: string;
  readonly clear: () => void;
}

async function postgresSite({ ledger, clear }: Around): Promise<Site> {
  const server = await ownPostgres();
  const proxy = await TcpProxy.before(server);
  const through = server.url.replace(`:${server.port}/`, `:${proxy.port}/`);
  const at = (url: string): Address => ({ kind: "postgres", url, schema: "chaos" });
  const cut =
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname IS NOT NULL";
  return {
    store: "postgres",
    address: at(server.url),
    exposed: at(through),
    ledger,
    transactions: true,
    victim: {
      down: () => server.stopImmediately(),
      up: () => server.start(),
      cut: async () => void (await askPostgres(server.url, cut)),
      proxy,
    },
    [Symbol.asyncDispose]: async () => {
      await proxy[Symbol.asyncDispose]();
      await server[Symbol.asyncDispose]();
      clear();
    },
  };
}

async function redisSite({ ledger, clear }: Around): Promise<Site> {
  // Each commit is synced before it is acknowledged, so that what kill -9 may take away is nothing.
  const server = await ownRedis({ appendonly: "always" });
  const proxy = await TcpProxy.before(server);
  const at = (url: string): Address => ({ kind: "redis", url, prefix: "chaos" });
  return {
    store: "redis",
    address: at(server.url),
    exposed: at(`redis://127.0.0.1:${proxy.port}`),
    ledger,
    transactions: false,
    victim: {
      down: () => server.kill(),
      up: () => server.start(),
      cut: async () => {
        for (const type of ["normal", "pubsub"])
          await askRedis(server.url, "CLIENT", "KILL", "TYPE", type, "SKIPME", "yes");
      },
      proxy,
    },
    [Symbol.asyncDispose]: async () => {
      await proxy[Symbol.asyncDispose]();
      await server[Symbol.asyncDispose]();
      clear();
    },
  };
}
