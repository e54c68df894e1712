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
  /** Batches that a process has under way at once: one where the store works in our own thread, two where a server does. */
  readonly inFlight: 1 | 2;
  /**
   * An event that becomes visible has a larger number than all events of its run that were visible before. Without it a reader
   * that follows a history has to look at its last events again.
   */
  readonly eventsInOrder: boolean;
  /** `transact` works: a step's writes and its completion commit together. */
  readonly transactions: boolean;
  /**
   * Whether `subscribe` hears, as a rule, of what other processes made ready: `push` = yes, so that looking for work that no
   * hint announced can be rare; `none` = only polling finds it.
   */
  readonly hints: "push" | "none";
  /** Queues can have rules. Without it `putQueueRules` throws QUEUE_RULES_UNSUPPORTED. */
  readonly queueRules: boolean;
}

export const MEMORY: Capabilities = {
  name: "memory",
  durable: false,
  shared: false,
  gather: "microtask",
  inFlight: 1,
  eventsInOrder: true,
  transactions: false,
  hints: "push",
  queueRules: true,
};
export const SQLITE: Capabilities = {
  ...MEMORY,
  name: "sqlite",
  durable: true,
  shared: true,
  gather: "turn",
  transactions: true,
};
/** Events take their numbers from a sequence, and transactions that overlap may end in the other order. */
export const POSTGRES: Capabilities = { ...SQLITE, name: "postgres", inFlight: 2, eventsInOrder: false };
/** Redis has no transaction that a step could take part in. */
export const REDIS: Capabilities = { ...SQLITE, name: "redis", inFlight: 2, transactions: false };
/** Transactions, and change streams for hints, would need a replica set, which the store does not ask for. */
export const MONGODB: Capabilities = { ...SQLITE, name: "mongodb", inFlight: 2, transactions: false, hints: "none" };
