import type { Flujo } from "flujo";
import { describe, expect, it } from "vitest";
import { FAULT_POINTS, type FaultPoint } from "../../src/testing.ts";
import { SPENDING_POINTS } from "../../src/worker/deps.ts";
import { decode } from "../../src/domain/wire.ts";
import { eventsOf } from "../engine/reading.ts";
import { Scene } from "../engine/scene.ts";
import { type Backend, SHARED_BACKENDS } from "../setup/backends.ts";
import { titled } from "../setup/servers.ts";
import { agentFlow, BUDGETS, CALLED, COST, FOUND, LIMIT, type Moment, RESERVED, TURNS } from "./agent-flow.ts";
import type { AgentDoom } from "./doomed-agent.ts";
import { SHORT_LEASE } from "./flows.ts";
import { recorded, tally } from "./ledger.ts";
import { Process } from "./process.ts";

/*
 * An agent of eight turns is killed at every named point of its life, before and after each kind of its effects. What was
 * committed is never asked for again; what was under way is, once, under the same key; and what is paid stays within the limits.
 */

const DOOMED = new URL("doomed-agent.ts", import.meta.url);

type Case = Pick<AgentDoom, "point" | "at">;

const MOMENTS: readonly Moment[] = ["before-call", "after-call", "in-tool"];
/** Points that a run comes to once or twice. */
const RARE: ReadonlySet<FaultPoint | Moment> = new Set(["before-end", "after-end"]);
const CASES: readonly Case[] = [...FAULT_POINTS, ...SPENDING_POINTS, ...MOMENTS].flatMap((point) =>
  (RARE.has(point) ? [1] : point === "after-park" ? [1, 3] : [2, 7]).map((at) => ({ point, at })),
);
/** On a server what differs: work that is paid for, done, and not recorded. */
const casesOn = (store: string): readonly Case[] =>
  store === "sqlite" || process.env["FLUJO_TEST_CRASH"] === "full"
    ? CASES
    : CASES.filter(({ point, at }) => at === 7 && ["after-reserve", "before-commit", ...MOMENTS].includes(point));
const STORES = SHARED_BACKENDS.filter(({ name }) => ["sqlite", "postgres", "redis"].includes(name));

/** Turns that are in the history of the run, by number. */
const turnsOf = async (flujo: Flujo): Promise<number[]> =>
  (await eventsOf(flujo, "speak", "step.completed"))
    .filter(({ path }) => path.endsWith("/turns/body/turn"))
    .map(({ output }) => (decode(output) as { readonly turn: number }).turn);

/** Calls of models or tools that the world outside has seen: what was asked (a turn, a word), and under which key. */
const seen = (ledger: string, kind: "model" | "tool"): { readonly what: string; readonly key: string }[] =>
  recorded(ledger).flatMap(([one, what = "", key = ""]) => (one === kind ? [{ what, key }] : []));

/** One key for each thing that was asked, whoever asked, and no key for two. */
function expectKeys(calls: ReturnType<typeof seen>): void {
  const pairs = new Set(calls.map(({ what, key }) => `${what} ${key}`));
  expect(pairs.size).toBe(new Set(calls.map(({ what }) => what)).size);
  expect(new Set(calls.map(({ key }) => key)).size).toBe(pairs.size);
}

async function survive(backend: Backend, doomed: Case): Promise<void> {
  await using scene = new Scene(backend);
  const ledger = scene.path("ledger");
  {
    await using worker = new Process(DOOMED, { store: scene.address, ledger, ...doomed } satisfies AgentDoom);
    expect(await worker.ended).toEqual({ code: null, signal: "SIGKILL" });
  }
  const speak = agentFlow({ ledger });
  const looker = scene.open({ flows: [speak], worker: false });
  const committed = new Set((await turnsOf(looker)).map(String));
  const before = tally(seen(ledger, "model").map(({ what }) => what));

  const flujo = scene.open({ flows: [speak], worker: SHORT_LEASE, ...BUDGETS });
  await flujo.open();
  expect(await flujo.result("speak", { until: "end" })).toMatchObject({ status: "completed", output: FOUND });

  const calls = seen(ledger, "model");
  const after = tally(calls.map(({ what }) => what));
  for (const turn of committed) expect([turn, after.get(turn)]).toEqual([turn, before.get(turn)]);
  expect(calls.length).toBeLessThanOrEqual(TURNS + 1);
  expect([...after.keys()]).toEqual(Array.from({ length: TURNS }, (_, i) => `${i + 1}`));
  expectKeys(calls);
  expect(await turnsOf(flujo)).toEqual(Array.from({ length: TURNS }, (_, i) => i + 1));

  const tools = seen(ledger, "tool");
  expect(new Set(tools.map(({ what }) => what))).toEqual(new Set(CALLED));
  expect(Math.max(...tally(tools.map(({ what }) => what)).values())).toBeLessThanOrEqual(2);
  expectKeys(tools);
  await expectPaid(flujo, calls.length);
  const balances = await (await scene.store()).balances();
  expect(balances.map(({ held }) => held.costMicroUsd + held.toolCalls)).toEqual([0]);
  expect(balances[0]?.spent.costMicroUsd).toBeGreaterThanOrEqual(calls.length * COST);
  expect(balances[0]?.spent.costMicroUsd).toBeLessThanOrEqual(LIMIT);
}

/** What was spent is what was called, and what was forfeited: reserved by who died. */
async function expectPaid(flujo: Flujo, calls: number): Promise<void> {
  const settled = (await eventsOf(flujo, "speak", "quota.settled")).filter(({ spent }) => spent.costMicroUsd > 0);
  const forfeited = settled.filter(({ spent }) => spent.costMicroUsd === RESERVED).length;
  expect(settled.filter(({ spent }) => spent.costMicroUsd === COST)).toHaveLength(TURNS);
  expect(forfeited).toBeLessThanOrEqual(1);
  expect(calls).toBeLessThanOrEqual(TURNS + forfeited);
  const { costUsd } = await flujo.usage("speak");
  expect(Math.round(costUsd * 1_000_000)).toBe(TURNS * COST + forfeited * RESERVED);
  expect(Math.round(costUsd * 1_000_000)).toBeLessThanOrEqual(LIMIT);
}

for (const backend of STORES) {
  const { name, presence } = backend;
  describe.skipIf(!presence.run).concurrent(titled(`a granular agent after SIGKILL on ${name}`, presence), () => {
    it.each(casesOn(name))("goes on where it was: $point, visit $at", (one) => survive(backend, one));
  });

  describe.skipIf(!presence.run)(titled(`a turn that kills its worker on ${name}`, presence), () => {
    it("fails its run after as many deaths as are allowed, although each had reserved anew", async () => {
      await using scene = new Scene(backend);
      const ledger = scene.path("ledger");
      const doom = { store: scene.address, ledger, point: "after-call", at: 1, maxDeliveries: 2 } satisfies AgentDoom;
      for (let deaths = 0; deaths < 3; deaths++) {
        await using worker = new Process(DOOMED, doom);
        expect(await worker.ended).toMatchObject({ signal: "SIGKILL" });
      }
      await using worker = new Process(DOOMED, doom);
      await worker.finished();
      const flujo = scene.open({ flows: [agentFlow({ ledger })], worker: false });
      expect(await flujo.result("speak")).toMatchObject({ status: "failed", failure: { code: "WORKER_LOST" } });
      expect(seen(ledger, "model").map(({ what }) => what)).toEqual(["1", "1", "1"]);
      expect((await flujo.usage("speak")).costUsd).toBe((3 * RESERVED) / 1_000_000);
      const [balance] = await (await scene.store()).balances();
      expect([balance?.spent.costMicroUsd, balance?.held.costMicroUsd]).toEqual([3 * RESERVED, 0]);
    });
  });

  describe.skipIf(!presence.run)(titled(`a granular agent of two workers on ${name}`, presence), () => {
    it("is recorded once a turn, by the one that holds it when the other stood still in the middle of a call", async () => {
      await using scene = new Scene(backend);
      const ledger = scene.path("ledger");
      const task: AgentDoom = { store: scene.address, ledger, point: "after-call", at: 3, waits: true };
      await using frozen = new Process(DOOMED, task);
      await frozen.said("there");
      frozen.signal("SIGSTOP");
      const speak = agentFlow({ ledger });
      const flujo = scene.open({ flows: [speak], worker: SHORT_LEASE, ...BUDGETS });
      await flujo.open();
      expect(await flujo.result("speak", { until: "end" })).toMatchObject({ status: "completed", output: FOUND });
      frozen.signal("SIGCONT");
      frozen.tell("go on");
      await frozen.finished();
      const calls = seen(ledger, "model");
      expect([...tally(calls.map(({ what }) => what))].filter(([, times]) => times > 1)).toEqual([["3", 2]]);
      expectKeys(calls);
      expect(await turnsOf(flujo)).toEqual(Array.from({ length: TURNS }, (_, i) => i + 1));
      await expectPaid(flujo, calls.length);
    });
  });
}
