import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { keywords } from "./keywords.ts";

const sample = (name: string): string => readFileSync(new URL(`../data/${name}.txt`, import.meta.url), "utf8");

describe("keywords", () => {
  it.each([
    ["carroll-mad-tea-party", ["Alice", "Hatter", "March Hare", "Dormouse"]],
    ["melville-whiteness-of-the-whale", ["white", "whiteness"]],
    ["edgeworth-the-white-pigeon", ["white pigeon", "bow window"]],
    ["jefferson-1801", ["peace", "citizens"]],
  ])("finds what %s is about", (name, expected) => {
    const phrases = keywords(sample(name), { limit: 8 }).map(({ phrase }) => phrase);
    expect(phrases).toEqual(expect.arrayContaining(expected));
  });

  it("scores the strongest 1 and the others below, in order", () => {
    const scores = keywords(sample("austen-emma"), { limit: 8 }).map(({ score }) => score);
    expect(scores[0]).toBe(1);
    expect(scores).toEqual([...scores].sort((a, b) => b - a));
  });

  it("gives the same answer twice", () => {
    expect(keywords(sample("washington-1796"), { limit: 8 })).toEqual(
      keywords(sample("washington-1796"), { limit: 8 }),
    );
  });

  it("finds nothing in a text of function words", () => {
    expect(keywords("And so it was, and so it is.", { limit: 8 })).toEqual([]);
  });
});
