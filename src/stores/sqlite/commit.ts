import { FlujoError } from "../../domain/errors.ts";
import type { FiberKey } from "../../domain/ids.ts";
import { isHeld } from "../../ports/effects.ts";
import type { CommitOutcome, Lease, Position, Transition } from "../../ports/store.ts";
import type { Connection, SqlValue } from "./driver.ts";
import { applyEffects } from "./effects.ts";
import { isRowFault } from "./errors.ts";
import { type Encoded, encode } from "./encode.ts";
import { END_FIBER, PARK_FIBER, QUEUE_FIBER, updateFiber, UPSERT_ASIDE, UPSERT_CONTEXT } from "./fiber-sql.ts";
import { awaitNames, consumeMessage, mailboxHolds } from "./messages.ts";
import { numberOrNull, textOrNull } from "./rows.ts";
import { original, storable, storableOrNull } from "../../ports/stored-text.ts";
import { fitsTogether, type Ready, TOGETHER, writeTogether } from "./together.ts";
import type { Work } from "./work.ts";

/*
 * One batch is one SQLite transaction with one sync; each transition in it stands or falls alone.
 *
 * The common transition keeps its fiber: INSERT the event (its WHERE is the fence, and it links to the fiber's last event),
 * UPDATE the fiber. Everything is encoded before the first statement, so nothing can be half-written and no savepoint is
 * needed. Several of them in a row go together, ten rows per statement. All others run inside a savepoint.
 *
 * Not through json_each: over tables of the same shape one statement per batch cost 26 µs of CPU per transition and row by
 * row 26 µs too, since the JSON is built, parsed and unquoted a second time.
 */

const INSERT_EVENT_FENCED = `
  INSERT INTO events (seq, prev, run, fiber, worker, at, facts)
  SELECT ?, head, run, key, owner, ?, ? FROM fibers WHERE run = ? AND key = ? AND owner = ? AND epoch = ? AND seq = ?`;

const FENCE = "SELECT 1 AS yes FROM fibers WHERE run = ? AND key = ? AND owner = ? AND epoch = ? AND seq = ?";

const CANCELS_OF_OWNER =
  "SELECT run, key, cancel FROM fibers INDEXED BY fibers_cancelled WHERE owner = ? AND cancel IS NOT NULL";

type Committed = Extract<CommitOutcome, { readonly status: "committed" }>;

const COMMITTED: Committed = Object.freeze({ status: "committed", woken: false });
const LOST: CommitOutcome = Object.freeze({ status: "lost" });
const CONFLICT: CommitOutcome = Object.freeze({ status: "conflict" });

/** One call of `commit`. */
export class Batch {
  readonly #work: Work;
  readonly #db: Connection;
  /** Workers of which some fiber has an open cancel request: only their transitions look at the column. */
  readonly #cancelled = new Map<string, boolean>();
  readonly #outcomes: (CommitOutcome | undefined)[] = [];
  #group: Ready[] = [];
  readonly #grouped = new Set<string>();

  constructor(work: Work) {
    this.#work = work;
    this.#db = work.db;
  }

  commit(batch: readonly Transition[]): readonly CommitOutcome[] {
    for (const [index, transition] of batch.entries()) this.#accept(transition, index);
    this.#flush();
    return this.#outcomes.map((outcome, index) => outcome ?? missing(index));
  }

  #accept(transition: Transition, index: number): void {
    let encoded: Encoded;
    try {
      encoded = encode(transition);
    } catch (error) {
      this.#outcomes[index] = rejected(transition, error);
      return;
    }
    const simple = isHeld(transition);
    if (simple && fitsTogether(transition, encoded)) {
      this.#join({ index, transition, encoded });
      return;
    }
    this.#flush(); // whatever came before in the batch comes before in the store
    this.#outcomes[index] = simple ? this.#simple(transition, encoded) : this.#guarded(transition, encoded);
  }

  #join(ready: Ready): void {
    const { run, fiber } = ready.transition;
    const key = `${run}/${fiber}`;
    if (this.#grouped.has(key)) this.#flush();
    this.#grouped.add(key);
    this.#group.push(ready);
    if (this.#group.length === TOGETHER) this.#flush();
  }

  #flush(): void {
    const group = this.#group;
    if (group.length === 0) return;
    this.#group = [];
    this.#grouped.clear();
    const together = group.length === TOGETHER && writeTogether(this.#work, group);
    for (const { index, transition, encoded } of group) {
      this.#outcomes[index] = together ? this.#outcome(transition) : this.#simple(transition, encoded);
    }
  }

  #simple(t: Transition, encoded: Encoded): CommitOutcome {
    const event = encoded.facts === undefined ? undefined : this.#work.nextEvent();
    try {
      if (!this.#fence(t, encoded, event)) return LOST;
      this.#writeFiber(t, encoded, event);
      return this.#outcome(t);
    } catch (error) {
      if (!isRowFault(error)) throw error;
      if (event !== undefined) this.#db.run("DELETE FROM events WHERE seq = ?", event);
      return rejected(t, error);
    }
  }

  #guarded(t: Transition, encoded: Encoded): CommitOutcome {
    this.#db.run("SAVEPOINT transition");
    let outcome: CommitOutcome;
    try {
      outcome = this.#whole(t, encoded);
    } catch (error) {
      if (!isRowFault(error)) throw error;
      outcome = rejected(t, error);
    }
    if (outcome.status !== "committed") this.#db.run("ROLLBACK TO transition");
    this.#db.run("RELEASE transition");
    return outcome;
  }

  #whole(t: Transition, encoded: Encoded): CommitOutcome {
    const event = encoded.facts === undefined ? undefined : this.#work.nextEvent();
    if (!this.#fence(t, encoded, event)) return LOST;
    if (t.unless !== undefined && mailboxHolds(this.#db, t.run, t.unless.map(storable))) return CONFLICT;
    for (const seq of t.consume) if (!consumeMessage(this.#db, t.run, seq)) return CONFLICT;
    if (t.position.kind !== "held" || t.scheduling !== undefined)
      this.#work.noteLeaving(t.run, t.endRun === undefined ? t.fiber : undefined);
    this.#writeFiber(t, encoded, event);
    const refused = this.#isRefused(t);
    if (refused) this.#leave(t, encoded, { kind: "ready", at: this.#work.now });
    else if (t.position.kind !== "held") this.#leave(t, encoded, t.position);
    const children = applyEffects(this.#work, t);
    if (t.cancelFork !== undefined || t.cancelRuns.length > 0) this.#cancelled.clear();
    if (t.endRun !== undefined) return COMMITTED;
    if (!refused) return withQueued(this.#outcome(t), children);
    return withQueued(this.#readBack(t), [t.fiber, ...children]);
  }

  /** A held fiber that is to enter a governed queue: it must wait for a place there. */
  #isRefused({ position, scheduling }: Transition): boolean {
    return position.kind === "held" && scheduling !== undefined && this.#work.isGoverned(scheduling.queue);
  }

  /** I2. With an event the fence costs nothing: it is the WHERE of its INSERT. */
  #fence(
    { run, fiber, lease, expectedSeq, event: given }: Transition,
    { facts }: Encoded,
    event: number | undefined,
  ): boolean {
    if (event === undefined || given === undefined || facts === undefined) {
      return this.#db.get(FENCE, run, fiber, lease.worker, lease.epoch, expectedSeq) !== undefined;
    }
    return (
      this.#db.run(INSERT_EVENT_FENCED, event, given.at, facts, run, fiber, lease.worker, lease.epoch, expectedSeq) > 0
    );
  }

  #writeFiber(t: Transition, { state, value, context, aside, names, wait }: Encoded, event: number | undefined): void {
    const values: SqlValue[] = [state];
    if (value !== undefined) values.push(value);
    if (event !== undefined) values.push(event);
    if (names !== undefined) values.push(names, wait ?? null);
    if (t.scheduling !== undefined)
      values.push(storable(t.scheduling.queue), t.scheduling.priority, storableOrNull(t.scheduling.lane));
    const parts = {
      value: value !== undefined,
      event: event !== undefined,
      wait: names !== undefined,
      scheduling: t.scheduling !== undefined,
    };
    const changed = this.#db.run(
      updateFiber({ ...parts, acknowledge: t.acknowledgeCancel === true }),
      ...values,
      t.run,
      t.fiber,
    );
    if (changed !== 1) throw new Error(`expected to write the fiber ${t.run}/${t.fiber} but changed ${changed} rows`);
    if (context !== undefined) this.#db.run(UPSERT_CONTEXT, context, t.run, t.fiber);
    if (aside !== undefined) this.#db.run(UPSERT_ASIDE, aside, t.run, t.fiber);
  }

  /** Out of its worker's hands: into the queue, into a wait, or to its parent. */
  #leave({ run, fiber }: Transition, { names: stored }: Encoded, position: Position): void {
    const { now } = this.#work;
    this.#work.noteRun(run);
    switch (position.kind) {
      case "held":
        return;
      case "ended":
        this.#db.run(END_FIBER, position.outcome, run, fiber);
        return;
      case "ready":
        this.#db.run(QUEUE_FIBER, position.at, now, run, fiber);
        this.#work.noteReady();
        return;
      case "parked": {
        const names = stored === undefined ? [] : position.names.map(storable);
        const due = mailboxHolds(this.#db, run, names) ? now : (position.until ?? null);
        this.#db.run(PARK_FIBER, due, now, run, fiber);
        awaitNames(this.#db, run, fiber, names);
        if (due !== null) this.#work.noteReady();
        return;
      }
    }
  }

  /** A held fiber is asked for a cancel request only when its worker has one; a parked one is read back. */
  #outcome(t: Transition): Committed {
    if (t.position.kind === "ended") return COMMITTED;
    return t.position.kind === "held" && !this.#hasCancels(t.lease) ? COMMITTED : this.#readBack(t);
  }

  #readBack({ run, fiber, position, wait }: Transition): Committed {
    const row = this.#db.get("SELECT cancel, ready_at FROM fibers WHERE run = ? AND key = ?", run, fiber);
    const cancel = textOrNull(row, "cancel");
    const readyAt = numberOrNull(row, "ready_at");
    const woken = position.kind === "parked" && wait !== undefined && readyAt !== null && readyAt <= this.#work.now;
    if (cancel !== null) return { status: "committed", woken, cancel: original(cancel) };
    return woken ? { status: "committed", woken } : COMMITTED;
  }

  #hasCancels({ worker }: Lease): boolean {
    let known = this.#cancelled.get(worker);
    if (known === undefined)
      this.#cancelled.set(worker, (known = this.#db.get(CANCELS_OF_OWNER, worker) !== undefined));
    return known;
  }
}

const withQueued = (outcome: Committed, queued: readonly FiberKey[]): Committed =>
  queued.length === 0 ? outcome : { ...outcome, queued };

function rejected({ run, fiber }: Transition, cause: unknown): CommitOutcome {
  if (cause instanceof FlujoError) return { status: "rejected", error: cause };
  const said = cause instanceof Error ? cause.message : String(cause);
  return {
    status: "rejected",
    error: new FlujoError("VALUE_NOT_SERIALIZABLE", `cannot store the transition of ${run}/${fiber}: ${said}`, {
      cause,
    }),
  };
}

function missing(index: number): never {
  throw new Error(`the transition ${index} of the batch has no outcome`);
}
