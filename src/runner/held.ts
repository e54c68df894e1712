import type { RunRecord } from "../domain/run.ts";
import { titleOf } from "../definition/definition.ts";
import type { QueueRules, Rate } from "../ports/queue-rules.ts";
import type { Engine } from "./engine.ts";
import { type WorkerView, workerView } from "./workers.ts";

/** Says what keeps a fiber that is ready from being taken up: no worker, no worker that knows its flow, or the rules of its queue. */
export class Held {
  readonly #engine: Engine;
  readonly #run: Pick<RunRecord, "flow" | "version" | "fingerprint">;
  /** Read once, however many fibers are asked about. */
  #workers: Promise<readonly WorkerView[]> | undefined;

  constructor(engine: Engine, run: Pick<RunRecord, "flow" | "version" | "fingerprint">) {
    this.#engine = engine;
    this.#run = run;
  }

  /** The end of a sentence; undefined when nothing stands in the way. */
  async up(queue: string): Promise<string | undefined> {
    const workers = await (this.#workers ??= this.#alive());
    return this.#byWorkers(queue, workers) ?? (await this.#byRules(queue, workers));
  }

  async #alive(): Promise<readonly WorkerView[]> {
    const { store, ambient } = this.#engine;
    return (await store.workers()).map((one) => workerView(one, ambient.clock.now())).filter(({ alive }) => alive);
  }

  #byWorkers(queue: string, workers: readonly WorkerView[]): string | undefined {
    if (workers.length === 0) return "no worker of this store is alive";
    const serving = workers.filter(({ queues }) => queues.includes(queue));
    if (serving.length === 0) {
      const served = [...new Set(workers.flatMap(({ queues }) => queues))].sort().join(", ");
      return `no worker alive serves that queue; ${workers.length} serve ${served}`;
    }
    if (serving.some(({ flows }) => flows.some(({ fingerprint }) => fingerprint === this.#run.fingerprint)))
      return undefined;
    const { flow, version, fingerprint } = this.#run;
    const known = serving.flatMap(({ flows }) => flows.filter(({ name }) => name === flow));
    const others = [...new Set(known.map((one) => `${titleOf(one)} (${one.fingerprint.slice(0, 12)})`))].sort();
    const instead = others.length === 0 ? "" : `; they know ${others.join(", ")}`;
    const wanted = `${titleOf({ name: flow, version })} with fingerprint ${fingerprint.slice(0, 12)}`;
    return `none of the ${serving.length} workers alive that serve it knows ${wanted}${instead}`;
  }

  /** The store does not tell counts, but when the next fiber of this queue could be claimed: now, or later because of a rule. */
  async #byRules(queue: string, workers: readonly WorkerView[]): Promise<string | undefined> {
    const { store, ambient } = this.#engine;
    if (!store.capabilities.queueRules) return busy(queue, workers);
    const rules = (await store.queueRules()).find((one) => one.queue === queue);
    if (rules === undefined) return busy(queue, workers);
    const now = ambient.clock.now();
    const next = await store.nextDue({ queues: [queue], fingerprints: [this.#run.fingerprint] });
    const says = rulesText(rules);
    if (next !== undefined && next <= now) return `its rules admit it when its turn comes (${says})`;
    const rate = rules.rate ?? rules.lane?.rate;
    if (next !== undefined && rate !== undefined)
      return `the rate of the queue is used up; there is room again in ${Math.ceil((next - now) / 1_000)} s (${says})`;
    return `the queue is full: it waits for a place (${says})`;
  }
}

/** Everybody who could take it has as much as it takes. */
function busy(queue: string, workers: readonly WorkerView[]): string | undefined {
  const serving = workers.filter(({ queues }) => queues.includes(queue));
  const full = serving.every(({ held, concurrency }) => concurrency !== undefined && held >= concurrency);
  if (!full) return undefined;
  const held = serving.reduce((sum, one) => sum + one.held, 0);
  return `all ${serving.length} workers that serve it are busy with ${held} fibers; it waits for one to be free`;
}

function rulesText({ lane, ...rules }: QueueRules): string {
  return [...limitsText(rules, ""), ...limitsText(lane ?? {}, " for each key")].join(", ") || "no limit";
}

const limitsText = (
  { concurrency, rate }: { readonly concurrency?: number; readonly rate?: Rate },
  whose: string,
): readonly string[] => [
  ...(concurrency === undefined ? [] : [`at most ${concurrency} at once${whose}`]),
  ...(rate === undefined ? [] : [`at most ${rate.count} per ${rate.perMs} ms${whose}`]),
];
