import type { ShardTransition } from "../../ports/shard.ts";
import { NO_LANE } from "../../ports/queue-rules.ts";
import { json, jsonOrNull, storable } from "../../ports/stored-text.ts";
import { Columns } from "./columns.ts";
import { GIVEN_PARAMS, HELD_PARAMS, LIST_PARAMS, type ListName } from "./commit-program.ts";
import { FINAL_PARAMS } from "./finish-program.ts";
import type { SqlValue } from "./driver.ts";
import { BLOB_PARAMS, EVENT_PARAMS, FIBER_PARAMS, MESSAGE_PARAMS } from "./insert-steps.ts";
import { isExclusive } from "./layers.ts";
import { addFiber, addMessage, Starts } from "./start-values.ts";

/** A transition as text, made before anything is written: what cannot be encoded is refused while nothing has happened. */
export interface Encoded {
  readonly transition: ShardTransition;
  readonly state: string;
  readonly value: string | null;
  readonly context: string | null;
  readonly aside: string | null;
  readonly facts: string | null;
}

export function encode(transition: ShardTransition): Encoded {
  const { state, value, context, aside, event } = transition;
  return {
    transition,
    state: json(state),
    value: jsonOrNull(value),
    context: jsonOrNull(context),
    aside: jsonOrNull(aside),
    facts: jsonOrNull(event?.facts),
  };
}

/** Parameters of the transitions that keep their fibers, in this order. */
export class Held {
  readonly #columns: Columns;

  constructor(prefix: "h" | "t" = "h") {
    this.#columns = new Columns(prefix, HELD_PARAMS);
  }

  add({ transition: t, state, value, context, aside, facts }: Encoded): void {
    const ack = t.acknowledgeCancel === true;
    const { worker, epoch } = t.lease;
    const at = t.event?.at ?? null;
    this.#columns.add(t.run, t.fiber, worker, epoch, t.expectedSeq, state, value, context, aside, at, facts, ack);
  }

  writeTo(values: Record<string, SqlValue>): void {
    this.#columns.writeTo(values);
  }
}

/** Parameters of the transitions that keep their fibers and take messages, in this order. */
export class Receipts {
  readonly #moves = new Held("t");
  readonly #consumed = new Columns("c", LIST_PARAMS.c);
  readonly #runs: string[] = [];

  add(encoded: Encoded): void {
    const { run, consume } = encoded.transition;
    this.#runs.push(run);
    this.#moves.add(encoded);
    for (const seq of consume) this.#consumed.add(this.#runs.length, run, seq);
  }

  writeTo(values: Record<string, SqlValue>): void {
    this.#moves.writeTo(values);
    this.#consumed.writeTo(values);
    values["lock_runs"] = this.#runs.sort();
  }
}

/** Parameters of the transitions that end their runs and do nothing else, in this order. */
export class Finals {
  readonly #columns = new Columns("z", FINAL_PARAMS);
  readonly #runs: string[] = [];

  add({ transition: t, facts }: Encoded): void {
    if (t.endRun === undefined) throw new Error(`expected the end of the run ${t.run}`);
    const { worker, epoch } = t.lease;
    const { status, output, failure, at } = t.endRun;
    this.#runs.push(t.run);
    const own = [t.run, t.fiber, worker, epoch, t.expectedSeq, t.event?.at ?? null, facts] as const;
    this.#columns.add(...own, status, jsonOrNull(output), jsonOrNull(failure), at);
  }

  writeTo(values: Record<string, SqlValue>): void {
    this.#columns.writeTo(values);
    values["lock_runs"] = this.#runs.sort();
  }
}

/** Parameters of one layer: what keeps its fiber, and all that has effects, each in its own order. */
export class LayerValues {
  readonly #held = new Held();
  readonly #given = new Columns("g", GIVEN_PARAMS);
  readonly #starts = new Starts();
  readonly #lists: Readonly<Record<ListName, Columns>> = {
    c: new Columns("c", LIST_PARAMS.c),
    u: new Columns("u", LIST_PARAMS.u),
    n: new Columns("n", LIST_PARAMS.n),
    e: new Columns("e", EVENT_PARAMS),
    s: new Columns("s", FIBER_PARAMS),
    m: new Columns("m", MESSAGE_PARAMS),
    b: new Columns("b", BLOB_PARAMS),
    x: new Columns("x", LIST_PARAMS.x),
    f: new Columns("f", LIST_PARAMS.f),
    d: new Columns("d", LIST_PARAMS.d),
    q: new Columns("q", LIST_PARAMS.q),
    o: new Columns("o", LIST_PARAMS.o),
  };
  readonly #runs = new Set<string>();
  readonly #workers = new Set<string>();
  readonly #queues = new Set<string>();

  addHeld(encoded: Encoded): void {
    this.#held.add(encoded);
  }

  /** Throws what cannot be encoded. */
  add(encoded: Encoded): void {
    const { transition: t } = encoded;
    const i = this.#given.count + 1;
    this.#addGiven(encoded);
    if (t.scheduling !== undefined) this.#queues.add(storable(t.scheduling.queue));
    if (isExclusive(t) || t.spawn.length > 0) this.#runs.add(t.run);
    const { c, u, n, e, s, m, b, o } = this.#lists;
    for (const seq of t.consume) c.add(i, t.run, seq);
    for (const name of t.unless ?? []) u.add(i, t.run, storable(name));
    if (t.position.kind === "parked") {
      for (const name of t.position.names) n.add(i, t.run, storable(name), t.fiber);
    }
    if (t.event !== undefined) e.add(i, t.run, t.fiber, t.lease.worker, t.event.at, encoded.facts);
    for (const { hash, text } of t.blobs) b.add(i, t.run, hash, storable(text));
    for (const fiber of t.spawn) {
      if (fiber.leased) this.#workers.add(t.lease.worker);
      this.#queues.add(storable(fiber.queue));
      addFiber(s, fiber, { i, run: t.run, owner: fiber.leased ? t.lease : undefined });
    }
    for (const run of new Map(t.startRuns.toReversed().map((run) => [run.id, run])).values()) this.#starts.add(run, i);
    for (const message of t.send) {
      this.#runs.add(message.run);
      addMessage(m, b, i, message);
    }
    for (const entry of t.outbox ?? []) o.add(i, entry.id, entry.to, json(entry.effect));
    this.#addEnds(t, i);
  }

  #addGiven({ transition: t, state, value, context, aside }: Encoded): void {
    const { position, scheduling } = t;
    const parked = position.kind === "parked";
    const at = position.kind === "ready" ? position.at : parked ? (position.until ?? null) : null;
    this.#given.add(
      t.run,
      t.fiber,
      t.lease.worker,
      t.lease.epoch,
      t.expectedSeq,
      state,
      value,
      context,
      aside,
      t.acknowledgeCancel === true,
      t.endRun === undefined ? position.kind : "gone",
      at,
      position.kind === "ended" ? position.outcome : null,
      scheduling === undefined ? null : storable(scheduling.queue),
      scheduling === undefined ? null : storable(scheduling.lane ?? NO_LANE),
      scheduling?.priority ?? null,
      parked ? json(position.names.map(storable)) : null,
      parked ? jsonOrNull(t.wait) : null,
      parked && t.wait?.kind === "human",
    );
  }

  #addEnds(t: ShardTransition, i: number): void {
    const { x, f, d, q } = this.#lists;
    if (t.cancelFork !== undefined) f.add(i, t.run, t.fiber, t.cancelFork.fork, storable(t.cancelFork.reason));
    for (const { run, reason } of t.cancelRuns) {
      this.#runs.add(run);
      x.add(i, run, storable(reason));
    }
    if (t.dropFork !== undefined) d.add(i, t.run, t.fiber, t.dropFork);
    if (t.endRun !== undefined) {
      const { status, output, failure, at } = t.endRun;
      q.add(i, t.run, status, jsonOrNull(output), jsonOrNull(failure), at);
    }
  }

  values(now: number | null): Record<string, SqlValue> {
    const values: Record<string, SqlValue> = { now };
    this.#held.writeTo(values);
    this.#given.writeTo(values);
    for (const list of Object.values(this.#lists)) list.writeTo(values);
    this.#starts.writeTo(values);
    values["lock_runs"] = [...this.#runs].sort();
    values["lock_queues"] = [...new Set([...this.#queues, ...this.#starts.queues])].sort();
    values["lock_workers"] = [...new Set([...this.#workers, ...this.#starts.workers])].sort();
    return values;
  }
}
