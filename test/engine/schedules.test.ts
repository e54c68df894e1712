import { flow, type Flujo, type FlujoOptions, type Observation } from "flujo";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { memoryStore } from "../../src/testing.ts";
import type { Store } from "../../src/ports/store.ts";
import { wrapped } from "../review/wrapped.ts";
import { ambientOf, VirtualClock } from "./clock.ts";
import { gate } from "./reading.ts";
import { Scene, STORES } from "./scene.ts";

const report = flow("report", { version: "1" })
  .input(z.object({ days: z.number() }))
  .step("write", ({ days }, { run }) => `${days} ${String(run.metadata["schedule"])}`)
  .build();

const MINUTE = 60_000;

/** Ids of the runs there are, oldest first. */
const runs = async (flujo: Flujo): Promise<string[]> =>
  (await flujo.list({ order: "oldest", limit: 100 })).items.map(({ id }) => id);
/** When they were due, counted from the first instant of virtual time. */
const minutes = (ids: readonly string[], clock: VirtualClock, began: number): number[] => {
  void clock;
  return ids.map((id) => (Date.parse(id.slice(id.indexOf(":") + 1)) - began) / MINUTE).sort((a, b) => a - b);
};

describe.each(STORES)("a schedule on %s", (store) => {
  it("starts one run for each tick, with its input, whoever of several workers is first", async () => {
    const clock = new VirtualClock();
    await using scene = new Scene(store, clock);
    const began = clock.now();
    const workers = [1, 2, 3].map(() => scene.open({ flows: [report] }));
    for (const worker of workers) await clock.until(worker.open());
    const [one] = workers;
    if (one === undefined) throw new Error("there are three");
    const view = await clock.until(one.schedule("nightly", { flow: report, every: "1m", input: { days: 7 } }));
    expect(view).toMatchObject({ id: "nightly", flow: "report", version: "1", everyMs: MINUTE, catchUp: 1 });
    expect(view.nextAt).toEqual(new Date(began + MINUTE));
    await clock.goOn(5.5 * MINUTE);
    const ids = await runs(one);
    expect(minutes(ids, clock, began)).toEqual([1, 2, 3, 4, 5]);
    expect(ids[0]).toBe(`nightly:${new Date(began + MINUTE).toISOString()}`);
    expect(await clock.until(one.result(ids[4] ?? ""))).toMatchObject({ output: "7 nightly" });
    const [listed] = await one.schedules();
    expect(listed).toMatchObject({ lastRun: ids[4], lastAt: new Date(began + 5 * MINUTE) });
    expect(await one.unschedule("nightly")).toBe(true);
    expect(await one.unschedule("nightly")).toBe(false);
    await clock.goOn(2 * MINUTE);
    expect(await runs(one)).toHaveLength(5);
  });

  it("is found within seconds by workers of other processes, and by those alone that have its flow", async () => {
    const clock = new VirtualClock();
    await using scene = new Scene(store, clock);
    const without = scene.open();
    const worker = scene.open({ flows: [report] });
    await clock.until(Promise.all([without.open(), worker.open()]));
    await clock.goOn(1_000);
    const client = scene.open({ flows: [report], worker: false });
    await clock.until(client.schedule("soon", { flow: "report", every: "1s", input: { days: 1 } }));
    await clock.goOn(6_500);
    expect((await runs(client)).length).toBeGreaterThanOrEqual(1);
  });

  it("does not start while paused, nor makes up for that, and goes on with the next tick", async () => {
    const clock = new VirtualClock();
    await using scene = new Scene(store, clock);
    const began = clock.now();
    const flujo = scene.open({ flows: [report] });
    await clock.until(flujo.schedule("p", { flow: report, every: "1m", input: { days: 1 }, catchUp: { max: 9 } }));
    await clock.goOn(1.5 * MINUTE);
    expect(await clock.until(flujo.pauseSchedule("p"))).toMatchObject({ paused: true });
    expect((await flujo.schedules())[0]?.nextAt).toBe(undefined);
    await clock.goOn(3 * MINUTE);
    expect(await clock.until(flujo.resumeSchedule("p"))).toMatchObject({ paused: false });
    await clock.goOn(1 * MINUTE);
    expect(minutes(await runs(flujo), clock, began)).toEqual([1, 5]);
    await expect(flujo.pauseSchedule("q")).rejects.toMatchObject({ code: "SCHEDULE_UNKNOWN" });
  });

  it.each([
    ["none" as const, [1, 11]],
    ["last" as const, [1, 10, 11]],
    [{ max: 3 }, [1, 8, 9, 10, 11]],
  ])("makes up for a downtime as it was told: %j", async (catchUp, expected) => {
    const clock = new VirtualClock();
    await using scene = new Scene(store, clock);
    const began = clock.now();
    const before = scene.open({ flows: [report] });
    const options = { flow: report, every: "1m", input: { days: 1 }, catchUp } as const;
    await clock.until(before.schedule("c", options));
    await clock.goOn(1.5 * MINUTE);
    await clock.until(before.close(), 20_000);
    await clock.pass(9 * MINUTE + 20_000); // 10:50 and more: the tick of the tenth minute is late by that
    const after = scene.open({ flows: [report] });
    await clock.until(after.schedule("c", options)); // says at its start what its schedules are, as services do
    await clock.goOn(0.9 * MINUTE);
    expect(minutes(await runs(after), clock, began)).toEqual(expected);
  });

  it("skips a tick while the run before goes on, when it shall", async () => {
    const clock = new VirtualClock();
    await using scene = new Scene(store, clock);
    const began = clock.now();
    const held = gate();
    let first = true;
    const slow = flow("slow", { version: "1" })
      .step("work", async () => {
        const waits = first;
        first = false;
        if (waits) await held.opened;
      })
      .build();
    const seen: Observation[] = [];
    const flujo = scene.open({ flows: [slow], observers: [{ observe: (one) => void seen.push(one) }] });
    await clock.until(flujo.schedule("o", { flow: slow, every: "1m", overlap: "skip" }));
    await clock.goOn(3.5 * MINUTE);
    held.open();
    await clock.goOn(1 * MINUTE);
    expect(minutes(await runs(flujo), clock, began)).toEqual([1, 4]);
    const told = seen.filter(({ kind }) => kind.startsWith("schedule."));
    expect(told.map((one) => [one.kind, "why" in one ? one.why : ""])).toEqual([
      ["schedule.started", ""],
      ["schedule.skipped", "overlap"],
      ["schedule.skipped", "overlap"],
      ["schedule.started", ""],
    ]);
  });

  it("has its runs in the queue, with the key, the priority and the facts that it names", async () => {
    const clock = new VirtualClock();
    await using scene = new Scene(store, clock);
    const flujo = scene.open({ flows: [report] });
    await clock.until(
      flujo.schedule("q", {
        flow: report,
        cron: "* * * * *",
        timezone: "Europe/Berlin",
        input: { days: 1 },
        queue: "mail",
        key: "ada",
        priority: 3,
        metadata: { team: "x" },
      }),
    );
    await clock.goOn(1.5 * MINUTE);
    const [id] = await runs(flujo);
    const details = await flujo.get(id ?? "");
    expect(details.metadata).toEqual({ team: "x", schedule: "q" });
    expect(details.fibers).toMatchObject([{ queue: "mail", lane: "ada", priority: 3 }]);
    expect((await flujo.schedules())[0]).toMatchObject({ cron: "* * * * *", timezone: "Europe/Berlin", key: "ada" });
  });
});

describe("a scheduler", () => {
  const open = (scene: Scene, store: Store, clock: VirtualClock, more: FlujoOptions = {}): Flujo =>
    scene.open({ store, flows: [report], ambient: ambientOf(clock), ...more });

  it("that dies between starting a run and moving on leaves a tick that is started once all the same", async () => {
    const clock = new VirtualClock();
    await using scene = new Scene("memory", clock);
    const began = clock.now();
    const real = memoryStore({ clock });
    let dead = false;
    const doomed = wrapped(real, {
      moveSchedule: () => () => {
        dead = true;
        return Promise.reject(new Error("the process died here"));
      },
      schedules: (read) => () => (dead ? Promise.reject(new Error("dead")) : read()),
    });
    const first = open(scene, doomed, clock);
    await clock.until(first.schedule("s", { flow: report, every: "1m", input: { days: 1 } }));
    await clock.goOn(1.5 * MINUTE);
    expect(dead).toBe(true);
    expect(minutes(await runs(first), clock, began)).toEqual([1]);
    expect((await real.schedules())[0]).toMatchObject({ nextAt: began + MINUTE });
    const second = open(scene, real, clock, { ambient: ambientOf(clock, 2) });
    await clock.until(second.open());
    await clock.goOn(1 * MINUTE);
    expect(minutes(await runs(second), clock, began)).toEqual([1, 2]);
    await clock.until(Promise.all([first.close(), second.close()]), 30_000);
    await real.close();
  });

  it.each([-20_000, 20_000])(
    "whose clock is wrong by %i ms starts no tick twice, and none too early",
    async (wrongByMs) => {
      const clock = new VirtualClock();
      await using scene = new Scene("memory", clock);
      const began = clock.now();
      const real = memoryStore({ clock });
      const startedAt: number[] = [];
      const timed = flow("report", { version: "1" })
        .step("write", () => void startedAt.push(clock.now()))
        .build();
      const wrong = {
        now: () => clock.now() + wrongByMs,
        monotonic: () => clock.monotonic(),
        after: (ms: number, callback: () => void) => clock.after(ms, callback),
      };
      const right = open(scene, real, clock, { flows: [timed] });
      const other = open(scene, real, clock, { flows: [timed], ambient: ambientOf(wrong, 2) });
      await clock.until(Promise.all([right.open(), other.open()]));
      await clock.until(right.schedule("s", { flow: timed, every: "1m" }));
      await clock.goOn(4.9 * MINUTE);
      expect(minutes(await runs(right), clock, began)).toEqual([1, 2, 3, 4, ...(wrongByMs > 0 ? [5] : [])]);
      for (const [i, at] of startedAt.entries()) expect(at).toBeGreaterThanOrEqual(began + (i + 1) * MINUTE);
      expect(startedAt).toHaveLength(4);
      await clock.goOn(MINUTE);
      await clock.until(Promise.all([right.close(), other.close()]), 30_000);
      await real.close();
    },
  );

  it("reads schedules no more often than every five seconds", async () => {
    const clock = new VirtualClock();
    await using scene = new Scene("memory", clock);
    const real = memoryStore({ clock });
    let reads = 0;
    const store = wrapped(real, {
      schedules: (read) => () => {
        reads += 1;
        return read();
      },
    });
    const flujo = open(scene, store, clock);
    await clock.until(flujo.open());
    await clock.goOn(1_000);
    reads = 0;
    await clock.goOn(60_000);
    expect(reads).toBeLessThanOrEqual(12);
    await clock.until(flujo.close(), 30_000);
    await real.close();
  });

  it("is not there when it shall not be", async () => {
    const clock = new VirtualClock();
    await using scene = new Scene("memory", clock);
    const flujo = scene.open({ flows: [report], worker: { schedules: false } });
    await clock.until(flujo.schedule("s", { flow: report, every: "1s", input: { days: 1 } }));
    await clock.goOn(10_000);
    expect(await runs(flujo)).toEqual([]);
  });

  it("skips a tick whose input its flow refuses by now, and says so", async () => {
    const clock = new VirtualClock();
    await using scene = new Scene("memory", clock);
    let strict = false;
    const picky = flow("picky", { version: "1" })
      .input(z.unknown().refine(() => !strict, "no more"))
      .step("s", () => 1)
      .build();
    const seen: Observation[] = [];
    const flujo = scene.open({ flows: [picky], observers: [{ observe: (one) => void seen.push(one) }] });
    await clock.until(flujo.schedule("s", { flow: picky, every: "1m", input: 1 }));
    strict = true;
    await clock.goOn(1.5 * MINUTE);
    expect(seen.find(({ kind }) => kind === "schedule.skipped")).toMatchObject({
      why: "refused",
      failure: { code: "INPUT_INVALID" },
    });
    strict = false;
    await clock.goOn(MINUTE);
    expect(await runs(flujo)).toHaveLength(1);
  });
});

describe("a schedule that is wrong", () => {
  const input = { days: 1 };
  it.each<[string, object, string, RegExp]>([
    ["id", { id: "no name", cron: "* * * * *" }, "SCHEDULE_INVALID", /id: expected 1 to 103 characters/],
    ["rhythm", {}, "SCHEDULE_INVALID", /either cron or every/],
    ["two rhythms", { cron: "* * * * *", every: "1m" }, "SCHEDULE_INVALID", /either cron or every/],
    ["pattern", { cron: "* * * 13 *" }, "SCHEDULE_INVALID", /cron: expected five or six fields/],
    ["pattern without a day", { cron: "0 0 31 2 *" }, "SCHEDULE_INVALID", /there is no tick after/],
    ["span", { every: "10ms" }, "SCHEDULE_INVALID", /every: expected at least 1 s but found 10 ms/],
    ["no span", { every: "soon" }, "SCHEDULE_INVALID", /every/],
    [
      "time zone",
      { cron: "* * * * *", timezone: "Mars/Olympus" },
      "SCHEDULE_INVALID",
      /timezone: expected an IANA name/,
    ],
    ["catch-up", { every: "1m", catchUp: { max: 0 } }, "SCHEDULE_INVALID", /catchUp: expected none, last or/],
    ["overlap", { every: "1m", overlap: "maybe" }, "SCHEDULE_INVALID", /overlap: expected allow or skip/],
    ["end", { every: "1m", startAt: 10, endAt: 5 }, "SCHEDULE_INVALID", /endAt: expected a time after startAt/],
    ["end in the past", { every: "1m", endAt: 5 }, "SCHEDULE_INVALID", /there is no tick/],
    ["input", { every: "1m", input: { days: "x" } }, "INPUT_INVALID", /days/],
    ["queue", { every: "1m", queue: "no name" }, "OPTION_INVALID", /queue/],
    ["key", { every: "1m", key: "" }, "OPTION_INVALID", /key/],
    ["flow", { every: "1m", flow: "nobody" }, "FLOW_UNKNOWN", /nobody/],
  ])("in its %s is refused", async (_, { id = "s", ...options }: { id?: string }, code, says) => {
    await using scene = new Scene("memory");
    const flujo = scene.open({ flows: [report] });
    const making = flujo.schedule(id, { flow: report, input, ...options } as never);
    await expect(making).rejects.toMatchObject({ code });
    await expect(making).rejects.toThrow(says);
    expect(await flujo.schedules()).toEqual([]);
  });

  it("says all that is wrong at once", async () => {
    await using scene = new Scene("memory");
    const flujo = scene.open({ flows: [report] });
    await expect(flujo.schedule("a b", { flow: report, input, overlap: "x" } as never)).rejects.toThrow(
      /id: .*; expected either cron or every; overlap: /,
    );
  });
});
