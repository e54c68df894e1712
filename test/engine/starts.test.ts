import { flow } from "flujo";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { codeOf, completedSteps, gate } from "./reading.ts";
import { Scene, STORES } from "./scene.ts";

const calls: number[] = [];
const add = flow("add", { version: "1" })
  .input(z.object({ n: z.number(), when: z.date().optional() }))
  .step("add", ({ n }) => {
    calls.push(n);
    return n + 1;
  })
  .build();
const other = flow("other", { version: "1" })
  .step("x", () => 1)
  .build();

describe.each(STORES)("a start with an id of one's own on %s", (store) => {
  it("happens once, however often it is asked for, also at once and by several", async () => {
    await using scene = new Scene(store);
    calls.length = 0;
    const [one, two] = [scene.open(), scene.open()];
    const starts = Array.from({ length: 10 }, (_, i) => (i % 2 ? one : two).run(add, { n: 1 }, { id: "order-7" }));
    for (const result of await Promise.all(starts))
      expect(result).toMatchObject({ status: "completed", runId: "order-7", output: 2 });
    expect(await one.run(add, { n: 1 }, { id: "order-7" })).toMatchObject({ output: 2 });
    expect(calls).toEqual([1]);
  });

  it("compares inputs by meaning, and refuses another input or flow", async () => {
    await using scene = new Scene(store);
    const flujo = scene.open();
    const when = new Date(5);
    await flujo.run(add, { n: 1, when }, { id: "a" });
    expect(await flujo.run(add, { when: new Date(5), n: 1 }, { id: "a" })).toMatchObject({ output: 2 });
    const otherInput = flujo.start(add, { n: 2 }, { id: "a" });
    expect(await codeOf(otherInput)).toBe("RUN_EXISTS");
    await expect(otherInput).rejects.toThrow("run a exists already, started with another input");
    const otherFlow = flujo.start(other, 0, { id: "a" });
    await expect(otherFlow).rejects.toThrow("run a exists already, started with add@1");
    expect((await flujo.list()).items).toHaveLength(1);
  });

  it("answers a run that has failed or waits as it stands", async () => {
    await using scene = new Scene(store);
    const waits = flow("waits", { version: "1" }).waitForSignal("go", "go").build();
    const fails = flow("fails", { version: "1" })
      .step("fail", () => {
        throw new Error("no");
      })
      .build();
    const flujo = scene.open();
    for (let i = 0; i < 2; i++) {
      expect(await flujo.run(waits, 0, { id: "w" })).toMatchObject({ status: "waiting" });
      expect(await flujo.run(fails, 0, { id: "f" })).toMatchObject({ status: "failed" });
    }
  });

  it.each<readonly [string, Readonly<Record<string, unknown>>]>([
    ["startAt: expected a Date or milliseconds since the epoch but found an invalid date", { startAt: new Date(NaN) }],
    ["startAt: expected a Date or milliseconds since the epoch but found Infinity", { startAt: Infinity }],
    ['startAt: expected a Date or milliseconds since the epoch but found "tomorrow"', { startAt: "tomorrow" }],
    ["priority: expected a finite number but found NaN", { priority: NaN }],
    ['queue: expected 1 to 128 characters A-Za-z0-9._:- but found "g p u"', { queue: "g p u" }],
    ["metadata: expected an object but found an array", { metadata: ["a"] }],
    ["metadata.n: expected a string, a finite number or a boolean but found -Infinity", { metadata: { n: -Infinity } }],
    ["metadata.o: expected a string, a finite number or a boolean but found object", { metadata: { o: {} } }],
  ])("refuses options that mean nothing: %s", async (message, options) => {
    await using scene = new Scene(store);
    const flujo = scene.open();
    const start = flujo.start(add, { n: 1 }, options);
    expect(await codeOf(start)).toBe("OPTION_INVALID");
    await expect(start).rejects.toThrow(message);
    expect((await flujo.list()).items).toEqual([]);
  });

  it.each(["", "a b", "ü", "x".repeat(129), "a/b", "a\n"])("refuses what is no id: %j", async (id) => {
    await using scene = new Scene(store);
    const flujo = scene.open();
    expect(await codeOf(flujo.start(other, 0, { id }))).toBe("ID_INVALID");
    expect((await flujo.list()).items).toEqual([]);
  });

  it("takes every id that is one", async () => {
    await using scene = new Scene(store);
    const flujo = scene.open();
    for (const id of ["a", "A.b_c:d-9", "x".repeat(128)])
      expect(await flujo.run(other, 0, { id })).toMatchObject({ status: "completed", runId: id });
  });
});

describe.each(STORES)("a run that is not persisted on %s", (store) => {
  it("runs, leaves nothing behind, and is unknown afterwards", async () => {
    await using scene = new Scene(store);
    const flujo = scene.open({ flows: [add] });
    const result = await flujo.run(add, { n: 1 }, { persist: false });
    expect(result).toMatchObject({ status: "completed", output: 2 });
    expect((await flujo.list()).items).toEqual([]);
    expect(await codeOf(flujo.get(result.runId))).toBe("RUN_UNKNOWN");
  });

  it("uses every construct, and does not disturb others beside it", async () => {
    await using scene = new Scene(store);
    const held = gate();
    const wide = flow("wide", { version: "1" })
      .input(z.array(z.number()))
      .map("each", (b) =>
        b.step("wait", async (n) => {
          await held.opened;
          return n * 2;
        }),
      )
      .times("again", 2, (b) => b.parallel("p", { a: (c) => c.step("a", (list) => list) }).step("out", ({ a }) => a))
      .build();
    const flujo = scene.open();
    const slow = flujo.run(wide, [1, 2], { persist: false });
    expect(await flujo.run(add, { n: 1 }, { persist: false })).toMatchObject({ output: 2 });
    held.open();
    expect(await slow).toMatchObject({ output: [2, 4] });
  });

  it("fails as any other", async () => {
    await using scene = new Scene(store);
    const fails = flow("fails", { version: "1" })
      .step("fail", () => {
        throw new Error("no");
      })
      .build();
    expect(await scene.open().run(fails, 0, { persist: false })).toMatchObject({
      status: "failed",
      failure: { message: "no", at: "root/fail" },
    });
  });
});

describe.each(STORES)("the list of runs on %s", (store) => {
  const waits = flow("waits", { version: "2" }).waitForSignal("go", "go").build();

  it("filters by flow, version, status, metadata, parent and time, all at once", async () => {
    await using scene = new Scene(store);
    const flujo = scene.open({ flows: [add, waits] });
    const ids: string[] = [];
    for (let n = 0; n < 4; n++) {
      const { runId } = await flujo.run(
        add,
        { n },
        { id: `run-${n}`, metadata: { customer: n % 2 ? "a" : "b", n, vip: n > 1 } },
      );
      ids.push(runId);
    }
    const waiting = await flujo.run(waits, 0, { id: "waiting", metadata: { customer: "a" } });
    const list = async (query: Parameters<typeof flujo.list>[0]): Promise<string[]> =>
      (await flujo.list(query)).items.map(({ id }) => id);
    expect(await list({ order: "oldest" })).toEqual([...ids, waiting.runId]);
    expect(await list({})).toEqual([...ids, waiting.runId].reverse());
    expect(await list({ flow: "waits" })).toEqual([waiting.runId]);
    expect(await list({ flow: "waits", version: "1" })).toEqual([]);
    expect(await list({ status: "waiting" })).toEqual([waiting.runId]);
    expect(await list({ status: ["completed", "waiting"], metadata: { customer: "a" }, order: "oldest" })).toEqual([
      ids[1],
      ids[3],
      waiting.runId,
    ]);
    expect(await list({ metadata: { customer: "a", vip: true } })).toEqual([ids[3]]);
    expect(await list({ metadata: { n: 2 } })).toEqual([ids[2]]);
    expect(await list({ metadata: { n: "2" } })).toEqual([]);
    expect(await list({ createdAfter: Date.now() + 60_000 })).toEqual([]);
    expect(await list({ createdBefore: Date.now() + 60_000, limit: 2 })).toHaveLength(2);
  });

  it("gives pages that together are the whole, also while runs are added", async () => {
    await using scene = new Scene(store);
    const flujo = scene.open({ flows: [other] });
    const ids: string[] = [];
    for (let i = 0; i < 7; i++) ids.push((await flujo.run(other, i, { id: `run-${i}` })).runId);
    const seen: string[] = [];
    let cursor: string | undefined;
    do {
      const page = await flujo.list({ limit: 3, order: "oldest", ...(cursor !== undefined && { cursor }) });
      expect(page.items.length).toBeLessThanOrEqual(3);
      seen.push(...page.items.map(({ id }) => id));
      cursor = page.next;
      if (seen.length === 3) ids.push((await flujo.run(other, 99, { id: "run-99" })).runId);
    } while (cursor !== undefined);
    expect(seen).toEqual(ids);
  });

  it.each<readonly [string, object, string]>([
    ["a filter that does not exist", { customer: "a" }, "FILTER_UNKNOWN"],
    ["a status that does not exist", { status: "done" }, "FILTER_UNKNOWN"],
    ["a cursor of its own making", { cursor: "nonsense" }, "CURSOR_INVALID"],
    ["a page of nothing", { limit: 0 }, "FILTER_UNKNOWN"],
    ["a page of everything", { limit: 1e9 }, "FILTER_UNKNOWN"],
  ])("refuses %s", async (_, query, code) => {
    await using scene = new Scene(store);
    const flujo = scene.open();
    const found = await codeOf(flujo.list(query));
    expect([code, "OPTION_INVALID"]).toContain(found);
  });

  it("prunes runs that ended, and never others", async () => {
    await using scene = new Scene(store);
    const flujo = scene.open({ flows: [other, waits] });
    const ended = await flujo.run(other, 0);
    const waiting = await flujo.run(waits, 0);
    expect(await flujo.prune({ endedBefore: Date.now() - 60_000 })).toBe(0);
    expect(await flujo.prune({ endedBefore: Date.now() + 60_000, statuses: ["failed"] })).toBe(0);
    expect(await flujo.prune({ endedBefore: new Date(Date.now() + 60_000) })).toBe(1);
    expect(await codeOf(flujo.history(ended.runId))).toBe("RUN_UNKNOWN");
    expect((await flujo.list()).items.map(({ id }) => id)).toEqual([waiting.runId]);
    expect(await completedSteps(flujo, waiting.runId)).toEqual([]);
  });
});
