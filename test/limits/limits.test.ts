import { rmSync, writeFileSync } from "node:fs";
import { expect, it } from "vitest";
import type { QueueRules } from "../../src/ports/queue-rules.ts";
import { queueView } from "../../src/runner/queues.ts";
import type { WorkerOptions } from "../../src/worker/options.ts";
import { Process } from "../crash/process.ts";
import { eventually } from "../engine/reading.ts";
import { Scene } from "../engine/scene.ts";
import { type Backend, describeOn, SHARED_BACKENDS } from "../setup/backends.ts";
import { call, holding } from "./flow.ts";
import { note, notes } from "./ledger.ts";
import { headStart, open, share, violations } from "./oracle.ts";
import type { WorkerTask } from "./worker.ts";

const PROGRAM = new URL("worker.ts", import.meta.url);
const WORKERS = 4;
const RUNS = 300;
const KEYS = 20;
const PLACES = 8;
/** Each of them holds something back: 20 keys would take 40 places, and the first key has 30 runs. */
const RULES: QueueRules = {
  queue: "calls",
  concurrency: PLACES,
  rate: { count: 60, perMs: 500 },
  lane: { concurrency: 2, rate: { count: 5, perMs: 500 } },
};
/** Long enough that two busy cores never make a worker that lives look dead: what it holds would be worked on twice. */
const WORKER: WorkerOptions = {
  queues: [RULES.queue],
  concurrency: 6,
  lease: 2_500,
  heartbeat: 500,
  sweep: 200,
  pollInterval: 200,
};
/** About 10 s on two quiet cores, most of it four processes that load; the rest is for busy ones. */
const PATIENCE_MS = 60_000;
/** A key with twice as many runs as each other one, spread among theirs. */
const keyOf = (i: number): string => (i % 10 === 0 ? "key-0" : `key-${1 + (i % (KEYS - 1))}`);

/** So many workers, each a process, who begin at the same time. */
class Crew implements AsyncDisposable {
  readonly #members: readonly Process[];

  constructor(task: WorkerTask) {
    this.#members = Array.from({ length: WORKERS }, () => new Process(PROGRAM, task));
  }

  async go(): Promise<void> {
    await Promise.all(this.#members.map((member) => member.said("ready")));
    for (const member of this.#members) member.tell("go");
  }

  async kill(pid: number): Promise<void> {
    await this.#members.find((member) => member.pid === pid)?.kill();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const member of this.#members) await member[Symbol.asyncDispose]();
  }
}

/** The process that has most steps under way. */
function busiest(ledger: string): number {
  const pids = [...open(notes(ledger)).values()];
  const [most = 0] = pids.toSorted((a, b) => times(pids, b) - times(pids, a));
  return most;
}

const times = (pids: readonly number[], pid: number): number => pids.filter((one) => one === pid).length;

/** MongoDB's double lives in the process that watches: it would answer four others when the test has nothing else to do. */
const SERVERS = SHARED_BACKENDS.filter(({ name }) => name !== "mongodb");

describeOn(SERVERS, "a queue with rules on %s", (backend: Backend) => {
  it(`is kept by ${WORKERS} processes, one of which is killed: never too many at once nor too often, all keys in turn`, async () => {
    await using scene = new Scene(backend);
    const ledger = scene.path("ledger");
    const flujo = scene.open({ flows: [call], worker: false });
    const { name, ...options } = queueView(RULES);
    await flujo.setQueue(name, options);
    await using crew = new Crew({ address: scene.address, ledger, worker: WORKER });
    const handles = await Promise.all(
      Array.from({ length: RUNS }, (_, i) => flujo.start(call, keyOf(i), { queue: RULES.queue, key: keyOf(i) })),
    );
    await crew.go();
    const ended = (): number => notes(ledger).filter(({ what }) => what === "end").length;
    await eventually("a third to end", () => ended() > RUNS / 3, PATIENCE_MS);

    // Now no step ends, until all places are taken: by the one who is about to die, too.
    const allTaken = (): boolean => open(notes(ledger)).size === PLACES;
    writeFileSync(holding(ledger), "");
    await eventually("all places to be taken", allTaken, PATIENCE_MS);
    const doomed = busiest(ledger);
    note(ledger, { what: "killed", pid: doomed });
    await crew.kill(doomed);
    expect(open(notes(ledger)).size).toBeLessThan(PLACES);
    await eventually("its places to be taken by others", allTaken, PATIENCE_MS);
    rmSync(holding(ledger));

    expect(await Promise.all(handles.map((handle) => handle.output()))).toEqual(handles.map((_, i) => keyOf(i)));
    const lines = notes(ledger);
    expect(violations(lines, RULES)).toEqual([]);
    expect(new Set(lines.flatMap((line) => (line.what === "end" ? line.run : []))).size).toBe(RUNS);
    expect(share(lines).size).toBe(WORKERS);
    expect(headStart(lines)).toBeLessThanOrEqual(3);
  });
});
