import { describe, expect, it } from "vitest";
import { postgresStore, type PostgresStoreOptions } from "../../src/postgres.ts";
import { PostgresStore } from "../../src/stores/postgres/store.ts";
import { poll } from "../setup/leash.ts";
import { freshSchema, sharedServer, titled } from "../setup/servers.ts";
import { TcpProxy } from "../setup/tcp-proxy.ts";

const postgres = await sharedServer("postgres");

/** Open sockets of this process that are not the proxy's: each connection through it has two there. */
const socketsBeside = (proxy: TcpProxy): number =>
  process.getActiveResourcesInfo().filter((name) => name === "TCPSocketWrap").length - 2 * proxy.connections.length;

interface Behind extends AsyncDisposable {
  readonly proxy: TcpProxy;
  readonly store: PostgresStore;
  /** Resolves when the store has no socket any more. */
  noneLeft(): Promise<void>;
}

async function behindProxy(options: PostgresStoreOptions = {}): Promise<Behind> {
  const { url, schema, [Symbol.asyncDispose]: drop } = freshSchema(postgres);
  const at = new URL(url);
  const proxy = await TcpProxy.before({ host: at.hostname, port: Number(at.port || 5432) });
  const before = socketsBeside(proxy);
  at.host = `127.0.0.1:${proxy.port}`;
  const store = await postgresStore({ url: at.href, schema, ...options });
  if (!(store instanceof PostgresStore)) throw new Error("expected the store itself");
  return {
    proxy,
    store,
    noneLeft: () =>
      poll(
        () => `no socket of the store to be open, but found ${socketsBeside(proxy) - before}`,
        () => socketsBeside(proxy) === before,
        3_000,
      ),
    [Symbol.asyncDispose]: async () => {
      await proxy[Symbol.asyncDispose]();
      await drop();
    },
  };
}

describe.skipIf(!postgres.run)(titled("closing a store on Postgres", postgres), () => {
  it("leaves no socket open to a server that has fallen silent", async () => {
    await using behind = await behindProxy();
    const { proxy, store } = behind;
    await Promise.all([1, 2, 3].map(() => store.workers()));
    proxy.behave({ kind: "stall" });
    await store.close();
    await behind.noneLeft();
  });

  it("does not wait for a silent server to answer the connection that listens", async () => {
    await using behind = await behindProxy();
    const { proxy, store } = behind;
    store.subscribe(() => undefined);
    await store.listening();
    proxy.behave({ kind: "stall" });
    await store.close(); // an answer would be awaited for longer than this test may take
    await behind.noneLeft();
  }, 15_000);

  it("leaves no socket open whose connection was on its way", async () => {
    await using behind = await behindProxy({ connectTimeoutMs: 300 });
    const { proxy, store } = behind;
    proxy.behave({ kind: "stall" });
    proxy.connections[0]?.behave({ kind: "reset" }); // so that the question needs a new connection
    const asked = expect(store.workers()).rejects.toMatchObject({ code: "STORE_UNAVAILABLE" });
    await store.close();
    await asked;
    await behind.noneLeft();
  });
});
