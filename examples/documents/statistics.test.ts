import { describe, expect, it } from "vitest";
import { fleschReadingEase, readingLevel, statistics } from "./statistics.ts";

describe("statistics", () => {
  it("counts words, sentences and paragraphs", () => {
    const found = statistics("The cat sat. The dog ran away!\n\nThe end.");
    expect(found).toMatchObject({ words: 9, uniqueWords: 7, sentences: 3, paragraphs: 2, wordsPerSentence: 3 });
  });

  it("agrees with a Flesch score worked out by hand", () => {
    // 6 words, 1 sentence, 6 syllables: 206.835 - 1.015 × 6 - 84.6 × 1.
    expect(statistics("The cat sat on the mat.").readingEase).toBeCloseTo(116.145, 3);
    expect(fleschReadingEase(20, 1.5)).toBeCloseTo(59.635, 3);
  });

  it("divides by nothing when there is nothing", () => {
    expect(Object.values(statistics("… !"))).toEqual(expect.not.arrayContaining([Number.NaN]));
    expect(statistics("")).toMatchObject({ words: 0, sentences: 0, readingEase: 0, wordsPerSentence: 0 });
  });
});

it.each([
  [90, "easy"],
  [65, "plain"],
  [45, "difficult"],
  [-8, "very difficult"],
])("calls a score of %d %s", (score, level) => {
  expect(readingLevel(score)).toBe(level);
});
