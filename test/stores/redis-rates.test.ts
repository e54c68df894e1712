import { Redis } from "ioredis";
import fc from "fast-check";
import { afterAll, describe, expect, it } from "vitest";
import { afterClaims, emptyAt, NO_CLAIMS, type RateState, roomAt, roomIn } from "../../src/ports/queue-rules.ts";
import { BASE } from "../../src/stores/redis/lua/base.ts";
import { RATES } from "../../src/stores/redis/lua/rates.ts";
import { sharedServer, titled } from "../setup/servers.ts";

/** ARGV: now, count, period, state, claims. */
const ASK = `
local rate = { count = tonumber(ARGV[2]), perMs = tonumber(ARGV[3]) }
local state = stateOf(ARGV[4] ~= '' and ARGV[4])
return { string.format('%.17g', roomIn(rate, state)), textOf(afterClaims(rate, state, tonumber(ARGV[5]))),
  string.format('%.17g', roomAt(rate, state)), string.format('%.17g', emptyAt(state)) }
`;

const textOf = ({ perMs, parts }: RateState): string =>
  `${perMs};${parts.map(([part, claims]) => `${part}:${claims}`).join(",")}`;

const redis = await sharedServer("redis");
const client = redis.run ? new Redis(redis.url) : undefined;
afterAll(() => client?.disconnect());

const claimsInTime = fc.record({
  count: fc.integer({ min: 1, max: 20 }),
  periods: fc.array(fc.integer({ min: 1, max: 100_000 }), { minLength: 1, maxLength: 3 }),
  moves: fc.array(
    fc.record({
      byMs: fc.integer({ min: -2_000, max: 20_000 }),
      claims: fc.integer({ min: 0, max: 5 }),
      period: fc.nat(),
    }),
    { minLength: 1, maxLength: 30 },
  ),
});

describe.skipIf(!redis.run)(titled("rates in the scripts of Redis", redis), () => {
  it("are those of the port, whatever is claimed when", async () => {
    await fc.assert(
      fc.asyncProperty(claimsInTime, async ({ count, periods, moves }) => {
        let now = 1_800_000_000_000;
        let state = NO_CLAIMS;
        for (const { byMs, claims, period } of moves) {
          now += byMs;
          const rate = { count, perMs: periods[period % periods.length] ?? 1_000 };
          const next = afterClaims(rate, state, { now, claims });
          const args = [now, rate.count, rate.perMs, state === NO_CLAIMS ? "" : textOf(state), claims].map(String);
          expect(await client?.eval(BASE + RATES + ASK, 1, "{flujo-rates}:", ...args)).toEqual([
            String(roomIn(rate, state, now)),
            textOf(next),
            String(roomAt(rate, state, now)),
            String(emptyAt(state)),
          ]);
          state = next;
        }
      }),
      { numRuns: 60 },
    );
  });
});
