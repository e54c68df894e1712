import type { Lease, NewEvent, NewFiber, NewMessage, NewRun } from "../../ports/store.ts";
import { blobsIn, json, storable, storableOrNull } from "../../ports/stored-text.ts";
import { NO_LANE } from "../../ports/queue-rules.ts";
import { Columns } from "./columns.ts";
import type { SqlValue } from "./driver.ts";
import { BLOB_PARAMS, EVENT_PARAMS, FIBER_PARAMS, MESSAGE_PARAMS, PAIR_PARAMS, RUN_PARAMS } from "./insert-steps.ts";

/** How an id and a `once` are told apart where both are remembered. */
export const markOf = ({ id, once }: Pick<NewMessage, "id" | "once">): string | null =>
  id !== undefined ? `i${storable(id)}` : once !== undefined ? `o${storable(once)}` : null;

/** Where a fiber is born: in which run, on whose behalf, and into whose hands. */
export interface Birth {
  readonly i: number;
  readonly run: string;
  readonly owner: Lease | undefined;
}

export function addFiber(columns: Columns, fiber: NewFiber, { i, run, owner }: Birth): void {
  columns.add(
    i,
    run,
    fiber.key,
    fiber.parent ?? null,
    fiber.fork ?? null,
    fiber.ordinal ?? null,
    storable(fiber.queue),
    storable(fiber.lane ?? NO_LANE),
    fiber.priority,
    owner?.worker ?? null,
    owner?.epoch ?? null,
    fiber.readyAt,
    fiber.ended ?? null,
    json(fiber.state),
    json(fiber.value),
    json(fiber.context),
    json(fiber.aside),
  );
}

/** A message, with the blobs that it brings and those that its data refers to. */
export function addMessage(messages: Columns, blobs: Columns, i: number, message: NewMessage): void {
  const data = json(message.data);
  messages.add(i, message.run, markOf(message), storable(message.name), message.sentAt, data);
  for (const { hash, text } of message.blobs ?? []) blobs.add(i, message.run, hash, storable(text));
  shareBlobs(blobs, i, message.run, data);
}

/**
 * A value that crosses from one run into another may refer to a blob that came with the first one only: the second needs it
 * too, or pruning the first would take it away.
 */
export function shareBlobs(blobs: Columns, i: number, run: string, text: string): void {
  for (const hash of blobsIn(text)) blobs.add(i, run, hash, null);
}

/** New runs as columns. What started a run is a number of its own: a transition, or the place in a batch. */
export class Starts {
  readonly #runs = new Columns("r", RUN_PARAMS);
  readonly #fibers = new Columns("rf", FIBER_PARAMS);
  readonly #events = new Columns("re", EVENT_PARAMS);
  readonly #pairs = new Columns("rp", PAIR_PARAMS);
  readonly #messages = new Columns("rm", MESSAGE_PARAMS);
  readonly #blobs = new Columns("rb", BLOB_PARAMS);
  /** Nobody's children, and none born ended. */
  #alone = true;
  readonly workers: Set<string> = new Set();
  /** Into which fibers are born. */
  readonly queues: Set<string> = new Set();

  get count(): number {
    return this.#runs.count;
  }

  /** Each is a run, its first fiber and its first event, and nothing else. */
  get plain(): boolean {
    const { count } = this.#runs;
    const more = this.#pairs.count + this.#messages.count + this.#blobs.count;
    return this.#alone && this.#fibers.count === count && this.#events.count === count && more === 0;
  }

  add(run: NewRun, by: number): void {
    const n = this.#runs.count + 1;
    const owner = run.root.leased ? run.lease : undefined;
    if (owner !== undefined) this.workers.add(owner.worker);
    if (run.parent !== undefined || run.root.ended !== undefined) this.#alone = false;
    const input = json(run.input);
    const metadata = json(run.metadata);
    const event = (fiber: string, { at, facts }: NewEvent, worker: string | null): void =>
      this.#events.add(n, run.id, fiber, worker, at, json(facts));
    this.#runs.add(
      by,
      run.id,
      storable(run.flow),
      storable(run.version),
      run.fingerprint,
      run.parent?.run ?? null,
      run.parent?.fiber ?? null,
      storableOrNull(run.parent?.reply),
      run.createdAt,
      metadata,
      input,
      storable(run.root.queue),
      owner?.worker ?? null,
      owner?.epoch ?? null,
    );
    addFiber(this.#fibers, run.root, { i: n, run: run.id, owner });
    this.queues.add(storable(run.root.queue));
    for (const { fiber, ...told } of run.continued?.events ?? []) event(fiber, told, null);
    event(run.root.key, run.event, owner?.worker ?? null);
    for (const fiber of run.continued?.fibers ?? []) {
      addFiber(this.#fibers, fiber, { i: n, run: run.id, owner: undefined });
      this.queues.add(storable(fiber.queue));
    }
    for (const message of run.continued?.messages ?? []) addMessage(this.#messages, this.#blobs, n, message);
    for (const pair of Object.entries(run.metadata)) this.#pairs.add(n, json(pair), run.createdAt, run.id);
    for (const { hash, text } of run.blobs) this.#blobs.add(n, run.id, hash, storable(text));
    for (const text of [input, json(run.root), json(run.event.facts), json(run.continued ?? null)])
      shareBlobs(this.#blobs, n, run.id, text);
  }

  writeTo(values: Record<string, SqlValue>): void {
    for (const columns of [this.#runs, this.#fibers, this.#events, this.#pairs, this.#messages, this.#blobs])
      columns.writeTo(values);
  }
}
