// map over 1,000 and over 100,000 items: is the cost of an item flat, and is memory bounded?
import { type Bench, find, medianOf, pairedRatio, roundRobin, scaled, seriesOf } from "../bench.ts";
import { type Measured, judge, peerFigure } from "../result.ts";
import { figure } from "../table.ts";

const STORES = ["memory", "sqlite"] as const;
const FEW = 1_000;
const MANY = 100_000;
const COLUMNS = ["microsPerItem", "itemsPerSecond", "rssBeforeMb", "peakRssMb"];

/** Measures both sizes on both stores, each in a process of its own so that the peak RSS is theirs alone. */
export async function measureMap(bench: Bench): Promise<Measured> {
  const many = scaled(bench, MANY, 2 * FEW);
  const cases = STORES.flatMap((store) => [FEW, many].map((items) => ({ id: `${items} on ${store}`, store, items })));
  const all = await roundRobin(
    bench,
    cases.map(({ id, store, items }) => {
      const options = ["--store", store, "--items", `${items}`, "--data", bench.data];
      return { id, spec: { file: "subjects/map.ts", arguments: options, exposeGc: true } };
    }),
  );
  const text = (count: number) => count.toLocaleString("en-US");
  const results = STORES.map((store) => {
    const small = find(all, `${FEW} on ${store}`);
    const large = find(all, `${many} on ${store}`);
    return judge({
      name: `map of ${text(many)} items beside ${text(FEW)}, ${store}`,
      metric: "time per item",
      unit: "µs",
      value: medianOf(large, "microsPerItem"),
      peers: { [`${text(FEW)} items`]: peerFigure(medianOf(small, "microsPerItem"), small?.error) },
      ratio: pairedRatio(seriesOf(large, "microsPerItem"), seriesOf(small, "microsPerItem")),
      bound: { atMost: 1.2 },
      of: "×",
      error: large?.error,
    });
  });
  const rows = cases.map(({ id, store, items }) => {
    const rounds = find(all, id);
    return [store, text(items), ...COLUMNS.map((key) => figure(medianOf(rounds, key))), rounds?.error ?? ""];
  });
  const header = ["store", "items", "µs/item", "items/s", "RSS before MB", "peak RSS MB", "error"];
  return {
    results,
    tables: [{ title: "map, one no-op step an item", header, rows }],
    rows: all.map((rounds) => ({ id: rounds.id, error: rounds.error, rounds: rounds.lines })),
  };
}
