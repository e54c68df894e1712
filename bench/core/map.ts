// map over 1,000 and over 100,000 items: is the cost of an item flat, and is memory bounded?
import { type Bench, find, medianOf, pairedRatio, roundRobin, scaled, seriesOf } from "../bench.ts";
import { type Measured, judge, peerFigure } from "../result.ts";
import { figure } from "../table.ts";

const STORES = ["memory", "sqlite"] as const;
const SIZES = [1_000, 100_000] as const;

/** Measures both sizes on both stores, each in a process of its own so that the peak RSS is theirs alone. */
export async function measureMap(bench: Bench): Promise<Measured> {
  const all = await roundRobin(
    bench,
    STORES.flatMap((store) =>
      SIZES.map((size) => ({
        id: at(store, size),
        spec: {
          file: "subjects/map.ts",
          arguments: [
            "--store",
            store,
            "--items",
            `${size === 1_000 ? size : scaled(bench, size, 2_000)}`,
            "--data",
            bench.data,
          ],
          exposeGc: true,
        },
      })),
    ),
  );
  const results = STORES.map((store) => {
    const key = "microsPerItem";
    const small = medianOf(find(all, at(store, 1_000)), key);
    const large = medianOf(find(all, at(store, 100_000)), key);
    return judge({
      name: `map of 100,000 items beside 1,000, ${store}`,
      metric: "time per item",
      unit: "µs",
      value: large,
      peers: { "1,000 items": peerFigure(small, find(all, at(store, 1_000))?.error) },
      ratio: pairedRatio(seriesOf(find(all, at(store, 100_000)), key), seriesOf(find(all, at(store, 1_000)), key)),
      bound: { atMost: 1.2 },
      of: "×",
      error: find(all, at(store, 100_000))?.error,
    });
  });
  const rows = STORES.flatMap((store) => SIZES.map((size) => row(store, size)));
  function row(store: string, size: number): string[] {
    const rounds = find(all, at(store, size));
    const keys = ["microsPerItem", "itemsPerSecond", "rssBeforeMb", "peakRssMb"];
    return [
      store,
      size.toLocaleString("en-US"),
      ...keys.map((key) => figure(medianOf(rounds, key))),
      rounds?.error ?? "",
    ];
  }
  const header = ["store", "items", "µs/item", "items/s", "RSS before MB", "peak RSS MB", "error"];
  return {
    results,
    tables: [{ title: "map, one no-op step an item", header, rows }],
    rows: all.map((rounds) => ({ id: rounds.id, error: rounds.error, rounds: rounds.lines })),
  };
}

function at(store: string, size: number): string {
  return `map ${size} on ${store}`;
}
