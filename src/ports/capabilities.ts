/** Differences between backends are data in one place; nobody else branches on the name of a store. */
export interface Capabilities {
  readonly name: string;
  /** A resolved commit survives kill -9 of the process. */
  readonly durable: boolean;
  /** Several processes may work on it at once. */
  readonly shared: boolean;
  /**
   * How long the committer gathers before it sends: `microtask` where a commit costs nothing to repeat (memory),
   * `turn` (one turn of the event loop) where each batch costs a sync to disk or a round trip.
   */
  readonly gather: "microtask" | "turn";
}

export const MEMORY: Capabilities = { name: "memory", durable: false, shared: false, gather: "microtask" };
export const SQLITE: Capabilities = { name: "sqlite", durable: true, shared: true, gather: "turn" };
