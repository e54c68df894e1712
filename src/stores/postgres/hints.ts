import { randomUUID } from "node:crypto";
import type { RunId } from "../../domain/ids.ts";
import type { WakeHint } from "../../ports/store.ts";
import type { Database } from "./database.ts";
import { Listener } from "./listener.ts";

/** The first news goes out with the next turn of the event loop, what comes within this time after it goes together: 100 notifications a second at most. */
const GATHER_MS = 10;
/** A payload holds 8,000 bytes, a run id 128. */
const RUNS_PER_MESSAGE = 50;
/** Who waits for one run of more than this many that ended within 10 ms finds it by polling. */
const RUNS_PER_ROUND = 1_000;

interface News {
  readonly from: string;
  readonly ready: boolean;
  readonly runs: readonly RunId[];
}

/**
 * Who waits for news of this store. Listeners of this process are told directly; other processes by NOTIFY, gathered, and outside
 * of the transactions that made the news: inside them it serializes commits (21,400 → 5,700 a second). Best effort: polling is
 * the safety net.
 */
export class Hints {
  readonly #db: Database;
  readonly #me: string = randomUUID();
  readonly #listeners = new Set<(hint: WakeHint) => void>();
  #listener: Listener | undefined;
  #ready = false;
  #runs = new Set<RunId>();
  #turn: NodeJS.Immediate | undefined;
  #timer: NodeJS.Timeout | undefined;
  #sending: Promise<void> | undefined;

  constructor(db: Database) {
    this.#db = db;
  }

  subscribe(wake: (hint: WakeHint) => void): () => void {
    const listener = (hint: WakeHint): void => wake(hint);
    this.#listeners.add(listener);
    if (!this.#db.flags.noListen) this.#listener ??= new Listener(this.#db, (payload) => this.#heard(payload));
    return () => {
      this.#listeners.delete(listener);
      if (this.#listeners.size > 0) return;
      void this.#listener?.stop();
      this.#listener = undefined;
    };
  }

  /** Resolves once others can hear of it, too. */
  async listening(): Promise<void> {
    await this.#listener?.listening();
  }

  tell(hint: WakeHint): void {
    if (!hint.ready && hint.runs.length === 0) return;
    for (const listener of this.#listeners) listener(hint);
    if (this.#db.flags.noListen) return;
    this.#ready ||= hint.ready;
    for (const run of hint.runs) if (this.#runs.size < RUNS_PER_ROUND) this.#runs.add(run);
    if (this.#turn !== undefined || this.#timer !== undefined || this.#sending !== undefined) return;
    // Not within this turn: whoever waits here for what has just been answered would wait for our writing to others, too.
    this.#turn = setImmediate(() => this.#send());
  }

  async close(): Promise<void> {
    if (this.#turn !== undefined) {
      clearImmediate(this.#turn);
      this.#send();
    }
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#listeners.clear();
    await Promise.all([this.#listener?.stop(), this.#sending]);
  }

  #send(): void {
    this.#turn = undefined;
    const runs = [...this.#runs];
    const ready = this.#ready;
    this.#ready = false;
    this.#runs = new Set();
    const messages: News[] = [{ from: this.#me, ready, runs: runs.slice(0, RUNS_PER_MESSAGE) }];
    for (let i = RUNS_PER_MESSAGE; i < runs.length; i += RUNS_PER_MESSAGE)
      messages.push({ from: this.#me, ready: false, runs: runs.slice(i, i + RUNS_PER_MESSAGE) });
    this.#sending = this.#db
      .query(NOTIFY, [this.#db.schema, messages.map((message) => JSON.stringify(message))])
      .then(
        () => undefined,
        () => undefined, // a hint that got lost costs its receiver one poll
      )
      .finally(() => {
        this.#sending = undefined;
        this.#timer = setTimeout(() => {
          this.#timer = undefined;
          if (this.#ready || this.#runs.size > 0) this.#send();
        }, GATHER_MS);
        this.#timer.unref();
      });
  }

  #heard(payload: string): void {
    let news: News;
    try {
      news = JSON.parse(payload) as News;
    } catch {
      return; // somebody else's notification on our channel
    }
    if (news.from === this.#me) return;
    for (const listener of this.#listeners) listener({ ready: news.ready === true, runs: news.runs });
  }
}

/** A hint need not survive a crash, so its transaction waits for no disk. */
const NOTIFY = `SELECT set_config('synchronous_commit', 'off', true), count(pg_notify($1, payload))
  FROM unnest($2::text[]) AS n (payload)`;
