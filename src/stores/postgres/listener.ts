import type { Database } from "./database.ts";
import type { PgClient, PgNotification } from "./driver.ts";

/**
 * A half-open connection says nothing, for ever. A question that is not answered in time shows it. It is asked after a minute in
 * which nothing was heard: polling covers for that long, and asked every 5 s it was a sixth of an idle worker's questions.
 */
const QUIET_MS = 60_000;
const ANSWER_MS = 5_000;
/** Closing does not wait for the answer of a server that has fallen silent: it took 32 s. One that is there needs a millisecond. */
const GOODBYE_MS = 500;
const RETRY_MS = [50, 200, 1_000, 5_000];

/** One connection that LISTENs, for as long as it is wanted: when it breaks another takes its place. */
export class Listener {
  readonly #db: Database;
  readonly #heard: (payload: string) => void;
  readonly #done: Promise<void>;
  #stopped = false;
  #interrupt: () => void = () => undefined;
  #first: () => void = () => undefined;
  readonly #ready: Promise<void>;

  constructor(db: Database, heard: (payload: string) => void) {
    this.#db = db;
    this.#heard = heard;
    this.#ready = new Promise((resolve) => {
      this.#first = resolve;
    });
    this.#done = this.#run();
  }

  /** Resolves once the first connection listens, or when there will be none. */
  async listening(): Promise<void> {
    await this.#ready;
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#interrupt();
    await this.#done;
  }

  async #run(): Promise<void> {
    for (let failures = 0; !this.#stopped; failures++) {
      const heardSomething = await this.#listen();
      if (heardSomething) failures = 0;
      if (!this.#stopped) await this.#wait(jittered(RETRY_MS[Math.min(failures, RETRY_MS.length - 1)] ?? ANSWER_MS));
    }
    this.#first();
  }

  /** Until the connection breaks, or nobody wants it any more. Answers whether it ever listened. */
  async #listen(): Promise<boolean> {
    let client: PgClient;
    try {
      client = await this.#db.connect();
    } catch {
      return false; // the server is away: the next try comes later
    }
    let broken = false;
    let heardAt = performance.now();
    const onError = (): void => {
      broken = true;
      this.#interrupt();
    };
    const onNotification = ({ payload }: PgNotification): void => {
      heardAt = performance.now();
      if (payload !== undefined) this.#heard(payload);
    };
    client.on("error", onError);
    client.on("notification", onNotification);
    let listened = false;
    try {
      await client.query({ text: `LISTEN "${this.#db.schema}"` });
      listened = true;
      this.#first();
      while (!this.#stopped && !broken) {
        await this.#wait(QUIET_MS - (performance.now() - heardAt));
        if (this.#stopped || broken || performance.now() - heardAt < QUIET_MS) continue;
        await answered(client, "SELECT 1", ANSWER_MS);
        heardAt = performance.now();
      }
      if (!broken) await answered(client, `UNLISTEN "${this.#db.schema}"`, GOODBYE_MS);
    } catch {
      broken = true; // whatever it was, the answer is a new connection
    } finally {
      client.removeListener("notification", onNotification);
      client.release(broken);
      client.removeListener("error", onError);
    }
    return listened;
  }

  #wait(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      timer.unref();
      this.#interrupt = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}

const jittered = (ms: number): number => ms * (0.5 + Math.random());

async function answered(client: PgClient, text: string, withinMs: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`the connection that listens does not answer "${text}"`)), withinMs);
    timer.unref();
  });
  try {
    await Promise.race([client.query({ text }), late]);
  } finally {
    clearTimeout(timer);
  }
}
