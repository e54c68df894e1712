import { createServer, type Server, type Socket } from "node:net";
import { COMMANDS } from "./commands.ts";
import { Database } from "./database.ts";
import { Refusal } from "./refusal.ts";
import { type Document, Framer, replyTo, type Request } from "./wire.ts";

/** What happens to one command: `drop-before` loses the question, `drop-after` the answer. */
export type Fate =
  | "pass"
  | "drop-before"
  | "drop-after"
  | { readonly refuse: Document }
  | { readonly delay: Promise<void> };

export interface Asked {
  readonly name: string;
  readonly command: Document;
}

/** Commands of the handshake and of the driver's housekeeping; no fault is injected into them. */
const HOUSEKEEPING = ["hello", "ismaster", "isMaster", "endSessions", "ping", "killCursors"];

/**
 * A server that speaks enough of MongoDB's wire protocol for the official driver. It keeps documents in memory and knows
 * only what the store uses: whatever else is asked is an error. It is no MongoDB: it proves the shape of commands and what
 * single-document atomicity gives, not MongoDB's planner, durability, replication or elections.
 */
export class MongoDouble implements AsyncDisposable {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #databases = new Map<string, Database>();
  readonly asked: string[] = [];
  #replies = 0;
  /** Decides about each command of the store. */
  intercept: (asked: Asked) => Fate = () => "pass";
  /** What hello says of the time. */
  localTime: () => Date = () => new Date();

  private constructor(server: Server) {
    this.#server = server;
    server.on("connection", (socket) => this.#serve(socket));
  }

  static async start(): Promise<MongoDouble> {
    const server = createServer();
    const double = new MongoDouble(server);
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen(0, "127.0.0.1", resolve);
    });
    return double;
  }

  get url(): string {
    const address = this.#server.address();
    if (address === null || typeof address === "string") throw new Error("the double does not listen");
    return `mongodb://127.0.0.1:${address.port}/?directConnection=true`;
  }

  database(name: string): Database {
    let database = this.#databases.get(name);
    if (database === undefined) this.#databases.set(name, (database = new Database(name)));
    return database;
  }

  /** Forgets a database without asking anybody. */
  forget(name: string): void {
    this.#databases.delete(name);
  }

  #serve(socket: Socket): void {
    this.#sockets.add(socket);
    socket.setNoDelay(true);
    const framer = new Framer();
    let turn: Promise<void> = Promise.resolve();
    socket.on("data", (chunk) => {
      for (const request of framer.push(chunk))
        turn = turn
          .then(() => this.#answer(socket, request))
          .catch(() => {
            socket.destroy();
          });
    });
    socket.on("error", () => socket.destroy());
    socket.on("close", () => this.#sockets.delete(socket));
  }

  async #answer(socket: Socket, request: Request): Promise<void> {
    const { command } = request;
    const [name = ""] = Object.keys(command);
    const fate = HOUSEKEEPING.includes(name) ? "pass" : this.#fateOf(name, command);
    if (typeof fate === "object" && "delay" in fate) await fate.delay;
    if (fate === "drop-before") {
      socket.destroy();
      return;
    }
    const answer = typeof fate === "object" && "refuse" in fate ? fate.refuse : this.#run(name, command);
    if (fate === "drop-after" || socket.destroyed) socket.destroy();
    else if (!request.silent) socket.write(replyTo(request, answer, ++this.#replies));
  }

  #fateOf(name: string, command: Document): Fate {
    this.asked.push(name);
    return this.intercept({ name, command });
  }

  #run(name: string, command: Document): Document {
    if (name === "hello" || name.toLowerCase() === "ismaster") return this.#hello();
    try {
      const run = COMMANDS[name];
      if (run === undefined) throw new Refusal(59, "CommandNotFound", `no such command: '${name}'`);
      return { ...run(this.database(String(command["$db"])), command), ok: 1 };
    } catch (error) {
      if (error instanceof Refusal) return error.answer;
      return {
        ok: 0,
        code: 8,
        codeName: "UnknownError",
        errmsg: error instanceof Error ? error.message : String(error),
      };
    }
  }

  #hello(): Document {
    return {
      helloOk: true,
      ismaster: true,
      isWritablePrimary: true,
      maxBsonObjectSize: 16 * 1024 * 1024,
      maxMessageSizeBytes: 48_000_000,
      maxWriteBatchSize: 100_000,
      localTime: this.localTime(),
      logicalSessionTimeoutMinutes: 30,
      connectionId: 1,
      minWireVersion: 0,
      maxWireVersion: 21,
      readOnly: false,
      ok: 1,
    };
  }

  /** Cuts all connections, as a server that goes away. */
  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.cut();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }
}
