import { Flujo } from "flujo";
import { describe, expect, it } from "vitest";
import { Scene } from "../engine/scene.ts";
import { patternsOn } from "./flows.ts";
import { type Commit, type Entry, type Execution, note, notes } from "./ledger.ts";
import type { Expected } from "./load.ts";
import { type Evidence, judge } from "./oracle.ts";
import { onSqlite, prepare } from "./outbox.ts";
import { witnessed } from "./witness.ts";

const WORKER = "w1";
const isCommit = (entry: Entry): entry is Commit => entry.what === "commit";
const isExecution = (entry: Entry): entry is Execution => entry.what === "do";

interface Known {
  readonly entries: readonly Entry[];
  readonly evidence: Evidence;
  readonly accepted: Expected[];
}

const ACCEPTED: Expected = { run: "transaction-1", pattern: "transaction", n: 1 };

/** One run, done well, and what is known of it. `spoil` changes the evidence before it is judged. */
async function judged(spoil: (known: Known) => void | Promise<void>): Promise<string[]> {
  await using scene = new Scene("sqlite");
  const ledger = scene.folder;
  const store = await scene.store();
  await prepare(scene.address);
  const patterns = patternsOn(true);
  const flows = Object.values(patterns).map(({ flow }) => flow);
  const resources = { ledger, worker: WORKER };
  await using flujo = new Flujo({ store: witnessed(store, ledger, WORKER), flows, resources, worker: { id: WORKER } });
  const accepted = [ACCEPTED];
  const { flow } = patterns["transaction"] ?? {};
  if (flow === undefined) throw new Error("expected the pattern with transactions");
  await (await flujo.start(flow, { n: 1, by: "start" }, { id: ACCEPTED.run })).output();
  const evidence = { ...{ flujo, store, ledger, accepted, patterns, interruptions: 1 }, address: scene.address };
  await spoil({ entries: notes(ledger), evidence, accepted });
  return [...(await judge(evidence)).violations];
}

describe("the oracle of chaos", () => {
  it("finds nothing in a run that was done well", async () => {
    expect(await judged(() => undefined)).toEqual([]);
  });

  it("sees a sequence number that two workers were allowed to take", async () => {
    const found = await judged(({ entries, evidence }) => {
      const taken = entries.find(isCommit);
      if (taken !== undefined) note(evidence.ledger, { ...taken, worker: "w2" });
    });
    expect(found.join("\n")).toMatch(/committed twice: transaction-1 0 at \d+ by w1 and w2/);
  });

  it("sees that an owner was accepted whose fiber had been given to another", async () => {
    const found = await judged(({ entries, evidence }) => {
      const taken = entries.find(isCommit);
      const given = { what: "claim", worker: "w2", epoch: 9, deliveries: 5, at: 0 } as const;
      if (taken !== undefined) note(evidence.ledger, { ...given, run: taken.run, fiber: taken.fiber, seq: taken.seq });
    });
    expect(found.join("\n")).toMatch(/a stale owner was accepted: transaction-1 0 at \d+ by w1/);
  });

  it("sees an acknowledged commit that is gone", async () => {
    const found = await judged(({ entries, evidence }) => {
      const last = entries.findLast(isCommit);
      if (last !== undefined) note(evidence.ledger, { ...last, seq: last.seq + 1, event: 12_345 });
    });
    expect(found.join("\n")).toMatch(/1 commits were acknowledged for "0 12345 w1", history has 0/);
  });

  it("sees a step that was executed more often than something interrupted it", async () => {
    const found = await judged(({ entries, evidence }) => {
      const once = entries.find(isExecution);
      if (once === undefined) return;
      for (const by of ["w2/1", "w2/2"]) note(evidence.ledger, { ...once, by, worker: "w2" });
    });
    expect(found.join("\n")).toMatch(/executed 3 times with 1 interruptions/);
  });

  it("sees a run that did not come to what it must", async () => {
    const found = await judged(({ accepted }) => void accepted.splice(0, 1, { ...ACCEPTED, n: 2 }));
    expect(found.join("\n")).toMatch(/should be completed with 1113 but is completed with 1112/);
  });

  it("sees an effect that is there twice, one that is missing, and one that nobody recorded", async () => {
    const found = await judged(({ evidence }) => {
      if (evidence.address.kind !== "sqlite") return;
      return onSqlite(evidence.address.path, (file) => {
        file.exec("INSERT INTO chaos_effects SELECT key, 'nobody' FROM chaos_effects LIMIT 1");
        file.exec("DELETE FROM chaos_effects WHERE rowid = 2");
      });
    });
    expect(found.join("\n")).toMatch(/effect \S+ is there 2 times/);
    expect(found.join("\n")).toMatch(/was recorded and is not there/);
    expect(found.join("\n")).toMatch(/the effect of nobody is there and was not recorded/);
  });
});
