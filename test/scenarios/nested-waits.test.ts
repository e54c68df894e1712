import { type Flujo, FlujoError } from "flujo";
import { expect, it } from "vitest";
import type { Pause } from "../../src/runner/result.ts";
import { recorded, tally } from "../crash/ledger.ts";
import { Process } from "../crash/process.ts";
import { seededRandom, shuffled } from "../engine/random.ts";
import { eventsOf, eventually } from "../engine/reading.ts";
import { Scene } from "../engine/scene.ts";
import { BACKENDS, describeOn } from "../setup/backends.ts";
import type { AnswererTask } from "./answerer.ts";
import { ITEMS, outer, ROUNDS } from "./questions.ts";

const SEED = 50;
const OPEN = ITEMS * 2;

/** Somebody who answers: a process of its own, or an engine of its own where there is no other process. */
interface Answerer extends AsyncDisposable {
  readonly ready: () => Promise<void>;
  readonly answer: (pause: Pause, text: string) => Promise<string>;
}

function anotherProcess(scene: Scene): Answerer {
  const task: AnswererTask = { store: scene.address, ledger: scene.path("ledger") };
  const one = new Process(new URL("answerer.ts", import.meta.url), task);
  return {
    ready: async () => void (await one.said("ready")),
    answer: ({ runId, token, question }, text) => {
      one.tell(`answer ${runId} ${token} ${String(question)} ${text}`);
      return one.said(`${text} `);
    },
    [Symbol.asyncDispose]: async () => {
      one.tell("stop");
      await one.finished();
    },
  };
}

/** A memory store is seen by one process only: there the answers come from several engines in it. */
function anotherEngine(scene: Scene): Answerer {
  const flujo = scene.open({ flows: [outer], resources: { ledger: scene.path("ledger") } });
  return {
    ready: async () => void (await flujo.open()),
    answer: ({ runId, token, question }, text) =>
      flujo.answer(runId, { item: question, text }, { token }).then(
        () => "ok",
        (error: unknown) => (error instanceof FlujoError ? error.code : String(error)),
      ),
    [Symbol.asyncDispose]: () => flujo.close(),
  };
}

/** All questions are open at once in each round. */
function openQuestions(flujo: Flujo, run: string, asked: ReadonlySet<string>): Promise<readonly Pause[]> {
  return eventually(`${OPEN} questions to be open`, async () => {
    const { pauses } = await flujo.get(run);
    return pauses.length === OPEN && pauses.every(({ token }) => !asked.has(token)) && pauses;
  });
}

describeOn(BACKENDS, "fifty questions at once, deep inside a flow, on %s", (store) => {
  it("takes every answer exactly once, whoever gives it and in whatever order, and repeats nothing", async () => {
    await using scene = new Scene(store);
    const people = [1, 2, 3].map(() => (store.place === undefined ? anotherEngine(scene) : anotherProcess(scene)));
    const random = seededRandom(SEED);
    const asked = new Set<string>();
    const accepted = new Set<string>();
    const someone = (): Answerer => people[Math.floor(random() * people.length)] as Answerer;
    const flujo = scene.open({ flows: [outer], resources: { ledger: scene.path("ledger") }, worker: false });
    let runId = "";
    try {
      await Promise.all(people.map((one) => one.ready()));
      runId = (await flujo.start(outer, ITEMS)).runId;
      for (let round = 1; round <= ROUNDS; round++) {
        const pauses = shuffled(await openQuestions(flujo, runId, asked), SEED + round);
        await Promise.all(
          pauses.map(async (pause, i) => {
            asked.add(pause.token);
            const texts = i % 5 === 0 ? [`${pause.token}/a`, `${pause.token}/b`] : [`${pause.token}/only`];
            const said = await Promise.all(texts.map((text) => someone().answer(pause, text)));
            expect(said.filter((word) => word === "ok")).toHaveLength(1); // of two people one is heard
            for (const word of said) if (word !== "ok") expect(["PAUSE_UNKNOWN", "RUN_ENDED"]).toContain(word);
            accepted.add(texts[said.indexOf("ok")] ?? "");
          }),
        );
      }
      const result = await flujo.result(runId, { until: "end" });
      expect(result.status).toBe("completed");
      const used = result.status === "completed" ? (result.output as string[]) : [];
      expect(used).toHaveLength(OPEN * ROUNDS);
      expect(new Set(used)).toEqual(accepted);
    } finally {
      await Promise.all(people.map((one) => one[Symbol.asyncDispose]()));
    }
    const done = tally(recorded(scene.path("ledger")).map(([place = ""]) => place));
    expect(done.size).toBe(OPEN * ROUNDS * 2);
    expect([...done].filter(([, times]) => times !== 1)).toEqual([]);
    const [child] = (await flujo.list({ flow: "asking" })).items;
    expect(await eventsOf(flujo, child?.id ?? "", "wait.answered")).toHaveLength(OPEN * ROUNDS);
  });
});
