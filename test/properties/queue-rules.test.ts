import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { FlujoError } from "../../src/domain/errors.ts";
import {
  admit,
  afterClaims,
  checkRules,
  emptyAt,
  type LaneRules,
  lastServed,
  type LaneView,
  mergeOffers,
  NO_CLAIMS,
  type QueueRules,
  type QueueView,
  type Rate,
  type RateState,
  roomAt,
  roomIn,
  roomOf,
} from "../../src/ports/queue-rules.ts";
import { CASES } from "./values.ts";

const NOW = 1_800_000_000_123;

const aRate = (): fc.Arbitrary<Rate> =>
  fc.record({ count: fc.integer({ min: 1, max: 8 }), perMs: fc.integer({ min: 1, max: 2_000 }) });

/** Waits between claims in sixteenths of a period, and how many are wanted; now and then a whole period or more. */
const claims = (): fc.Arbitrary<readonly (readonly [wait: number, wanted: number])[]> =>
  fc.array(fc.tuple(fc.oneof(eighths(2), eighths(2), eighths(20)), fc.integer({ min: 0, max: 6 })), {
    maxLength: 60,
    size: "max",
  });

/** Up to that many, in eighths; not `double`, which is nearly always nearly nothing. */
const eighths = (max: number): fc.Arbitrary<number> => fc.integer({ min: 0, max: max * 8 }).map((n) => n / 8);

interface Told {
  readonly state: RateState;
  readonly now: number;
  readonly log: readonly number[];
}

/** Claims as many as there is room for, of those wanted. */
function tell(rate: Rate, steps: readonly (readonly [number, number])[]): Told {
  let state = NO_CLAIMS;
  let now = NOW;
  const log: number[] = [];
  for (const [wait, wanted] of steps) {
    now += Math.round((wait * rate.perMs) / 16);
    const taken = Math.min(wanted, roomIn(rate, state, now));
    state = afterClaims(rate, state, { now, claims: taken });
    for (let i = 0; i < taken; i++) log.push(now);
  }
  return { state, now, log };
}

describe("a rate", () => {
  it("has no window of its period with more claims than its count", () => {
    fc.assert(
      fc.property(aRate(), claims(), (rate, steps) => {
        const { log } = tell(rate, steps);
        for (const from of log)
          expect(log.filter((at) => at >= from && at < from + rate.perMs).length).toBeLessThanOrEqual(rate.count);
      }),
      CASES,
    );
  });

  it("is whole again after a period and a sixteenth without claims", () => {
    fc.assert(
      fc.property(aRate(), claims(), (rate, steps) => {
        const { state, now } = tell(rate, steps);
        const later = now + Math.ceil((rate.perMs * 17) / 16);
        expect(roomIn(rate, state, later)).toBe(rate.count);
        expect(emptyAt(state)).toBeLessThanOrEqual(later);
      }),
      CASES,
    );
  });

  it("has room exactly from when it says, if nobody claims meanwhile", () => {
    fc.assert(
      fc.property(aRate(), claims(), (rate, steps) => {
        const { state, now } = tell(rate, steps);
        const at = roomAt(rate, state, now);
        expect(roomIn(rate, state, at)).toBeGreaterThan(0);
        if (at > now) expect(roomIn(rate, state, at - 1)).toBe(0);
      }),
      CASES,
    );
  });

  it("has room exactly from when it says, also when its count became smaller", () => {
    fc.assert(
      fc.property(aRate(), claims(), fc.integer({ min: 1, max: 8 }), (rate, steps, count) => {
        const { state, now } = tell(rate, steps);
        const smaller = { ...rate, count: Math.min(count, rate.count) };
        const at = roomAt(smaller, state, now);
        expect(roomIn(smaller, state, at)).toBeGreaterThan(0);
        if (at > now) expect(roomIn(smaller, state, at - 1)).toBe(0);
      }),
      CASES,
    );
  });

  it("is not widened by a clock that goes back", () => {
    fc.assert(
      fc.property(aRate(), claims(), fc.integer({ min: 0, max: 5_000 }), (rate, steps, backMs) => {
        const { state, now } = tell(rate, steps);
        const back = now - backMs;
        expect(roomIn(rate, state, back)).toBeLessThanOrEqual(roomIn(rate, state, now));
        const room = roomIn(rate, state, back);
        if (roomIn(rate, state, now) === rate.count) return; // nothing says that the clock was ever later
        const claimed = afterClaims(rate, state, { now: back, claims: room });
        expect(roomIn(rate, claimed, now)).toBe(roomIn(rate, state, now) - room);
      }),
      CASES,
    );
  });

  it("remembers no more than seventeen numbers", () => {
    fc.assert(
      fc.property(aRate(), claims(), (rate, steps) => {
        expect(tell(rate, steps).state.parts.length).toBeLessThanOrEqual(17);
      }),
      CASES,
    );
  });

  it("remembers nothing that is too old, and nothing of another period", () => {
    fc.assert(
      fc.property(aRate(), aRate(), claims(), (rate, other, steps) => {
        const { state, now } = tell(rate, steps);
        const later = emptyAt(state);
        expect(afterClaims(rate, state, { now: Math.max(now, later), claims: 0 }).parts).toEqual(
          later > now || state.parts.length === 0 ? [] : afterClaims(rate, state, { now, claims: 0 }).parts,
        );
        if (other.perMs !== rate.perMs) expect(roomIn(other, state, now)).toBe(other.count);
      }),
      CASES,
    );
  });

  it("is the same when its state was written as JSON", () => {
    fc.assert(
      fc.property(aRate(), claims(), (rate, steps) => {
        const { state } = tell(rate, steps);
        expect(JSON.parse(JSON.stringify(state))).toEqual(state);
      }),
      CASES,
    );
  });
});

const someLimits = (): fc.Arbitrary<LaneRules> =>
  fc.record({ concurrency: fc.integer({ min: 1, max: 9 }), rate: aRate() }, { requiredKeys: [] });

const someRules = (): fc.Arbitrary<QueueRules> =>
  fc
    .tuple(someLimits(), fc.option(someLimits(), { nil: undefined }))
    .map(([limits, lane]) => ({ queue: "q", ...limits, ...(lane !== undefined && { lane }) }));

const claimedBefore = (rate: Rate | undefined): fc.Arbitrary<RateState> =>
  rate === undefined
    ? fc.constant(NO_CLAIMS)
    : fc.integer({ min: 0, max: 6 }).map((n) => afterClaims(rate, NO_CLAIMS, { now: NOW, claims: n }));

/** Rules, what a store sees, and how much is asked for. */
const scenes = (): fc.Arbitrary<{ readonly rules: QueueRules; readonly view: QueueView; readonly limit: number }> =>
  someRules().chain((rules) => {
    const lane = fc.record({
      claimable: fc.integer({ min: 0, max: 9 }),
      leased: fc.integer({ min: 0, max: 5 }),
      rate: claimedBefore(rules.lane?.rate),
    });
    const lanes = fc
      .array(lane, { maxLength: 8 })
      .map((views) => views.map((view, i): LaneView => ({ ...view, lane: `lane-${i}` })));
    const view = fc.record({ leased: fc.integer({ min: 0, max: 9 }), rate: claimedBefore(rules.rate), lanes });
    return fc.record({ rules: fc.constant(rules), view, limit: fc.integer({ min: 0, max: 30 }) });
  });

const sum = (numbers: Iterable<number>): number => [...numbers].reduce((all, one) => all + one, 0);

describe("admit", () => {
  const laneRoom = (rules: QueueRules, lane: LaneView): number =>
    Math.max(0, Math.min(lane.claimable, roomOf(rules.lane ?? {}, lane, NOW)));

  it("exceeds neither the limit, nor the rules, nor what is there", () => {
    fc.assert(
      fc.property(scenes(), ({ rules, view, limit }) => {
        const taken = admit(rules, view, limit, NOW);
        expect(sum(taken.values())).toBeLessThanOrEqual(Math.min(limit, roomOf(rules, view, NOW)));
        for (const lane of view.lanes) expect(taken.get(lane.lane) ?? 0).toBeLessThanOrEqual(laneRoom(rules, lane));
        expect([...taken.values()].every((count) => Number.isInteger(count) && count > 0)).toBe(true);
      }),
      CASES,
    );
  });

  it("leaves nothing undone that the rules admit", () => {
    fc.assert(
      fc.property(scenes(), ({ rules, view, limit }) => {
        const possible = sum(view.lanes.map((lane) => laneRoom(rules, lane)));
        const taken = sum(admit(rules, view, limit, NOW).values());
        expect(taken).toBe(Math.min(limit, roomOf(rules, view, NOW), possible));
      }),
      CASES,
    );
  });

  it("treats lanes alike: none gets two more than another that could have had them", () => {
    fc.assert(
      fc.property(scenes(), ({ rules, view, limit }) => {
        const taken = admit(rules, view, limit, NOW);
        const most = Math.max(0, ...taken.values());
        for (const lane of view.lanes)
          expect(taken.get(lane.lane) ?? 0).toBeGreaterThanOrEqual(Math.min(most - 1, laneRoom(rules, lane)));
      }),
      CASES,
    );
  });

  it("is fair over many claims when each begins after the lane that was served last", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 7 }), fc.integer({ min: 1, max: 5 }), (lanes, limit) => {
        let order = Array.from({ length: lanes }, (_, i) => `lane-${i}`);
        const served = new Map<string, number>();
        for (let claim = 0; claim < 20; claim++) {
          const views = order.map((lane) => ({ lane, claimable: 99, leased: 0, rate: NO_CLAIMS }));
          const taken = admit({ queue: "q" }, { leased: 0, rate: NO_CLAIMS, lanes: views }, limit, NOW);
          for (const [lane, count] of taken) served.set(lane, (served.get(lane) ?? 0) + count);
          const next = order.indexOf(lastServed(taken) ?? "") + 1;
          order = [...order.slice(next), ...order.slice(0, next)];
        }
        const counts = order.map((lane) => served.get(lane) ?? 0);
        expect(Math.max(...counts) - Math.min(...counts)).toBeLessThanOrEqual(1);
      }),
      CASES,
    );
  });
});

describe("mergeOffers", () => {
  const row = fc.record({ priority: fc.integer({ min: 0, max: 3 }), readyAt: fc.integer({ min: 0, max: 9 }) });

  it("takes a beginning of each offer, and all there is up to the limit", () => {
    fc.assert(
      fc.property(fc.array(fc.array(row)), fc.integer({ min: 0, max: 20 }), (offers, limit) => {
        const taken = new Set(mergeOffers(offers, limit));
        expect(taken.size).toBe(Math.min(limit, sum(offers.map(({ length }) => length))));
        for (const offer of offers) {
          const count = offer.filter((one) => taken.has(one)).length;
          expect(offer.slice(0, count).every((one) => taken.has(one))).toBe(true);
        }
      }),
      CASES,
    );
  });

  it("gives what is sorted sorted", () => {
    const byUrgency = (a: { priority: number; readyAt: number }, b: { priority: number; readyAt: number }): number =>
      b.priority - a.priority || a.readyAt - b.readyAt;
    fc.assert(
      fc.property(fc.array(fc.array(row).map((rows) => rows.toSorted(byUrgency))), (offers) => {
        const all = mergeOffers(offers, Number.POSITIVE_INFINITY);
        expect(all.map(({ priority, readyAt }) => [priority, readyAt])).toEqual(
          offers
            .flat()
            .toSorted(byUrgency)
            .map(({ priority, readyAt }) => [priority, readyAt]),
        );
      }),
      CASES,
    );
  });
});

describe("checkRules", () => {
  it("gives back rules that are rules", () => {
    fc.assert(
      fc.property(someRules(), (rules) => {
        expect(checkRules([rules])).toEqual([rules]);
      }),
      CASES,
    );
  });

  it("refuses whatever is no positive whole number", () => {
    const wrong = fc.oneof(
      fc.integer({ max: 0 }),
      fc.double().filter((number) => !Number.isSafeInteger(number)),
      fc.string(),
      fc.constant(null),
    );
    fc.assert(
      fc.property(wrong, fc.constantFrom("concurrency", "count", "perMs"), (value, name) => {
        const rate = { count: 1, perMs: 1, [name]: value };
        const rules = name === "concurrency" ? { queue: "q", lane: { [name]: value } } : { queue: "q", rate };
        expect(() => checkRules([rules as unknown as QueueRules])).toThrow(FlujoError);
      }),
      CASES,
    );
  });
});
