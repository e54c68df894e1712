import { flow, Flujo } from "flujo";
import { describe, expect, it } from "vitest";
import type { Store } from "../../src/ports/store.ts";
import { sqliteStore } from "../../src/sqlite.ts";
import { FAULT_POINTS, memoryStore } from "../../src/testing.ts";
import { Process } from "../crash/process.ts";
import { wrapped } from "../review/wrapped.ts";
import { type Database, effectsIn, transfer, write } from "./effects.ts";
import type { DoomedTransfer } from "./doomed-transfer.ts";
import { completedSteps, eventsOf, gate } from "./reading.ts";
import { Scene } from "./scene.ts";

type Transact = NonNullable<Store["transact"]>;
const BOTH = ["t credit", "t debit"];

/** Runs the transfer on a store whose transactions are disturbed, and says what came of it. */
async function disturbed(transact: (real: Transact, times: number) => Transact): Promise<readonly string[]> {
  await using scene = new Scene("sqlite");
  const path = scene.path("flujo.db");
  let times = 0;
  const store = wrapped(await sqliteStore({ path }), {
    transact: (real) => (run, work) => {
      times += 1;
      return transact(real as Transact, times)(run, work);
    },
  });
  const flujo = scene.open({ store, flows: [transfer], worker: { pollInterval: 50 } });
  expect(await flujo.run(transfer, 41, { id: "t" })).toMatchObject({ status: "completed", output: "moved 42" });
  expect(await completedSteps(flujo, "t")).toEqual(["root/debit", "root/between", "root/credit"]);
  await flujo.close();
  await store.close();
  return effectsIn(path);
}

describe("a transactional step", () => {
  it("writes together with its completion", async () => {
    expect(await disturbed((real) => real)).toEqual(BOTH);
  });

  it.each([1, 2])("writes once when the answer to its commit is lost, the %ith time", async (time) => {
    const effects = await disturbed((real, times) => async (run, work) => {
      const outcome = await real(run, work);
      if (times === time) throw new Error("the connection broke after the commit");
      return outcome;
    });
    expect(effects).toEqual(BOTH);
  });

  it.each([1, 2])("writes once when its transaction breaks before the commit, the %ith time", async (time) => {
    const effects = await disturbed(
      (real, times) => (run, work) =>
        real(run, async (tx) => {
          const transition = await work(tx);
          if (times === time) throw new Error("the connection broke");
          return transition;
        }),
    );
    expect(effects).toEqual(BOTH);
  });

  it.each([1, 2])("writes nothing under a lease that is over, and is made again, the %ith time", async (time) => {
    const effects = await disturbed(
      (real, times) => (run, work) =>
        real(run, async (tx) => {
          const transition = await work(tx);
          if (transition === undefined || times !== time) return transition;
          return { ...transition, lease: { ...transition.lease, epoch: transition.lease.epoch + 99 } };
        }),
    );
    expect(effects).toEqual(BOTH);
  });

  it("leaves nothing of an attempt that failed, and is tried again like any other", async () => {
    await using scene = new Scene("sqlite");
    const flaky = flow("flaky", { version: "1" })
      .transaction(
        "write",
        (tx: Database, _, { attempt, run }) => {
          write(tx, run.id, `attempt-${attempt}`);
          if (attempt < 3) throw new Error(`no ${attempt}`);
          return attempt;
        },
        { retry: { attempts: 3, backoff: "immediate" } },
      )
      .build();
    const flujo = scene.open({ flows: [flaky] });
    expect(await flujo.run(flaky, null, { id: "f" })).toMatchObject({ output: 3 });
    expect(effectsIn(scene.path("flujo.db"))).toEqual(["f attempt-3"]);
    expect((await eventsOf(flujo, "f", "step.failed")).map(({ failure }) => failure.message)).toEqual(["no 1", "no 2"]);
  });

  it("is bound by its timeout and its schemas like any other, and rolled back when they say no", async () => {
    await using scene = new Scene("sqlite");
    const slow = flow("slow", { version: "1" })
      .transaction(
        "write",
        async (tx: Database, _, { run, signal }) => {
          write(tx, run.id, "late");
          await new Promise((resolve) => signal.addEventListener("abort", resolve));
        },
        { timeout: 20 },
      )
      .build();
    const flujo = scene.open({ flows: [slow] });
    expect(await flujo.run(slow, null)).toMatchObject({ status: "failed", failure: { code: "STEP_TIMEOUT" } });
    expect(effectsIn(scene.path("flujo.db"))).toEqual([]);
  });

  it("is rolled back when its run is cancelled meanwhile", async () => {
    await using scene = new Scene("sqlite");
    const path = scene.path("flujo.db");
    let asked: Promise<unknown> = Promise.resolve();
    const store = wrapped(await sqliteStore({ path }), {
      // As on a server, where a request to stop does not wait for the transaction.
      cancel: (real) => (run, reason) => {
        asked = real(run, reason);
        return Promise.resolve("requested");
      },
    });
    const begun = gate();
    const waits = flow("waits", { version: "1" })
      .transaction("write", async (tx: Database, _, { run, signal }) => {
        write(tx, run.id, "never");
        begun.open();
        await new Promise((_resolve, reject) => signal.addEventListener("abort", () => reject(signal.reason as Error)));
      })
      .build();
    const flujo = scene.open({ store, flows: [waits] });
    const handle = await flujo.start(waits, null);
    await begun.opened;
    await handle.cancel("enough");
    expect(await handle.result({ until: "end" })).toMatchObject({ status: "cancelled", reason: "enough" });
    await asked;
    await flujo.close();
    await store.close();
    expect(effectsIn(path)).toEqual([]);
  });

  it("goes on to whatever follows: branches, a map over nothing, a child run, a question", async () => {
    await using scene = new Scene("sqlite");
    const child = flow("child", { version: "1" })
      .transaction("write", (tx: Database, _, { run }) => write(tx, run.id, "child"))
      .build();
    const many = flow("many", { version: "1" })
      .transaction("one", (tx: Database, _, { run }) => write(tx, run.id, "one"))
      .parallel("both", {
        a: (b) => b.transaction("a", (tx: Database, _, { run }) => write(tx, run.id, "a")),
        b: (b) => b.transaction("b", (tx: Database, _, { run }) => write(tx, run.id, "b")),
      })
      .transaction("two", () => [] as number[])
      .map(
        "none",
        (list) => list,
        (b) => b.step("never", () => 1),
      )
      .transaction("three", () => 3)
      .call("child", child, { input: () => null })
      .transaction("four", () => 4)
      .human("ask", { message: "?" })
      .transaction("last", () => "over")
      .build();
    const flujo = scene.open({ flows: [many] });
    const paused = await flujo.run(many, null, { id: "m" });
    expect(paused.status).toBe("paused");
    expect(await flujo.resume("m", "yes")).toMatchObject({ status: "completed", output: "over" });
    const effects = effectsIn(scene.path("flujo.db"));
    expect(effects.filter((one) => one.startsWith("m "))).toEqual(["m a", "m b", "m one"]);
    expect(effects).toHaveLength(4);
  });

  it("is given the key and the queue that it names", async () => {
    await using scene = new Scene("sqlite");
    const keyed = flow("keyed", { version: "1" })
      .transaction("write", (tx: Database, _, { run }) => write(tx, run.id, "keyed"), {
        queue: "db",
        key: () => "ada",
      })
      .build();
    const flujo = scene.open({
      flows: [keyed],
      queues: { db: { concurrency: 1 } },
      worker: { queues: ["default", "db"] },
    });
    await Promise.all(["a", "b", "c"].map((id) => flujo.run(keyed, null, { id })));
    expect(effectsIn(scene.path("flujo.db"))).toEqual(["a keyed", "b keyed", "c keyed"]);
  });
});

describe("a flow with a transactional step", () => {
  it("is refused by a store without transactions, as early as it is known", async () => {
    const refused = {
      code: "TRANSACTIONS_UNSUPPORTED",
      message: expect.stringMatching(/transfer@1 has the transactional step root\/debit.*found memory/) as string,
    };
    const caller = flow("caller", { version: "1" })
      .call("t", transfer, { input: () => 1 })
      .build();
    for (const flows of [[transfer], [caller]]) {
      await using flujo = new Flujo({ store: "memory:", flows });
      await expect(flujo.open()).rejects.toMatchObject(refused);
    }
    await using empty = new Flujo({ store: "memory:" });
    await empty.open();
    await expect(empty.register(transfer)).rejects.toMatchObject(refused);
    await expect(empty.start(caller, null)).rejects.toMatchObject(refused);
    await using store = memoryStore();
    await using sqlite = new Flujo({ store, flows: [] });
    await expect(sqlite.run(transfer, 1)).rejects.toMatchObject(refused);
  });

  it("is refused without persistence, and hinders no other flow there", async () => {
    await using scene = new Scene("sqlite");
    const other = flow("other", { version: "1" })
      .step("s", () => 1)
      .build();
    const flujo = scene.open({ flows: [transfer, other] });
    expect(await flujo.run(other, null, { persist: false })).toMatchObject({ output: 1 });
    await expect(flujo.run(transfer, 1, { persist: false })).rejects.toMatchObject({
      code: "TRANSACTIONS_UNSUPPORTED",
    });
  });
});

/** The transfer has no waits: its process never comes to the point after parking. */
const CASES = FAULT_POINTS.filter((point) => point !== "after-park").flatMap((point) =>
  (["after-step", "before-commit", "after-commit"].includes(point) ? [1, 2] : [1]).map((at) => ({ point, at })),
);

describe.concurrent("after SIGKILL of its process", () => {
  it.each(CASES)("each effect has happened once: $point, time $at", async ({ point, at }) => {
    await using scene = new Scene("sqlite");
    const doom: DoomedTransfer = { store: scene.uri, point, at };
    await using doomed = new Process(new URL("doomed-transfer.ts", import.meta.url), doom);
    expect(await doomed.ended).toEqual({ code: null, signal: "SIGKILL" });
    const flujo = scene.open({
      flows: [transfer],
      worker: { lease: 300, heartbeat: 100, sweep: 50, pollInterval: 100 },
    });
    expect(await flujo.run(transfer, 41, { id: "t" })).toMatchObject({ output: "moved 42" });
    expect(effectsIn(scene.path("flujo.db"))).toEqual(BOTH);
    expect(await completedSteps(flujo, "t")).toEqual(["root/debit", "root/between", "root/credit"]);
  });
});
