import { syllable } from "syllable";
import { paragraphsOf, sentencesOf, wordsOf } from "./text.ts";

/** What can be counted in a text. Numbers are rounded where they are shown, not here. */
export interface Statistics {
  readonly characters: number;
  readonly words: number;
  /** Different words, ignoring case. */
  readonly uniqueWords: number;
  readonly sentences: number;
  readonly paragraphs: number;
  readonly wordsPerSentence: number;
  readonly syllablesPerWord: number;
  readonly readingMinutes: number;
  /** Flesch reading ease: 100 is very easy, 0 very hard; long 19th-century sentences fall below 0. English only. */
  readonly readingEase: number;
}

/** Adults read English prose silently at 238 words a minute (Brysbaert 2019, mean of 190 studies). */
const WORDS_PER_MINUTE = 238;

/** Counts a text. A text without words counts zero everywhere; nothing is divided by zero. */
export function statistics(text: string): Statistics {
  const paragraphs = paragraphsOf(text);
  const words = wordsOf(text).map((word) => word.toLowerCase());
  const sentences = paragraphs.reduce((sum, paragraph) => sum + sentencesOf(paragraph).length, 0);
  const occurrences = countEach(words);
  let syllables = 0;
  for (const [word, times] of occurrences) syllables += times * Math.max(1, syllable(word));

  const wordsPerSentence = sentences === 0 ? 0 : words.length / sentences;
  const syllablesPerWord = words.length === 0 ? 0 : syllables / words.length;
  return {
    characters: text.length,
    words: words.length,
    uniqueWords: occurrences.size,
    sentences,
    paragraphs: paragraphs.length,
    wordsPerSentence,
    syllablesPerWord,
    readingMinutes: words.length / WORDS_PER_MINUTE,
    readingEase: words.length === 0 ? 0 : fleschReadingEase(wordsPerSentence, syllablesPerWord),
  };
}

/** Flesch's formula of 1948. */
export function fleschReadingEase(wordsPerSentence: number, syllablesPerWord: number): number {
  return 206.835 - 1.015 * wordsPerSentence - 84.6 * syllablesPerWord;
}

/** The usual school-level words for a Flesch score. */
export function readingLevel(readingEase: number): string {
  if (readingEase >= 80) return "easy";
  if (readingEase >= 60) return "plain";
  if (readingEase >= 30) return "difficult";
  return "very difficult";
}

/** How often each value occurs, in order of first occurrence. */
export function countEach(values: readonly string[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  return counts;
}
