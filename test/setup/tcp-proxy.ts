import { connect, createServer, type Server, type Socket } from "node:net";

/**
 * How a connection behaves:
 * - `pass`: as if there were no proxy;
 * - `latency`: each piece of data arrives that much later, in order;
 * - `stall`: half-open: accepts, and swallows whatever either side says, without an end;
 * - `reset`: is reset now; a new one is reset as soon as it is accepted;
 * - `refuse`: new ones are reset, those that are open go on;
 * - `reset-after`: is reset once the server has said that many bytes more;
 * - `reset-after-commit`: what the client says next reaches the server; instead of the answer comes a reset.
 */
export type Behaviour =
  | { readonly kind: "pass" }
  | { readonly kind: "latency"; readonly ms: number }
  | { readonly kind: "stall" }
  | { readonly kind: "reset" }
  | { readonly kind: "refuse" }
  | { readonly kind: "reset-after"; readonly bytes: number }
  | { readonly kind: "reset-after-commit" };

const PASS: Behaviour = { kind: "pass" };

/** A loopback proxy in front of a server, whose weather a test decides. */
export class TcpProxy implements AsyncDisposable {
  readonly #target: { readonly host: string; readonly port: number };
  readonly #server: Server;
  readonly #connections = new Set<ProxiedConnection>();
  #behaviour: Behaviour = PASS;
  #accepted = 0;

  private constructor(target: { readonly host: string; readonly port: number }) {
    this.#target = target;
    this.#server = createServer({ allowHalfOpen: true }, (client) => this.#accept(client));
  }

  /** Listens on a free port of the loopback interface. */
  static async before(target: { readonly host?: string; readonly port: number }): Promise<TcpProxy> {
    const proxy = new TcpProxy({ host: "127.0.0.1", ...target });
    await new Promise<void>((resolve, reject) => {
      proxy.#server.once("error", reject);
      proxy.#server.listen(0, "127.0.0.1", resolve);
    });
    return proxy;
  }

  get port(): number {
    const address = this.#server.address();
    if (typeof address !== "object" || address === null) throw new Error("expected the proxy to listen");
    return address.port;
  }

  /** Open connections, oldest first: each can be told to behave on its own. */
  get connections(): readonly ProxiedConnection[] {
    return [...this.#connections];
  }

  /** How many connections it has ever accepted. */
  get accepted(): number {
    return this.#accepted;
  }

  /** What open connections were told and did not pass on. */
  get swallowedBytes(): number {
    return this.connections.reduce((sum, { swallowedBytes }) => sum + swallowedBytes, 0);
  }

  /** For all connections, open and to come. */
  behave(behaviour: Behaviour): void {
    this.#behaviour = behaviour;
    for (const connection of this.#connections) connection.behave(behaviour);
  }

  /** Ends the weather. Connections that swallowed something are reset: what is lost in one cannot be made good in it. */
  heal(): void {
    this.behave(PASS);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const connection of this.#connections) connection.reset();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #accept(client: Socket): void {
    this.#accepted += 1;
    const { kind } = this.#behaviour;
    if (kind === "reset" || kind === "refuse") {
      client.on("error", () => undefined);
      client.resetAndDestroy();
      return;
    }
    const server = connect({ ...this.#target, allowHalfOpen: true });
    const connection = new ProxiedConnection(client, server, () => this.#connections.delete(connection));
    this.#connections.add(connection);
    connection.behave(this.#behaviour);
  }
}

/** One connection through the proxy. */
export class ProxiedConnection {
  readonly #client: Socket;
  readonly #server: Socket;
  readonly #gone: () => void;
  readonly #timers = new Set<NodeJS.Timeout>();
  readonly #late: (() => void)[] = [];
  #behaviour: Behaviour = PASS;
  /** Bytes of the server that still pass, under `reset-after`. */
  #left = 0;
  /** Something, if only an end, was swallowed. */
  #torn = false;
  #swallowedBytes = 0;
  #over = false;

  constructor(client: Socket, server: Socket, gone: () => void) {
    this.#client = client;
    this.#server = server;
    this.#gone = gone;
    client.setNoDelay(true);
    server.setNoDelay(true);
    this.#join(client, server);
    this.#join(server, client);
  }

  get swallowedBytes(): number {
    return this.#swallowedBytes;
  }

  behave(behaviour: Behaviour): void {
    this.#behaviour = behaviour;
    if (behaviour.kind === "reset") return this.reset();
    if (behaviour.kind === "reset-after") this.#left = behaviour.bytes;
    if (behaviour.kind !== "stall" && this.#torn) this.reset();
  }

  /**
   * Both sides are told at once that the connection is broken. One that is just being told the end cannot be reset: libuv refuses
   * (EINVAL), and Node, which has let go of the handle by then, keeps the socket open for ever.
   */
  reset(): void {
    if (this.#over) return;
    this.#over = true;
    for (const timer of this.#timers) clearTimeout(timer);
    for (const side of [this.#client, this.#server]) {
      const ending = side.writableEnded && !side.writableFinished;
      if (side.connecting || ending) side.destroy();
      else side.resetAndDestroy();
    }
    this.#gone();
  }

  #join(from: Socket, to: Socket): void {
    from.on("error", () => this.reset());
    from.on("data", (data) => this.#said(from, to, data));
    from.on("end", () => this.#deliver(() => to.end()));
    from.on("close", () => {
      if (this.#client.destroyed && this.#server.destroyed) this.reset();
    });
  }

  #said(from: Socket, to: Socket, data: Buffer): void {
    if (this.#over) return;
    const { kind } = this.#behaviour;
    const answer = from === this.#server;
    if (kind === "stall") this.#swallowedBytes += data.length;
    if (kind === "reset-after-commit" && answer) this.reset();
    else if (kind === "reset-after" && answer) this.#sayRest(to, data);
    else this.#deliver(() => to.write(data));
  }

  #sayRest(to: Socket, data: Buffer): void {
    const passing = data.subarray(0, this.#left);
    this.#left -= passing.length;
    // The reset must not overtake the bytes before it.
    to.write(passing, () => {
      if (this.#left === 0) this.reset();
    });
  }

  /** Now, or later where there is latency. Whichever timer fires first delivers the oldest, so that pieces keep their order. */
  #deliver(act: () => void): void {
    const { kind } = this.#behaviour;
    if (kind === "stall") {
      this.#torn = true;
      return;
    }
    if (kind !== "latency" && this.#late.length === 0) return act();
    this.#late.push(act);
    const timer = setTimeout(
      () => {
        this.#timers.delete(timer);
        this.#late.shift()?.();
      },
      this.#behaviour.kind === "latency" ? this.#behaviour.ms : 0,
    );
    this.#timers.add(timer);
  }
}
