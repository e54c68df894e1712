/**
 * Keeps the values behind references: a folder, a bucket, a table of your own.
 *
 * Each saved value gets a key of its own, made of the reference's key and a hash of the value. So a key once answered means one
 * value for ever: what a crash, a failed attempt or a worker that lost its lease has saved is what nothing refers to, and a fork or
 * a retry of a run finds what was there at its time. Saving the same value again under the same key is normal and must succeed.
 * Nothing is removed here: when no run needs a value any more is known to its owner only. Source: Flujo, state providers.
 */
export interface StateProvider {
  /** What is kept under the key; undefined where there is nothing. `signal` aborts with the attempt. */
  load(key: string, options: StateOptions): Promise<unknown>;
  /**
   * Durable when it resolves. Whoever names values himself answers the key that `load` knows it by; it must be one that no other
   * value has, or gets later.
   */
  save(key: string, value: unknown, options: StateOptions): Promise<string | void>;
}

export interface StateOptions {
  readonly signal: AbortSignal;
}
