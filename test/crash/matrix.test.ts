import { Flujo } from "flujo";
import { describe, expect, it } from "vitest";
import { placeOf } from "../../src/domain/ids.ts";
import { FAULT_POINTS, type FaultPoint, memoryStore } from "../../src/testing.ts";
import { seededRandom } from "../engine/random.ts";
import { Scene } from "../engine/scene.ts";
import { type Backend, SHARED_BACKENDS } from "../setup/backends.ts";
import { titled } from "../setup/servers.ts";
import { begin, type PatternName, PATTERNS, RUNS, SHORT_LEASE } from "./flows.ts";
import type { Doom } from "./doomed.ts";
import { recorded, tally } from "./ledger.ts";
import { Process } from "./process.ts";

/*
 * SIGKILL at every named point of a fiber's life, under every pattern of flow. After it another process takes over, and:
 * every run completes with the right output, no result is lost or recorded twice, no step ran more often than once and
 * once again, and the store is in order.
 */

const DOOMED = new URL("doomed.ts", import.meta.url);
const random = seededRandom(20_260);

interface Case {
  readonly pattern: PatternName;
  readonly point: FaultPoint;
  readonly at: number;
}

/** One death per pattern and point; at which of the visits is drawn, within those that every pattern has. */
const CASES: readonly Case[] = (Object.keys(PATTERNS) as PatternName[]).flatMap((pattern) =>
  FAULT_POINTS.filter((point) => PATTERNS[pattern].parks || point !== "after-park").map((point) => ({
    pattern,
    point,
    at: 1 + Math.floor(random() * RUNS.length),
  })),
);

/**
 * All of them on SQLite; on servers the one column in which a step has worked and nobody knows it, because a process takes a
 * second of a core to start. FLUJO_TEST_CRASH=full runs all everywhere.
 */
const casesOn = (store: string): readonly Case[] =>
  store === "sqlite" || process.env["FLUJO_TEST_CRASH"] === "full"
    ? CASES
    : CASES.filter(({ point }) => point === "before-commit");

interface Told {
  /** Results of steps and compensations, as history has them: `step.completed run root/a`. */
  readonly results: readonly string[];
  readonly outputs: readonly unknown[];
}

/** What all runs of a store have come to. */
async function tell(flujo: Flujo, ids: readonly string[]): Promise<Told> {
  const outputs: unknown[] = [];
  for (const id of ids) {
    const result = await flujo.result(id, { until: "end" });
    outputs.push(result.status === "completed" ? result.output : result);
  }
  const results: string[] = [];
  for (const { id } of (await flujo.list({ limit: 1_000 })).items) {
    for (const event of await flujo.history(id)) {
      if (event.type === "step.completed" || event.type === "undo.completed")
        results.push(`${event.type} ${id} ${placeOf(event.path, event.visit)}`);
    }
  }
  return { outputs, results: results.sort() };
}

/** The same runs where nobody dies. */
async function undisturbed(pattern: PatternName, ledger: string): Promise<Told> {
  await using store = memoryStore();
  await using flujo = new Flujo({ store, flows: [PATTERNS[pattern].flow], resources: { ledger } });
  return await tell(flujo, await begin(flujo, pattern));
}

for (const backend of SHARED_BACKENDS) {
  const { name, presence } = backend;
  describe.skipIf(!presence.run).concurrent(titled(`after SIGKILL on ${name}`, presence), () => {
    it.each(casesOn(name))("it completes what was under way: $pattern, $point, visit $at", (one) =>
      survive(backend, one),
    );
  });
}

async function survive(backend: Backend, { pattern, point, at }: Case): Promise<void> {
  await using scene = new Scene(backend);
  const ledger = scene.path("ledger");
  const doom: Doom = { store: scene.address, ledger, pattern, point, at };
  await using doomed = new Process(DOOMED, doom);
  expect(await doomed.ended).toEqual({ code: null, signal: "SIGKILL" });

  const expected = await undisturbed(pattern, scene.path("undisturbed"));
  const flujo = scene.open({ flows: [PATTERNS[pattern].flow], resources: { ledger }, worker: SHORT_LEASE });
  const told = await tell(flujo, await begin(flujo, pattern));
  expect(told.outputs).toEqual(RUNS.map((input) => PATTERNS[pattern].output(input)));
  expect(told.results).toEqual(expected.results);

  const done = tally(recorded(ledger).map((words) => words.join(" ")));
  const wanted = tally(recorded(scene.path("undisturbed")).map((words) => words.join(" ")));
  expect([...done.keys()].sort()).toEqual([...wanted.keys()].sort());
  expect([...done].filter(([, times]) => times > 2)).toEqual([]);
  expect(await flujo.doctor()).toEqual([]);
}
