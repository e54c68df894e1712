import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { draftSummary, summarise } from "./summary.ts";
import { tighten } from "./tighten.ts";

const DATA = new URL("../data/", import.meta.url);
const samples = readdirSync(DATA).filter((name) => name.endsWith(".txt"));
const sample = (name: string): string => readFileSync(new URL(name, DATA), "utf8");
const flat = (text: string): string => text.replace(/[\s"*_]+/gu, " ");

describe("summarise", () => {
  it.each(samples)("takes sentences of %s itself, in its order", (name) => {
    const text = sample(name);
    const { sentences } = summarise(text, { sentences: 5 });
    expect(sentences).toHaveLength(5);
    for (const sentence of sentences) expect(flat(text)).toContain(flat(sentence.text).trim());
    expect(sentences.map(({ position }) => position)).toEqual(
      sentences.map(({ position }) => position).sort((a, b) => a - b),
    );
  });

  it("does not choose what has been said already", () => {
    const said = "The whale is white, and the whale is very large indeed.";
    const { sentences } = summarise(`${said} ${said} ${said} The captain hunts the whale over every ocean.`, {
      sentences: 2,
    });
    expect(new Set(sentences.map(({ text }) => text)).size).toBe(2);
  });

  it.each([
    ["a text shorter than asked for", "It rained all day in the town.", 1],
    ["a list without sentences", "Milk\n\nEggs\n\nBread", 3],
    ["no words", "… !", 0],
  ])("takes %s as it is", (_, text, count) => {
    expect(summarise(text, { sentences: 5 }).sentences).toHaveLength(count);
  });
});

describe("tighten", () => {
  it.each(samples)("brings %s to any length in fewer rounds than the loop allows", (name) => {
    for (const targetWords of [20, 120]) {
      let summary = draftSummary(sample(name), { targetWords });
      let rounds = 0;
      while (summary.words > targetWords && rounds < 12) {
        const shorter = tighten(summary, { targetWords });
        expect(shorter.words).toBeLessThan(summary.words);
        summary = shorter;
        rounds += 1;
      }
      expect(summary.words).toBeLessThanOrEqual(targetWords);
      expect(summary.words).toBeGreaterThan(0);
    }
  });

  it("leaves a summary that is short enough as it is", () => {
    const summary = summarise(sample("austen-emma.txt"), { sentences: 2 });
    expect(tighten(summary, { targetWords: 500 })).toBe(summary);
  });

  it("cuts a lonely long sentence at a clause", () => {
    const long = `The sea was calm, ${"and the wind was warm and kind to all of us, ".repeat(4)}and we slept.`;
    const summary = summarise(long, { sentences: 1 });
    const { words, sentences } = tighten(summary, { targetWords: 35 });
    expect(words).toBeLessThanOrEqual(38);
    expect(sentences[0]?.text).toMatch(/all of us …$/u);
  });

  it("cuts a sentence without clauses at a word", () => {
    const summary = summarise(`${"word ".repeat(99)}word.`, { sentences: 1 });
    expect(tighten(summary, { targetWords: 80 }).words).toBe(80);
  });
});
