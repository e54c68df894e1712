import { describe, expect, it } from "vitest";
import { paragraphsOf, sentencesOf, stemOf, titleOf, wordsOf } from "./text.ts";

describe("sentencesOf", () => {
  it.each([
    ["splits at full stops", "It rained. We stayed in.", ["It rained.", "We stayed in."]],
    ["does not end at a title", "Mr. Weston came. Dr. Perry did not.", ["Mr. Weston came.", "Dr. Perry did not."]],
    ["does not end at an initial", "It was G. B. Shaw. He left.", ["It was G. B. Shaw.", "He left."]],
    [
      "keeps what is said with who says it",
      "'No room! No room!' they cried out. She sat down.",
      ["'No room!", "No room!' they cried out.", "She sat down."],
    ],
    ["gives nothing for nothing", "  ", []],
  ])("%s", (_, paragraph, sentences) => {
    expect(sentencesOf(paragraph)).toEqual(sentences);
  });

  it("finds the same sentences in a long paragraph as in its parts", () => {
    const part = "Dr. Perry came at noon. Nobody had sent for him! ";
    expect(sentencesOf(part.repeat(500))).toHaveLength(1_000);
  });
});

describe("wordsOf", () => {
  it("leaves out punctuation, dashes and emphasis", () => {
    expect(wordsOf('"_We_ must go," said Mr. Lee--twice.')).toEqual(["We", "must", "go", "said", "Mr", "Lee", "twice"]);
  });

  it("counts every word of a text without line ends", () => {
    expect(wordsOf("word ".repeat(10_000))).toHaveLength(10_000);
  });
});

it("splits paragraphs at blank lines, also after Windows line ends", () => {
  expect(paragraphsOf("one\r\ntwo\r\n\r\n\r\nthree\n \nfour\n")).toEqual(["one two", "three", "four"]);
});

it.each([
  ["Whale's", "whale"],
  ["whales", "whale"],
  ["Ladies", "lady"],
  ["glass", "glass"],
  ["boxes", "box"],
  ["Laws", "law"],
])("counts %s as %s", (word, stem) => {
  expect(stemOf(word)).toBe(stem);
});

it.each([
  ["a heading of two lines", "Emma\nVolume I, Chapter I\n\nEmma Woodhouse, handsome", "Emma · Volume I, Chapter I"],
  ["a heading of one line", "\n\nOn Pigeons\n\nThey fly.", "On Pigeons"],
  ["a text that begins at once", `${"It was a long day. ".repeat(9)}\n`, "notes.txt"],
])("takes the title from %s", (_, text, title) => {
  expect(titleOf(text, "notes.txt")).toBe(title);
});
