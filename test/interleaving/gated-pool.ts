import pg from "pg";

/*
 * A pool of one connection that stops in front of every commit, or of every statement, until it is told to go on. A statement
 * outside of a transaction is a transaction of its own, so it is wrapped into one. What an operation does between two of these
 * gates is what the database does at once, but for the rows it waits for.
 */

type Query = string | { readonly text: string; readonly values?: readonly unknown[]; readonly name?: string };

export class GatedPool {
  readonly client: pg.Client;
  #turn: Promise<unknown> = Promise.resolve();
  #inTransaction = false;
  #atGate: (() => void) | undefined;
  #stopped: (() => void) | undefined;
  #open = true;
  readonly #each: "commit" | "statement";

  constructor(url: string, each: "commit" | "statement") {
    this.#each = each;
    // A deadlock is a defect of the lock order; it should show at once. Nobody pulls a plug here, so nothing needs a sync.
    const options = "-c deadlock_timeout=100ms -c synchronous_commit=off";
    this.client = new pg.Client({ connectionString: url, options });
    this.client.on("error", () => undefined);
  }

  /** From now on every gate is closed. */
  close(): void {
    this.#open = false;
  }

  /** Lets everything pass, also what waits now. */
  openAll(): void {
    this.#open = true;
    this.passOne();
  }

  /** Opens the gate before which it waits, once. */
  passOne(): void {
    const go = this.#atGate;
    this.#atGate = undefined;
    go?.();
  }

  /** Whether it stands before a gate. */
  get waits(): boolean {
    return this.#atGate !== undefined;
  }

  /** Resolves when it stands before a gate. */
  stops(): Promise<void> {
    return this.waits ? Promise.resolve() : new Promise((resolve) => (this.#stopped = resolve));
  }

  async #gate(): Promise<void> {
    if (this.#open) return;
    const passed = new Promise<void>((resolve) => (this.#atGate = resolve));
    this.#stopped?.();
    this.#stopped = undefined;
    await passed;
  }

  async #exclusively<T>(work: () => Promise<T>): Promise<T> {
    const before = this.#turn;
    let done = (): void => undefined;
    this.#turn = new Promise<void>((resolve) => (done = resolve));
    await before;
    try {
      return await work();
    } finally {
      done();
    }
  }

  query(query: Query, values?: readonly unknown[]): Promise<pg.QueryResult> {
    return this.#exclusively(() => this.#run(query, values));
  }

  async #run(query: Query, values?: readonly unknown[]): Promise<pg.QueryResult> {
    const text = (typeof query === "string" ? query : query.text).trim().toUpperCase();
    if (/^(BEGIN|START TRANSACTION)/.test(text)) this.#inTransaction = true;
    const plain = /^(BEGIN|START TRANSACTION|ROLLBACK|SET|SHOW|SAVEPOINT|RELEASE)/.test(text);
    if (!plain && this.#inTransaction && (this.#each === "statement" || text.startsWith("COMMIT"))) await this.#gate();
    if (/^(COMMIT|ROLLBACK)$/.test(text)) this.#inTransaction = false;
    if (plain || this.#open || this.#inTransaction || text === "COMMIT") return this.#send(query, values);
    return this.#alone(query, values);
  }

  async #alone(query: Query, values?: readonly unknown[]): Promise<pg.QueryResult> {
    await this.client.query("BEGIN");
    try {
      const result = await this.#send(query, values);
      await this.#gate();
      await this.client.query("COMMIT");
      return result;
    } catch (error) {
      await this.client.query("ROLLBACK");
      throw error;
    }
  }

  #send(query: Query, values?: readonly unknown[]): Promise<pg.QueryResult> {
    return typeof query === "string"
      ? this.client.query(query, values as unknown[])
      : this.client.query(query as pg.QueryConfig);
  }

  /** The one connection, for a transaction of several statements. */
  async connect(): Promise<PooledSession> {
    const before = this.#turn;
    let done = (): void => undefined;
    this.#turn = new Promise<void>((resolve) => (done = resolve));
    await before;
    return {
      query: (query, values) => this.#run(query, values),
      release: () => done(),
      on: () => undefined,
      off: () => undefined,
      once: () => undefined,
      removeListener: () => undefined,
    };
  }

  on(): this {
    return this;
  }

  off(): this {
    return this;
  }

  end(): Promise<void> {
    return this.client.end();
  }
}

interface PooledSession {
  query(query: Query, values?: readonly unknown[]): Promise<pg.QueryResult>;
  release(): void;
  on(): void;
  off(): void;
  once(): void;
  removeListener(): void;
}
