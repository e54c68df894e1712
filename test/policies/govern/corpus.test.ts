import { describe, expect, it } from "vitest";
import { findAll, type Finding } from "../../../src/policies/govern/detector.ts";
import { builtInDetectors } from "../../../src/policies/govern/detectors.ts";
import { negatives } from "./corpus/negatives.ts";
import { type Positive, positives } from "./corpus/positives.ts";

const DETECTORS = builtInDetectors();

interface Verdict {
  readonly missed: readonly Positive[];
  /** Found where nothing was. */
  readonly wrong: readonly string[];
  readonly hits: number;
}

const isOf = ({ kind, value, text }: Positive, found: Finding): boolean =>
  found.kind === kind && text.slice(found.start, found.end) === value;

function judge(wanted: readonly Positive[], harmless: readonly string[]): Verdict {
  const missed: Positive[] = [];
  const wrong: string[] = [];
  for (const one of wanted) {
    const found = findAll(DETECTORS, one.text);
    if (!found.some((finding) => isOf(one, finding))) missed.push(one);
    for (const finding of found.filter((other) => !isOf(one, other))) wrong.push(shown(one.text, finding));
  }
  for (const text of harmless) for (const finding of findAll(DETECTORS, text)) wrong.push(shown(text, finding));
  return { missed, wrong, hits: wanted.length - missed.length };
}

const shown = (text: string, { kind, start, end }: Finding): string => `${kind} ${text.slice(start, end)} in: ${text}`;

describe("the detectors on the corpus", () => {
  const [wanted, harmless] = [positives(), negatives()];

  it("have at least 500 texts of each side", () => {
    expect(wanted.length).toBeGreaterThanOrEqual(500);
    expect(harmless.length).toBeGreaterThanOrEqual(500);
    expect(new Set(wanted.map(({ text }) => text)).size).toBeGreaterThanOrEqual(500);
    expect(new Set(harmless).size).toBeGreaterThanOrEqual(500);
  });

  it("find 99 of 100, and of 100 findings 98 are right", () => {
    const { missed, wrong, hits } = judge(wanted, harmless);
    const [recall, precision] = [hits / wanted.length, hits / (hits + wrong.length)];
    process.stdout.write(
      `detectors: recall ${(recall * 100).toFixed(2)} % of ${wanted.length}, precision ${(precision * 100).toFixed(2)} %, ` +
        `${wrong.length} wrong in ${harmless.length} harmless texts\n`,
    );
    const why = [...missed.map(({ kind, text }) => `missed ${kind}: ${text}`), ...wrong].slice(0, 40).join("\n");
    expect(recall, why).toBeGreaterThanOrEqual(0.99);
    expect(precision, why).toBeGreaterThanOrEqual(0.98);
  });

  it("do as well on corpora of other seeds", () => {
    for (const seed of [101, 202, 303]) {
      const { missed, wrong, hits } = judge(positives(seed), negatives(seed + 1));
      const why = [...missed.map(({ kind, text }) => `missed ${kind}: ${text}`), ...wrong].slice(0, 40).join("\n");
      expect(hits / (hits + missed.length), why).toBeGreaterThanOrEqual(0.99);
      expect(hits / (hits + wrong.length), why).toBeGreaterThanOrEqual(0.98);
    }
  });
});
