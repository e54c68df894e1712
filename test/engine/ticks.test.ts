import { describe, expect, it } from "vitest";
import { firing, nextTick, type Rhythm, type ScheduleSpec, tickRunId } from "../../src/engine/schedules.ts";

const at = (iso: string): number => Date.parse(iso);
const iso = (time: number | undefined): string | undefined =>
  time === undefined ? undefined : new Date(time).toISOString();
const cron = (pattern: string, timezone = "UTC"): Rhythm => ({ kind: "cron", pattern, timezone });
const every = (everyMs: number, anchor = "2027-01-01T00:00:00Z"): Rhythm => ({
  kind: "every",
  everyMs,
  anchorAt: at(anchor),
});

/** The next ticks after a time. */
function ticks(rhythm: Rhythm, after: string, count: number): (string | undefined)[] {
  const found: (string | undefined)[] = [];
  for (let last: number | undefined = at(after); found.length < count && last !== undefined; ) {
    last = nextTick({ rhythm }, last);
    found.push(iso(last));
  }
  return found;
}

const spec = (rhythm: Rhythm, more: Partial<ScheduleSpec> = {}): ScheduleSpec => ({
  v: 1,
  flow: "f",
  version: "1",
  rhythm,
  input: null,
  catchUp: 1,
  overlap: "allow",
  paused: false,
  ...more,
});

describe("ticks of a cron pattern", () => {
  it.each([
    ["0 3 * * *", "UTC", "2027-05-01T00:00:00Z", ["2027-05-01T03:00:00.000Z", "2027-05-02T03:00:00.000Z"]],
    ["0 3 * * *", "America/New_York", "2027-05-01T00:00:00Z", ["2027-05-01T07:00:00.000Z"]],
    ["*/20 * * * * *", "UTC", "2027-05-01T00:00:00Z", ["2027-05-01T00:00:20.000Z", "2027-05-01T00:00:40.000Z"]],
    ["0 0 29 2 *", "UTC", "2027-05-01T00:00:00Z", ["2028-02-29T00:00:00.000Z", "2032-02-29T00:00:00.000Z"]],
    ["@weekly", "UTC", "2027-05-01T00:00:00Z", ["2027-05-02T00:00:00.000Z", "2027-05-09T00:00:00.000Z"]],
  ])("%s in %s come when they should", (pattern, timezone, after, expected) => {
    expect(ticks(cron(pattern, timezone), after, expected.length)).toEqual(expected);
  });

  it("whose time does not exist on the day the clocks go forward come at the first that does", () => {
    expect(ticks(cron("30 2 * * *", "Europe/Berlin"), "2027-03-27T12:00:00Z", 2)).toEqual([
      "2027-03-28T01:00:00.000Z", // 03:00, since 02:30 is not
      "2027-03-29T00:30:00.000Z",
    ]);
  });

  it("whose time comes twice on the day the clocks go back come once, at the first", () => {
    expect(ticks(cron("30 2,14 * * *", "Europe/Berlin"), "2027-10-30T20:00:00Z", 3)).toEqual([
      "2027-10-31T00:30:00.000Z", // 02:30 in summer time; 01:30Z is 02:30 again
      "2027-10-31T13:30:00.000Z",
      "2027-11-01T01:30:00.000Z",
    ]);
  });

  it("with a step go on through both: nothing is skipped, nothing bunched", () => {
    expect(ticks(cron("*/30 * * * *", "Europe/Berlin"), "2027-10-31T00:15:00Z", 4)).toEqual([
      "2027-10-31T00:30:00.000Z",
      "2027-10-31T01:00:00.000Z",
      "2027-10-31T01:30:00.000Z",
      "2027-10-31T02:00:00.000Z",
    ]);
  });

  it.each([
    ["61 * * * *", /cron: expected five or six fields but found "61 \* \* \* \*": Invalid value for minute: 61/],
    ["* * *", /five or six fields/],
    ["soon", /found "soon"/],
    ["0 0 * * * 1 2027", /five or six fields/],
  ])("is refused when it is %s", (pattern, says) => {
    expect(() => nextTick({ rhythm: cron(pattern) }, 0)).toThrow(says);
  });

  it("never come when no day fits", () => {
    expect(nextTick({ rhythm: cron("0 0 31 2 *") }, at("2027-01-01T00:00:00Z"))).toBe(undefined);
  });
});

describe("ticks of a span", () => {
  it("keep their distance from their anchor, whenever they are asked for", () => {
    const rhythm = every(90_000);
    expect(ticks(rhythm, "2026-12-31T00:00:00Z", 2)).toEqual(["2027-01-01T00:00:00.000Z", "2027-01-01T00:01:30.000Z"]);
    expect(ticks(rhythm, "2027-01-01T00:01:30Z", 1)).toEqual(["2027-01-01T00:03:00.000Z"]);
    expect(ticks(rhythm, "2027-01-01T00:01:29.999Z", 1)).toEqual(["2027-01-01T00:01:30.000Z"]);
  });

  it("lie between the start and the end, the start included", () => {
    const bounds = { startAt: at("2027-01-01T00:00:00Z"), endAt: at("2027-01-03T00:00:00Z") };
    const daily = { rhythm: cron("0 0 * * *"), ...bounds };
    expect(iso(nextTick(daily, 0))).toBe("2027-01-01T00:00:00.000Z");
    expect(iso(nextTick(daily, bounds.startAt))).toBe("2027-01-02T00:00:00.000Z");
    expect(nextTick(daily, at("2027-01-02T00:00:00Z"))).toBe(undefined);
  });
});

describe("what is started after a downtime", () => {
  const due = at("2027-01-01T00:00:00Z");
  const hourly = cron("0 * * * *");
  const ago = (more: Partial<ScheduleSpec>, now: string): [string[], string | undefined] => {
    const { ticks: found, nextAt } = firing(spec(hourly, more), due, at(now));
    return [found.map((one) => iso(one)?.slice(11, 16) ?? ""), iso(nextAt)?.slice(11, 16)];
  };

  it.each<[string, Partial<ScheduleSpec>, string, string[], string | undefined]>([
    ["is the tick, when it is on time", { catchUp: 0 }, "2027-01-01T00:00:02Z", ["00:00"], "01:00"],
    ["is nothing, when only what is on time shall be", { catchUp: 0 }, "2027-01-01T05:20:00Z", [], "06:00"],
    [
      "is the last one, when it is on time, whatever was missed",
      { catchUp: 0 },
      "2027-01-01T05:00:09Z",
      ["05:00"],
      "06:00",
    ],
    ["is the last one", { catchUp: 1 }, "2027-01-01T05:20:00Z", ["05:00"], "06:00"],
    ["are the newest, oldest first", { catchUp: 3 }, "2027-01-01T05:20:00Z", ["03:00", "04:00", "05:00"], "06:00"],
    ["are all, when there are fewer", { catchUp: 9 }, "2027-01-01T01:20:00Z", ["00:00", "01:00"], "02:00"],
    [
      "is nothing after the end",
      { catchUp: 9, endAt: at("2027-01-01T01:30:00Z") },
      "2027-01-01T05:20:00Z",
      ["00:00", "01:00"],
      undefined,
    ],
  ])("%s", (_, more, now, ...expected) => {
    expect(ago(more, now)).toEqual(expected);
  });

  it("is found at once, however long the downtime was", () => {
    const began = performance.now();
    const everySecond = spec(every(1_000), { catchUp: 2 });
    const found = firing(everySecond, due, at("2037-01-01T00:00:00.500Z"));
    expect(found.ticks.map(iso)).toEqual(["2036-12-31T23:59:59.000Z", "2037-01-01T00:00:00.000Z"]);
    firing(spec(cron("* * * * * *"), { catchUp: 2 }), due, at("2037-01-01T00:00:00.500Z"));
    expect(performance.now() - began).toBeLessThan(200);
  });
});

describe("the run of a tick", () => {
  it("has the id that the schedule and the tick give", () => {
    expect(tickRunId("nightly", at("2027-01-01T03:00:00Z"))).toBe("nightly:2027-01-01T03:00:00.000Z");
  });
});
