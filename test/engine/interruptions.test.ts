import type { Flujo } from "flujo";
import { describe, expect, it } from "vitest";
import { placeOf } from "../../src/domain/ids.ts";
import { type PatternName, PATTERNS } from "../crash/flows.ts";
import { recorded, tally } from "../crash/ledger.ts";
import { Scene, STORES, type StoreName } from "./scene.ts";

/*
 * What can happen at any moment happens at every moment: each pattern of flow is interrupted once at each named point it
 * comes to, first at the first, then at the second, until it comes to an end undisturbed.
 */

const INPUT = 2;
/** Where a point costs a sync to disk only every third is tried. */
const STRIDE: Readonly<Record<StoreName, number>> = { memory: 1, sqlite: 3 };

/** A Flujo that calls `interrupt` when it comes to its nth point. */
function interrupted(scene: Scene, pattern: PatternName, nth: number, interrupt: (flujo: Flujo) => void): Flujo {
  let came = 0;
  const flujo: Flujo = scene.open({
    flows: [PATTERNS[pattern].flow],
    resources: { ledger: scene.path("ledger") },
    at: () => {
      if (++came === nth) interrupt(flujo);
    },
  });
  return flujo;
}

async function begin(flujo: Flujo, pattern: PatternName): Promise<string> {
  const { runId } = await flujo.start(PATTERNS[pattern].flow, INPUT, { id: "run" });
  if (pattern === "wait") await flujo.signal(runId, "go", INPUT, { id: "go" });
  return runId;
}

const patient = (): { readonly until: "end"; readonly signal: AbortSignal } => ({
  until: "end",
  signal: AbortSignal.timeout(5_000),
});

/** Lines of work that the outside world saw more than once. */
const repeated = (scene: Scene): string[] =>
  [...tally(recorded(scene.path("ledger")).map((words) => words.join(" ")))].flatMap(([line, times]) =>
    times > 1 ? [line] : [],
  );

async function recordedTwice(flujo: Flujo): Promise<string[]> {
  const results: string[] = [];
  for (const { id } of (await flujo.list({ limit: 1_000 })).items)
    for (const event of await flujo.history(id))
      if (event.type === "step.completed") results.push(`${id} ${placeOf(event.path, event.visit)}`);
  return [...tally(results)].flatMap(([place, times]) => (times > 1 ? [place] : []));
}

describe.each(STORES)("at every point of a run on %s", (store) => {
  const names = Object.keys(PATTERNS) as PatternName[];

  it.each(names)("it may be closed: nothing is lost, and nothing repeated (%s)", async (pattern) => {
    for (let nth = 1, reached = true; reached; nth += STRIDE[store]) {
      await using scene = new Scene(store);
      reached = false;
      const first = interrupted(scene, pattern, nth, (flujo) => {
        reached = true;
        void flujo.close();
      });
      await begin(first, pattern).catch(() => undefined); // it may be closed before it has answered
      if (!reached) await first.result("run", patient()).catch(() => undefined);
      await first.close();
      const second = scene.open({ flows: [PATTERNS[pattern].flow], resources: { ledger: scene.path("ledger") } });
      await begin(second, pattern).catch(() => undefined); // it may have ended before its signal was repeated
      const result = await second.result("run", patient());
      expect([nth, result]).toMatchObject([nth, { status: "completed", output: PATTERNS[pattern].output(INPUT) }]);
      expect([nth, repeated(scene), await recordedTwice(second)]).toEqual([nth, [], []]);
    }
  });

  it.each(names)("it may be cancelled, and goes on when it is retried (%s)", async (pattern) => {
    for (let nth = 1, reached = true; reached; nth += STRIDE[store]) {
      await using scene = new Scene(store);
      reached = false;
      let cancelled: Promise<unknown> = Promise.resolve();
      const flujo = interrupted(scene, pattern, nth, (one) => {
        reached = true;
        cancelled = one.cancel("run", `at point ${nth}`).catch(() => undefined);
      });
      await begin(flujo, pattern).catch(() => undefined);
      const result = await flujo.result("run", patient());
      await cancelled;
      expect([nth, result.status]).toEqual([nth, result.status === "completed" ? "completed" : "cancelled"]);
      if (!reached) expect(result.status).toBe("completed");
      if (result.status !== "cancelled" || pattern === "compensation") continue; // what was undone cannot go on
      await flujo.retry("run");
      if (pattern === "wait") await flujo.signal("run", "go", INPUT, { id: "again" }).catch(() => undefined);
      const again = await flujo.result("run", patient());
      expect([nth, again]).toMatchObject([nth, { status: "completed", output: PATTERNS[pattern].output(INPUT) }]);
      expect([nth, await recordedTwice(flujo)]).toEqual([nth, []]);
    }
  });
});
