import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { poll } from "./leash.ts";
import { ProxiedConnection, TcpProxy } from "./tcp-proxy.ts";

/** Answers each "a" with "A". */
let heard = "";
let server: Server;
let proxy: TcpProxy;
const clients: Client[] = [];

/** A client that remembers what it was told and how it ended. */
class Client {
  said = "";
  ended: string | undefined;
  readonly socket: Socket;

  constructor(port: number) {
    this.socket = connect({ host: "127.0.0.1", port, allowHalfOpen: true });
    this.socket.setEncoding("utf8");
    this.socket.on("data", (text: string) => (this.said += text));
    this.socket.on("end", () => (this.ended ??= "end"));
    this.socket.on("error", (error) => (this.ended ??= String((error as { code?: string }).code)));
    clients.push(this);
  }

  async ask(text: string): Promise<void> {
    const wanted = this.said.length + text.length;
    this.socket.write(text);
    await poll(
      () => `an answer to ${text} but found ${this.said} ${this.ended}`,
      () => this.said.length >= wanted,
    );
  }

  over(): Promise<void> {
    return poll(
      () => "the connection to end",
      () => this.ended !== undefined,
    );
  }
}

const hears = (text: string): Promise<void> =>
  poll(
    () => `the server to hear ${text} but it heard ${heard}`,
    () => heard === text,
  );

const client = async (): Promise<Client> => {
  const one = new Client(proxy.port);
  await once(one.socket, "connect");
  return one;
};

beforeEach(async () => {
  heard = "";
  server = createServer({ allowHalfOpen: true }, (socket) => {
    socket.on("error", () => undefined);
    socket.on("data", (data) => {
      heard += data.toString();
      socket.write(data.toString().toUpperCase());
    });
    socket.on("end", () => socket.end("bye"));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  proxy = await TcpProxy.before({ port: typeof address === "object" && address !== null ? address.port : 0 });
});

afterEach(async () => {
  for (const { socket } of clients.splice(0)) socket.destroy();
  await proxy[Symbol.asyncDispose]();
  await new Promise((resolve) => server.close(resolve));
});

describe("a proxy", () => {
  it("passes what both sides say, and their ends, half by half", async () => {
    const one = await client();
    await one.ask("abc");
    one.socket.end();
    await one.over();
    expect([one.said, one.ended]).toEqual(["ABCbye", "end"]);
    await poll(
      () => "the connection to be forgotten",
      () => proxy.connections.length === 0,
    );
  });

  it("delays, and keeps the order also when the delay ends", async () => {
    const one = await client();
    await one.ask("a");
    proxy.behave({ kind: "latency", ms: 60 });
    const began = performance.now();
    await one.ask("b");
    expect(performance.now() - began).toBeGreaterThan(110); // there and back
    one.socket.write("c");
    await poll(
      () => "the c to be under way",
      () => one.socket.writableLength === 0,
    );
    proxy.heal();
    await one.ask("d");
    await hears("abcd");
  });

  it("stalls without an end; who said something meanwhile is reset when it heals, others go on", async () => {
    const [asks, silent] = [await client(), await client()];
    await asks.ask("a");
    await silent.ask("b");
    proxy.behave({ kind: "stall" });
    asks.socket.write("lost");
    const late = await client(); // is accepted all the same
    late.socket.write("lost, too");
    await poll(
      () => "all that was said to be swallowed",
      () => proxy.swallowedBytes === "lost".length + "lost, too".length,
    );
    proxy.heal();
    await asks.over();
    await late.over();
    expect([asks.ended, late.ended]).toEqual(["ECONNRESET", "ECONNRESET"]);
    await silent.ask("c");
    await hears("abc");
  });

  it("resets what is open and what comes", async () => {
    const one = await client();
    await one.ask("a");
    proxy.behave({ kind: "reset" });
    await one.over();
    expect(one.ended).toBe("ECONNRESET");
    const two = new Client(proxy.port);
    await two.over();
    expect(two.ended).toBe("ECONNRESET");
    proxy.heal();
    await (await client()).ask("b");
  });

  it("refuses what comes and lets go on what is open", async () => {
    const one = await client();
    proxy.behave({ kind: "refuse" });
    const two = new Client(proxy.port);
    await two.over();
    expect(two.ended).toBe("ECONNRESET");
    await one.ask("a");
  });

  it("resets after so many bytes of answers", async () => {
    const one = await client();
    await one.ask("ab");
    proxy.behave({ kind: "reset-after", bytes: 3 });
    await one.ask("cd");
    one.socket.write("efg");
    await one.over();
    expect(["ABCDE", "ABCD"]).toContain(one.said);
    expect(["ECONNRESET", "end"]).toContain(one.ended); // libuv reads data and a reset that come together as an end
    await hears("abcdefg");
  });

  it("resets after a commit: the server has heard it, the client does not know", async () => {
    const one = await client();
    await one.ask("a");
    proxy.behave({ kind: "reset-after-commit" });
    one.socket.write("commit");
    await one.over();
    expect([one.said, one.ended, heard]).toEqual(["A", "ECONNRESET", "acommit"]);
  });

  it("lets one connection behave otherwise than the rest", async () => {
    const [one, two] = [await client(), await client()];
    await one.ask("a");
    await two.ask("b");
    proxy.connections[0]?.behave({ kind: "reset" });
    await one.over();
    await two.ask("c");
    expect(proxy.accepted).toBe(2);
  });

  it("lets go of a side that it resets while that side is being told the end", async () => {
    const { port } = server.address() as AddressInfo;
    const [toClient, toServer] = [1, 2].map(() => connect({ host: "127.0.0.1", port, allowHalfOpen: true }));
    if (toClient === undefined || toServer === undefined) throw new Error("expected two connections");
    await Promise.all([once(toClient, "connect"), once(toServer, "connect")]);
    const closed = Promise.all([once(toClient, "close"), once(toServer, "close")]);
    const connection = new ProxiedConnection(toClient, toServer, () => undefined);
    toServer.once("end", () => connection.reset()); // right after the proxy has begun to pass the end on
    toServer.end();
    await closed;
    expect([toClient.errored, toServer.errored]).toEqual([null, null]);
  });

  it("tells the client when there is no server", async () => {
    await new Promise((resolve) => server.close(resolve));
    const one = new Client(proxy.port);
    await one.over();
    expect(one.ended).toBe("ECONNRESET");
    server.listen(0, "127.0.0.1"); // for the end of the test
    await once(server, "listening");
  });
});
