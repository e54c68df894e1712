import { runId } from "../../domain/ids.ts";
import type { ScheduleRecord } from "../../ports/schedule.ts";
import { START_MS } from "./records.ts";
import type { AspectSuite } from "./suite.ts";

const nightly = (given: Partial<ScheduleRecord> = {}): ScheduleRecord => ({
  id: "nightly",
  spec: { flow: "parcel", cron: "0 3 * * *", input: { deep: [1, null, { text: "a\0b" }] } },
  nextAt: START_MS + 100,
  ...given,
});

/** One without a next tick. */
function paused(): ScheduleRecord {
  const { nextAt: _nextAt, ...schedule } = nightly();
  return schedule;
}

const TICK = { nextAt: START_MS + 200, lastAt: START_MS + 100, lastRun: runId("nightly-100") };

export const schedules: AspectSuite = {
  aspect: "schedules",
  title: "keeps schedules",
  define({ it, expect }) {
    it("knows none at first", async ({ store }) => {
      expect(await store.schedules()).toEqual([]);
    });

    it("shows a schedule as it was put", async ({ store }) => {
      const schedule = nightly({ lastAt: START_MS, lastRun: runId("nightly-0") });
      await store.putSchedule(schedule);
      expect(await store.schedules()).toEqual([schedule]);
    });

    it("shows a schedule without a next tick", async ({ store }) => {
      await store.putSchedule(paused());
      expect(await store.schedules()).toEqual([paused()]);
      expect("nextAt" in ((await store.schedules())[0] ?? {})).toBe(false);
    });

    it("lists schedules by id", async ({ store }) => {
      for (const id of ["b", "c", "B", "a", "a.1"]) await store.putSchedule(nightly({ id }));
      expect((await store.schedules()).map(({ id }) => id)).toEqual(["B", "a", "a.1", "b", "c"]);
    });

    it("replaces a schedule whole", async ({ store }) => {
      await store.putSchedule(nightly({ lastAt: START_MS, lastRun: runId("nightly-0") }));
      await store.putSchedule({ id: "nightly", spec: "other" });
      expect(await store.schedules()).toEqual([{ id: "nightly", spec: "other" }]);
    });

    it("removes a schedule, and says whether there was one", async ({ store }) => {
      await store.putSchedule(nightly());
      await store.putSchedule(nightly({ id: "other" }));
      expect(await store.removeSchedule("nightly")).toBe(true);
      expect(await store.removeSchedule("nightly")).toBe(false);
      expect((await store.schedules()).map(({ id }) => id)).toEqual(["other"]);
    });

    it("moves a schedule on", async ({ store }) => {
      await store.putSchedule(nightly());
      expect(await store.moveSchedule(nightly(), TICK)).toBe(true);
      expect(await store.schedules()).toEqual([{ ...nightly(), ...TICK }]);
    });

    it("lets one of two win that move a schedule at the same time", async ({ store }) => {
      await store.putSchedule(nightly());
      const moves = await Promise.all(
        [1, 2, 3, 4].map(async (i) => store.moveSchedule(nightly(), { ...TICK, lastRun: runId(`mover-${i}`) })),
      );
      expect(moves.filter((won) => won)).toEqual([true]);
      expect(await store.schedules()).toMatchObject([{ lastRun: `mover-${moves.indexOf(true) + 1}` }]);
    });

    it("moves whatever it showed, from what it showed", async ({ store }) => {
      await store.putSchedule(nightly());
      for (let tick = 1; tick <= 3; tick++) {
        const [seen] = await store.schedules();
        if (seen === undefined) throw new Error("expected the schedule to be listed");
        expect(await store.moveSchedule(seen, { nextAt: START_MS + tick * 1_000, lastAt: START_MS + tick })).toBe(true);
      }
      expect(await store.schedules()).toMatchObject([{ nextAt: START_MS + 3_000, lastAt: START_MS + 3 }]);
    });

    it("moves a schedule to its end, and from there", async ({ store }) => {
      await store.putSchedule(nightly());
      expect(await store.moveSchedule(nightly(), { lastAt: START_MS + 100 })).toBe(true);
      expect(await store.schedules()).toEqual([{ ...paused(), lastAt: START_MS + 100 }]);
      expect(await store.moveSchedule(nightly(), TICK)).toBe(false);
      expect(await store.moveSchedule(paused(), TICK)).toBe(true);
    });

    const changes: readonly (readonly [what: string, now: ScheduleRecord])[] = [
      ["was given another spec", nightly({ spec: { flow: "parcel", cron: "0 4 * * *" } })],
      ["was given another next tick", nightly({ nextAt: START_MS + 101 })],
      ["was paused", paused()],
    ];
    for (const [what, now] of changes) {
      it(`does not move a schedule that ${what} meanwhile`, async ({ store }) => {
        await store.putSchedule(nightly());
        await store.putSchedule(now);
        expect(await store.moveSchedule(nightly(), TICK)).toBe(false);
        expect(await store.schedules()).toEqual([now]);
      });
    }

    it("does not move a schedule that is gone", async ({ store }) => {
      expect(await store.moveSchedule(nightly(), TICK)).toBe(false);
      expect(await store.schedules()).toEqual([]);
    });

    it("tells schedules of one spec apart", async ({ store }) => {
      await store.putSchedule(nightly());
      await store.putSchedule(nightly({ id: "other" }));
      expect(await store.moveSchedule(nightly({ id: "other" }), TICK)).toBe(true);
      expect(await store.schedules()).toEqual([nightly(), { ...nightly({ id: "other" }), ...TICK }]);
    });
  },
};
