// Claiming from a store that holds very many runs, parked and ended, beside claiming from an empty one.
import { type Bench, type Rounds, find, medianOf, pairedRatio, roundRobin, scaled, seriesOf } from "../bench.ts";
import { runChild } from "../child.ts";
import type { Place } from "../flujo-place.ts";
import { scratchDatabase, scratchPrefix } from "../peers/scratch-server.mjs";
import { type Measured, judge, peerFigure } from "../result.ts";
import { figure } from "../table.ts";

const STORES = ["postgres", "redis"] as const;
// Of each kind. Redis keeps them all in memory, and it is the engine that has to make them.
const HELD = { postgres: 1_000_000, redis: 100_000 } as const;
const CLAIMS = 300;
const FILL_TIMEOUT_MS = 600_000;

type StoreName = (typeof STORES)[number];

/** Two places on one server. */
interface Pair extends AsyncDisposable {
  readonly empty: Place;
  readonly full: Place;
}

export async function measureClaim(bench: Bench): Promise<Measured> {
  await using postgres = await postgresPair((await bench.servers.postgres()).url);
  await using redis = await redisPair((await bench.servers.redis("everysec")).url);
  const pairs = { postgres, redis };
  const fills: Record<StoreName, Rounds> = {
    postgres: await fill(bench, "postgres", postgres.full),
    redis: await fill(bench, "redis", redis.full),
  };
  const filled = STORES.filter((store) => fills[store].error === undefined);
  const claims = await roundRobin(
    bench,
    filled.map((store) => {
      const { empty, full } = pairs[store];
      const options = ["--place", JSON.stringify(empty), "--beside", JSON.stringify(full), "--runs", `${CLAIMS}`];
      return { id: store, spec: { file: "subjects/claim.ts", arguments: options } };
    }),
  );
  return report(bench, fills, claims);
}

async function postgresPair(server: string): Promise<Pair> {
  const empty = await scratchDatabase(server);
  const full = await scratchDatabase(server);
  return {
    empty: { store: "postgres", url: empty.url },
    full: { store: "postgres", url: full.url },
    [Symbol.asyncDispose]: async () => void (await Promise.all([empty.dispose(), full.dispose()])),
  };
}

async function redisPair(server: string): Promise<Pair> {
  const empty = await scratchPrefix(server);
  const full = await scratchPrefix(server);
  return {
    empty: { store: "redis", url: empty.url, prefix: empty.prefix },
    full: { store: "redis", url: full.url, prefix: full.prefix },
    [Symbol.asyncDispose]: async () => void (await Promise.all([empty.dispose(), full.dispose()])),
  };
}

async function fill(bench: Bench, store: StoreName, place: Place): Promise<Rounds> {
  const count = held(bench, store);
  bench.progress(`filling ${store}: ${count} parked, ${count} ended`);
  const options = ["--place", JSON.stringify(place), "--items", `${count}`];
  const outcome = await runChild(bench.runtime, {
    file: "subjects/fill.ts",
    arguments: options,
    timeoutMs: FILL_TIMEOUT_MS,
  });
  const id = `fill ${store}`;
  return "error" in outcome
    ? { id, lines: [], error: `${id}: ${outcome.error}` }
    : { id, lines: [outcome.line], error: undefined };
}

const held = (bench: Bench, store: StoreName): number => scaled(bench, HELD[store], 1_000);

function report(bench: Bench, fills: Record<StoreName, Rounds>, claims: readonly Rounds[]): Measured {
  const count = (store: StoreName) => held(bench, store).toLocaleString("en-US");
  const errorOf = (store: StoreName) => fills[store].error ?? find(claims, store)?.error;
  return {
    results: STORES.map((store) => {
      const rounds = find(claims, store);
      return judge({
        name: `claim beside ${count(store)} parked and ${count(store)} ended runs`,
        metric: `claim p50, ${store}`,
        unit: "µs",
        value: medianOf(rounds, "fullP50Micros"),
        peers: { empty: peerFigure(medianOf(rounds, "emptyP50Micros"), errorOf(store)) },
        ratio: pairedRatio(seriesOf(rounds, "fullP50Micros"), seriesOf(rounds, "emptyP50Micros")),
        bound: { atMost: 1.5 },
        of: "×",
        error: errorOf(store),
      });
    }),
    tables: [
      {
        title: `Claiming one ready run (${CLAIMS} claims, in turn from an empty store and from a full one)`,
        header: ["store", "parked", "ended", "empty p50 µs", "p99", "full p50 µs", "p99", "filled in s", "error"],
        rows: STORES.map((store) => {
          const columns = ["emptyP50Micros", "emptyP99Micros", "fullP50Micros", "fullP99Micros"];
          const figures = columns.map((key) => figure(medianOf(find(claims, store), key)));
          const seconds = figure(medianOf(fills[store], "seconds"));
          return [store, count(store), count(store), ...figures, seconds, errorOf(store) ?? ""];
        }),
      },
    ],
    rows: [...Object.values(fills), ...claims].map(({ id, error, lines }) => ({ id, error, rounds: lines })),
  };
}
