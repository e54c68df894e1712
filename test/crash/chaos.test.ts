import type { Flujo } from "flujo";
import { describe, expect, it } from "vitest";
import { placeOf } from "../../src/domain/ids.ts";
import { seededRandom } from "../engine/random.ts";
import { eventually } from "../engine/reading.ts";
import { Scene } from "../engine/scene.ts";
import { type PatternName, PATTERNS } from "./flows.ts";
import { recorded, tally } from "./ledger.ts";
import { Process } from "./process.ts";

const WORKER = new URL("survivor.ts", import.meta.url);
const SEED = 7;
const KILLS = 8;
const RUNS_OF_EACH = 12;

/* On SQLite only: it needs processes that can die without the store. */
describe("workers that die again and again", () => {
  it(`complete every run, and repeat no step more often than one of them died (seed ${SEED})`, async () => {
    await using scene = new Scene("sqlite");
    const random = seededRandom(SEED);
    const ledger = scene.path("ledger");
    const task = { store: scene.uri, ledger };
    const flows = Object.values(PATTERNS).map((pattern) => pattern.flow);
    const flujo = scene.open({ flows, worker: false });
    const expected = new Map<string, number>();
    for (const [name, { flow, output }] of Object.entries(PATTERNS) as [
      PatternName,
      (typeof PATTERNS)[PatternName],
    ][]) {
      for (let input = 1; input <= RUNS_OF_EACH; input++) {
        const { runId } = await flujo.start(flow, input, { id: `${name}-${input}` });
        if (name === "wait") await flujo.signal(runId, "go", input, { id: "go" });
        expected.set(runId, output(input));
      }
    }
    const alive = new Set<Process>();
    const hire = async (): Promise<void> => {
      const one = new Process(WORKER, task);
      alive.add(one);
      await one.said("ready");
    };
    try {
      await Promise.all([hire(), hire()]);
      for (let kills = 0; kills < KILLS; kills++) {
        // Some progress between two deaths, a different amount each time.
        const goal = recorded(ledger).length + 1 + Math.floor(random() * 25);
        const left = async (): Promise<boolean> => (await unfinished(flujo)) > 0;
        await eventually("progress", async () => recorded(ledger).length >= goal || !(await left()));
        const [victim] = [...alive].slice(Math.floor(random() * alive.size));
        if (victim === undefined) break;
        alive.delete(victim);
        await Promise.all([victim.kill(), hire()]);
      }
      await eventually("the end of all runs", async () => (await unfinished(flujo)) === 0, 15_000);
    } finally {
      for (const one of alive) await one.kill();
    }
    const outputs = new Map<string, unknown>();
    for (const runId of expected.keys()) outputs.set(runId, (await flujo.get(runId)).output);
    expect(outputs).toEqual(expected);
    for (const run of expected.keys()) expect([run, await recordedTwice(flujo, run)]).toEqual([run, []]);
    const most = Math.max(...tally(recorded(ledger).map((words) => words.join(" "))).values());
    expect(most).toBeLessThanOrEqual(1 + KILLS);
    expect(await flujo.doctor()).toEqual([]);
  }, 60_000);
});

async function unfinished(flujo: Flujo): Promise<number> {
  return (await flujo.list({ status: ["pending", "running", "paused", "waiting"], limit: 1 })).items.length;
}

async function recordedTwice(flujo: Flujo, run: string): Promise<string[]> {
  const results = (await flujo.history(run)).flatMap((event) =>
    event.type === "step.completed" || event.type === "undo.completed"
      ? [`${event.type} ${placeOf(event.path, event.visit)}`]
      : [],
  );
  return [...tally(results)].flatMap(([place, times]) => (times > 1 ? [place] : []));
}
