import { FlujoError } from "../domain/errors.ts";
import type { Fact, HistoryEvent } from "../domain/event.ts";
import { signalNameOf } from "../domain/event.ts";
import { failure } from "../domain/failure.ts";
import { placeOf, type RunId } from "../domain/ids.ts";
import { isEnd, type RunRecord, type RunStatus } from "../domain/run.ts";
import { decode } from "../domain/wire.ts";
import { fiberOf } from "../engine/fiber-codec.ts";
import type { Payloads } from "../engine/payloads.ts";
import type { FiberRecord, ListQuery, Page, Store } from "../ports/store.ts";
import {
  type FiberView,
  failedResult,
  type Pause,
  type RunDetails,
  type RunResult,
  type RunView,
  runView,
} from "./result.ts";

/** Reading: results, details, history. Free of side effects; works for runs of flows that this process does not know. */
export class Reader {
  readonly #store: Store;
  readonly #payloads: Payloads;

  constructor(store: Store, payloads: Payloads) {
    this.#store = store;
    this.#payloads = payloads;
  }

  async record(id: RunId): Promise<RunRecord> {
    const record = await this.#store.load(id);
    if (record === undefined)
      throw new FlujoError("RUN_UNKNOWN", `no run has the id "${id}"`, { details: { runId: id } });
    return record;
  }

  async view(record: RunRecord): Promise<RunView> {
    const input = await this.#payloads.inflate(record.input);
    const output = record.output === undefined ? undefined : await this.#payloads.inflate(record.output);
    return runView(record, { input, output });
  }

  async details(id: RunId): Promise<RunDetails> {
    const record = await this.record(id);
    const [fibers, messages, pauses] = [
      await this.#store.fibers(id),
      await this.#store.messages(id),
      await this.pauses(id),
    ];
    const signals = fibers.flatMap(({ wait }) => (wait?.kind === "signal" ? wait.names.map(signalNameOf) : []));
    const unconsumed = messages
      .filter(({ name }) => name.startsWith("signal:"))
      .map(({ name, id: message = "", sentAt }) => ({
        name: signalNameOf(name),
        id: message,
        sentAt: new Date(sentAt),
      }));
    return {
      ...(await this.view(record)),
      pauses,
      signals: [...new Set(signals)],
      fibers: fibers.map(fiberView),
      unconsumed,
    };
  }

  async list(query: ListQuery): Promise<Page<RunView>> {
    const { items, next } = await this.#store.list(query);
    return { items: await Promise.all(items.map((record) => this.view(record))), ...(next !== undefined && { next }) };
  }

  /** Open questions of a run and of the child runs it waits for. */
  async pauses(id: RunId): Promise<readonly Pause[]> {
    const pauses: Pause[] = [];
    for (const run of await this.#family(id)) {
      for (const { wait } of await this.#store.fibers(run)) {
        if (wait?.kind !== "human" || wait.token === undefined) continue;
        const { token, path, visit, question, deadlineAt } = wait;
        pauses.push({
          token,
          runId: run,
          path,
          visit,
          question: decode(question ?? null),
          ...(deadlineAt !== undefined && { deadlineAt }),
        });
      }
    }
    return pauses;
  }

  /** What a run has come to; `running` when it will move on by itself. */
  async result(id: RunId): Promise<RunResult> {
    const record = await this.record(id);
    if (isEnd(record.status)) return this.ended(record);
    const standing = await this.#standing(record);
    if (standing === "moving") return { status: "running", runId: id };
    if (!standing.asks) return { status: "waiting", runId: id, signals: standing.signals };
    const pauses = await this.pauses(id);
    if (pauses.length > 0) return { status: "paused", runId: id, pauses };
    return { status: "running", runId: id }; // what it asked has been answered meanwhile
  }

  async ended(record: RunRecord): Promise<RunResult> {
    const { id, status, output } = record;
    if (status === "completed")
      return { status, runId: id, output: decode(await this.#payloads.inflate(output ?? null)) };
    if (status === "cancelled") return { status, runId: id, reason: record.cancelReason ?? "cancelled" };
    return failedResult(id, record.failure ?? failure("RUN_FAILED", `run ${id} ended ${status}`));
  }

  /** Whether anything of the run, or of the child runs it waits for, moves without help; if not, the signals it waits for. */
  async #standing(record: RunRecord): Promise<"moving" | Standing> {
    if (!STANDS.has(record.status)) return "moving";
    const fibers = await this.#store.fibers(record.id);
    const signals: string[] = [];
    let asks = false;
    let calls = false;
    for (const { wait, position } of fibers) {
      if (position === "ended") continue;
      if (wait === undefined || wait.kind === "timer") return "moving";
      if (wait.kind === "signal") signals.push(...wait.names.map(signalNameOf));
      asks ||= wait.kind === "human";
      calls ||= wait.kind === "call";
    }
    if (!calls) return { signals, asks };
    for (const child of await this.#openChildren(record.id)) {
      const below = await this.#standing(child);
      if (below === "moving") return "moving";
      signals.push(...below.signals);
      asks ||= below.asks;
    }
    // A child's end moves its caller in the same step: one that stood here before we looked at its children, and still does, was
    // told of no end meanwhile. What it waited for also stands in its row when it has been woken: the status knows the difference.
    if (!STANDS.has((await this.record(record.id)).status)) return "moving";
    return placesOf(await this.#store.fibers(record.id)) === placesOf(fibers) ? { signals, asks } : "moving";
  }

  async #openChildren(id: RunId): Promise<readonly RunRecord[]> {
    const { items } = await this.#store.list({
      parent: id,
      status: ["pending", "running", "paused", "waiting"],
      limit: 1_000,
    });
    return items.filter(({ parent }) => parent?.reply !== ""); // detached children are on their own
  }

  async #family(id: RunId): Promise<readonly RunId[]> {
    const family: RunId[] = [id];
    for (const { id: child } of await this.#openChildren(id)) family.push(...(await this.#family(child)));
    return family;
  }

  /** The facts of a run in the order they were committed, large values included. */
  async history(id: RunId, after = 0): Promise<readonly HistoryEvent[]> {
    if (after === 0) await this.record(id);
    const events: HistoryEvent[] = [];
    for (const { seq, at, fiber, worker, facts } of await this.#store.history(id, { after })) {
      for (const stored of facts as unknown as readonly Fact[]) {
        const fact = await this.#payloads.inflateFact(stored);
        events.push({ ...fact, seq, at, fiber, ...(worker !== undefined && { worker }) });
      }
    }
    return events;
  }
}

/** What a run that does not move by itself waits for: signals, and whether people, here or in its child runs. */
interface Standing {
  readonly signals: readonly string[];
  readonly asks: boolean;
}

/** Statuses in which nothing of a run itself moves. */
const STANDS: ReadonlySet<RunStatus> = new Set(["paused", "waiting"]);

const placesOf = (fibers: readonly FiberRecord[]): string =>
  fibers.map(({ key, seq, position, readyAt }) => `${key}:${seq}:${position}:${readyAt ?? ""}`).join();

function fiberView(record: FiberRecord): FiberView {
  const { key, position, wait, owner, readyAt, deliveries, queue, priority, lane, state, value, context, aside } =
    record;
  const { doing } = fiberOf({ state, value, context, aside }, `${record.run}/${key}`);
  return {
    key,
    position,
    at: "path" in doing ? placeOf(doing.path, doing.visit) : doing.kind,
    ...("attempt" in doing && { attempt: doing.attempt }),
    ...(wait && { wait: wait.kind }),
    ...(owner && { worker: owner.worker }),
    ...(readyAt !== undefined && { dueAt: new Date(readyAt) }),
    queue,
    priority,
    ...(lane !== undefined && { lane }),
    deliveries,
  };
}
