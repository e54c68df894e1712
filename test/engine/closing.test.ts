import { flow, Flujo } from "flujo";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { VirtualClock } from "./clock.ts";
import { codeOf, completedSteps, eventsOf, gate } from "./reading.ts";
import { Scene, STORES } from "./scene.ts";

const quick = flow("quick", { version: "1" })
  .step("x", () => 1)
  .build();

describe.each(STORES)("closing on %s", (store) => {
  it("is legal before anything was opened, twice, and at once from several sides", async () => {
    await using scene = new Scene(store);
    const unused = scene.open({ flows: [quick] });
    await unused.close();
    const used = scene.open({ flows: [quick] });
    await used.run(quick, 0);
    await Promise.all([used.close(), used.close(), used[Symbol.asyncDispose]()]);
    await used.close();
    for (const operation of [
      () => used.run(quick, 0),
      () => used.start(quick, 0),
      () => used.get("x"),
      () => used.list(),
      () => used.signal("x", "y"),
      () => used.resume("x", 1),
      () => used.cancel("x"),
      () => used.open(),
      () => used.run(quick, 0, { persist: false }),
    ])
      expect(await codeOf(operation())).toBe("CLOSED");
  });

  it("while it is being opened leaves nothing open", async () => {
    await using scene = new Scene(store);
    const flujo = scene.open({ flows: [quick] });
    const opening = flujo.open();
    await flujo.close();
    await opening;
    expect(await codeOf(flujo.open())).toBe("CLOSED");
  });

  it("while runs are being started loses none that was acknowledged", async () => {
    await using scene = new Scene(store);
    const flujo = scene.open({ flows: [quick] });
    await flujo.open();
    const starts = Array.from({ length: 50 }, () => flujo.start(quick, 0).then(({ runId }) => runId, codeOf0));
    const closed = flujo.close();
    const ids = (await Promise.all(starts)).filter((id) => !id.startsWith("error "));
    await closed;
    const later = scene.open({ flows: [quick] });
    for (const id of ids) expect(await later.result(id)).toMatchObject({ status: "completed", output: 1 });
    expect((await later.list({ limit: 100, status: ["pending", "running"] })).items).toEqual([]);
  });

  it("tells those who wait for a result, and hands the run to whoever comes next", async () => {
    await using scene = new Scene(store);
    const waits = flow("waits", { version: "1" }).waitForSignal("go", "go").build();
    const flujo = scene.open({ flows: [waits] });
    const handle = await flujo.start(waits, 0);
    const result = codeOf(handle.result({ until: "end" }));
    const stream = codeOf(
      (async () => {
        for await (const _ of handle.events()) void _;
        await handle.output();
      })(),
    );
    await flujo.result(handle.runId);
    await flujo.close();
    expect(await result).toBe("CLOSED");
    expect(await stream).toBe("CLOSED");
    const later = scene.open({ flows: [waits] });
    await later.signal(handle.runId, "go", 1);
    expect(await later.handle(handle.runId).output()).toBe(1);
  });

  it("lets steps under way finish within the drain time, everywhere in a fork", async () => {
    await using scene = new Scene(store);
    const held = gate();
    let begun = 0;
    const all = gate();
    const wide = flow("wide", { version: "1" })
      .map(
        "each",
        () => [1, 2, 3, 4],
        (b) =>
          b.step("work", async (n) => {
            if (++begun === 4) all.open();
            await held.opened;
            return n * 2;
          }),
      )
      .step("sum", (list) => list.reduce((a, b) => a + b, 0))
      .build();
    const first = scene.open({ flows: [wide] });
    const { runId } = await first.start(wide, 0);
    await all.opened;
    const closed = first.close();
    held.open();
    await closed;
    const second = scene.open({ flows: [wide] });
    expect(await second.handle(runId).output()).toBe(20);
    expect(begun).toBe(4);
    expect(await completedSteps(second, runId)).toHaveLength(5);
  });

  it("aborts what does not finish in time, which is no failure of the step", async () => {
    const clock = new VirtualClock();
    await using scene = new Scene(store, clock);
    const reasons: unknown[] = [];
    const begun = gate();
    const slow = flow("slow", { version: "1" })
      .step("work", (_, { signal, resources }) => {
        if (resources["last"] === true) return "done";
        signal.addEventListener("abort", () => reasons.push((signal.reason as { code?: string }).code));
        begun.open();
        return new Promise((_resolve, reject) =>
          signal.addEventListener("abort", () => reject(signal.reason as Error)),
        );
      })
      .build();
    const first = scene.open({ flows: [slow], worker: { drain: "2s" } });
    const { runId } = await first.start(slow, 0);
    await begun.opened;
    const before = clock.now();
    await clock.until(first.close(), 5_000);
    expect(clock.now() - before).toBeGreaterThanOrEqual(2_000);
    expect(reasons).toEqual(["CLOSED"]);
    const second = scene.open({ flows: [slow], resources: { last: true } });
    expect(await clock.until(second.handle(runId).output(), 5_000)).toBe("done");
    expect(await eventsOf(second, runId, "step.failed")).toEqual([]);
  });

  it("does not wait for ever for a step that ignores its signal", async () => {
    const clock = new VirtualClock();
    await using scene = new Scene(store, clock);
    const begun = gate();
    const held = gate();
    const deaf = flow("deaf", { version: "1" })
      .step("work", async (_, { resources }) => {
        if (resources["last"] === true) return "by the next";
        begun.open();
        await held.opened;
        return "late";
      })
      .build();
    const first = scene.open({ flows: [deaf], worker: { drain: "1s" } });
    const { runId } = await first.start(deaf, 0);
    await begun.opened;
    await clock.until(first.close(), 10_000);
    const second = scene.open({ flows: [deaf], resources: { last: true } });
    expect(await clock.until(second.handle(runId).output(), 10_000)).toBe("by the next");
    held.open();
    await clock.goOn(1_000);
    expect(await second.get(runId)).toMatchObject({ output: "by the next" });
  });

  it("leaves a store open that it was given", async () => {
    await using scene = new Scene(store);
    const one = scene.open({ flows: [quick] });
    const two = scene.open({ flows: [quick] });
    await two.run(quick, 0);
    await one.run(quick, 0);
    await one.close();
    expect(await two.run(quick, 0)).toMatchObject({ status: "completed" });
  });

  it("happens by itself at the end of a scope", async () => {
    await using scene = new Scene(store);
    let outside: Flujo | undefined;
    {
      await using flujo = new Flujo({ store: scene.uri, flows: [quick] });
      outside = flujo;
      expect(await flujo.run(quick, 0)).toMatchObject({ status: "completed" });
    }
    expect(await codeOf(outside.list())).toBe("CLOSED");
  });
});

const codeOf0 = (error: unknown): string => `error ${String(error)}`;

describe("opening", () => {
  it.each<readonly [string, string, RegExp]>([
    ["mysql://user:secret@host/db", "STORE_URI_INVALID", /found "mysql:\/\/\*\*\*@host\/db"/],
    ["flujo.db", "STORE_URI_INVALID", /expected a store URI such as sqlite/],
    ["sqlite:", "STORE_URI_INVALID", /expected a file after sqlite:/],
    ["sqlite:./x.db?mode=fast", "STORE_URI_INVALID", /expected no parameter but durability, found "mode"/],
    ["sqlite:./x.db?durability=maybe", "STORE_URI_INVALID", /durability: expected full or normal/],
    ["redis://u:secret@a:1,b:2/7", "STORE_URI_INVALID", /a cluster has no database but 0/],
    ["redis://u:secret@a?cluster=yes", "STORE_URI_INVALID", /cluster: expected true or false but found "yes"/],
    [
      "postgres://u:se?cr@et@h/d?poolMax=many",
      "STORE_URI_INVALID",
      /^poolMax: expected a whole number but found "many"/,
    ],
    ["postgres://u:secret@localhost:1/d?profile=mysql", "OPTION_INVALID", /profile: expected one of postgres/],
  ])("refuses %s and says why", async (store, code, message) => {
    await using flujo = new Flujo({ store });
    const opening = flujo.open();
    expect(await codeOf(opening)).toBe(code);
    await expect(opening).rejects.toThrow(message);
    expect(await codeOf(flujo.run(quick, 0))).toBe(code); // and again, not for ever silent
  });

  it.each<readonly [string, object]>([
    ["no slots", { concurrency: 0 }],
    ["half a slot", { concurrency: 1.5 }],
    ["a heartbeat as long as its lease", { heartbeat: 1_000, lease: 1_000 }],
    ["a poll of nothing", { pollInterval: 0 }],
    ["a drain of nonsense", { drain: "soon" }],
    ["no batch", { batchSize: 0 }],
  ])("refuses a worker with %s", async (_, worker) => {
    await using scene = new Scene("memory");
    expect(await codeOf(scene.open({ worker }).open())).toBe("OPTION_INVALID");
  });

  it("refuses two different flows of one name and version", async () => {
    await using scene = new Scene("memory");
    const changed = flow("quick", { version: "1" })
      .step("y", () => 1)
      .build();
    expect(() => new Flujo({ flows: [quick, changed] })).toThrow(
      expect.objectContaining({ code: "DEFINITION_CONFLICT" }) as Error,
    );
    const flujo = scene.open({ flows: [quick] });
    expect(await codeOf(flujo.register(changed))).toBe("DEFINITION_CONFLICT");
    expect(await codeOf(flujo.run(changed, z.never))).toBe("DEFINITION_CONFLICT");
    await flujo.register(quick);
    expect(await flujo.run("quick", 0)).toMatchObject({ status: "completed" });
  });
});
