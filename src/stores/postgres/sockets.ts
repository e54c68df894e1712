import { Socket } from "node:net";

/** How long a server may take to close a connection that was told goodbye. One that hears it takes a few milliseconds. */
const GOODBYE_MS = 500;

/**
 * The sockets of one pool. `end()` of `pg` says goodbye to idle connections, forgets them and is done: where nobody answers any
 * more (a half-open network, a server that hangs) they stayed open, six of six, and kept their process from ending.
 */
export class Sockets {
  readonly #open = new Set<Socket>();

  create(): Socket {
    const socket = new Socket();
    this.#open.add(socket);
    socket.once("close", () => this.#open.delete(socket));
    return socket;
  }

  /** Resolves when all of them are closed, by their server or by us. */
  async closed(): Promise<void> {
    const all = [...this.#open];
    const closings = all.map((socket) => new Promise((resolve) => socket.once("close", resolve)));
    const timer = setTimeout(() => {
      for (const socket of all) socket.destroy();
    }, GOODBYE_MS);
    await Promise.all(closings);
    clearTimeout(timer);
  }
}
