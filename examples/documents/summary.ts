import { pageRank } from "./page-rank.ts";
import { similarityOf, vectorsOf } from "./similarity.ts";
import type { Vector } from "./similarity.ts";
import { endsLikeASentence, paragraphsOf, sentencesOf, wordsOf } from "./text.ts";

/** One sentence chosen from the text. */
export interface SummarySentence {
  /** Its place among the text's sentences; a summary keeps the order of the text. */
  readonly position: number;
  readonly text: string;
  readonly words: number;
  /** 1 for the most central sentence of the text. */
  readonly score: number;
}

/** An extract: sentences of the text itself, in its own order. */
export interface Summary {
  readonly sentences: readonly SummarySentence[];
  readonly words: number;
}

/** Ranking compares every sentence with every other: at 1,000 that takes a third of a second, and the square after. */
const MAX_RANKED_SENTENCES = 1_000;
const SHORTEST_WORDS = 5;
/** Longer sentences lose score in proportion: they resemble everything just by length. */
const COMFORTABLE_WORDS = 35;
/** How much a sentence loses for resembling one already chosen (maximal marginal relevance). */
const REDUNDANCY_WEIGHT = 0.7;
/** Sentences this alike say the same: a refrain, a repeated heading. */
const SAME_SIMILARITY = 0.9;

/**
 * Chooses the sentences that are most central to the text and least like each other: PageRank over the cosine
 * similarity of their TF-IDF vectors (LexRank; Erkan and Radev, 2004), then maximal marginal relevance.
 * A text with fewer sentences is returned whole; one without words gives an empty summary.
 */
export function summarise(text: string, options: { readonly sentences: number }): Summary {
  const candidates = candidatesOf(text);
  const vectors = vectorsOf(candidates.map((candidate) => candidate.text));
  const scored = candidates.map((candidate, index) => ({ ...candidate, vector: vectors[index] ?? new Map() }));
  const ranked = centralityOf(scored.map(({ vector }) => vector));
  const weighted = scored.map((sentence, index) => ({
    ...sentence,
    score: (ranked[index] ?? 0) * Math.min(1, COMFORTABLE_WORDS / sentence.words),
  }));
  const best = Math.max(...weighted.map(({ score }) => score), Number.MIN_VALUE);
  const normalised = weighted.map((sentence) => ({ ...sentence, score: sentence.score / best }));
  return summaryOf(chooseDiverse(normalised, options.sentences));
}

/** A first, generous summary for a length target: about three times as long, so that `tighten` has a choice. */
export function draftSummary(text: string, options: { readonly targetWords: number }): Summary {
  const candidates = candidatesOf(text);
  const words = candidates.reduce((sum, sentence) => sum + Math.min(sentence.words, COMFORTABLE_WORDS), 0);
  const mean = candidates.length === 0 ? 1 : words / candidates.length;
  return summarise(text, { sentences: Math.max(1, Math.ceil((3 * options.targetWords) / mean)) });
}

/** A summary of these sentences, in the order of the text. */
export function summaryOf(sentences: readonly SummarySentence[]): Summary {
  const inOrder = sentences
    .map(({ position, text, words, score }) => ({ position, text, words, score }))
    .sort((a, b) => a.position - b.position);
  return { sentences: inOrder, words: inOrder.reduce((sum, sentence) => sum + sentence.words, 0) };
}

interface Candidate {
  readonly position: number;
  readonly text: string;
  readonly words: number;
}

interface Scored extends SummarySentence {
  readonly vector: Vector;
}

/** Full sentences; for texts without any, such as lists and verse, whatever there is. */
function candidatesOf(text: string): Candidate[] {
  const all = paragraphsOf(text)
    .flatMap(sentencesOf)
    .map((sentence, position) => {
      const clean = withoutMarks(sentence);
      return { position, text: clean, words: wordsOf(clean).length };
    })
    .filter(({ words }) => words > 0);
  const full = all.filter((sentence) => sentence.words >= SHORTEST_WORDS && endsLikeASentence(sentence.text));
  return evenly(full.length > 0 ? full : all, MAX_RANKED_SENTENCES);
}

/** A sentence out of its paragraph: no _emphasis_, no footnote asterisks, no quotation mark that has lost its other half. */
function withoutMarks(sentence: string): string {
  const plain = sentence
    .replace(/(?<!\w)_([^_]+)_(?!\w)/gu, "$1")
    .replace(/\*+/gu, "")
    .trim();
  const quotes = plain.split('"').length - 1;
  return quotes % 2 === 1 ? plain.replace(/^"|"$/u, "") : plain;
}

/** At most `limit` of the items, spread over the whole list. */
function evenly<Item>(items: readonly Item[], limit: number): Item[] {
  if (items.length <= limit) return [...items];
  return Array.from({ length: limit }, (_, place) => items[Math.floor((place * items.length) / limit)]).filter(
    (item) => item !== undefined,
  );
}

function centralityOf(vectors: readonly Vector[]): number[] {
  const graph = vectors.map(() => new Map<number, number>());
  vectors.forEach((vector, from) => {
    for (let to = from + 1; to < vectors.length; to += 1) {
      const weight = similarityOf(vector, vectors[to] ?? new Map());
      if (weight === 0) continue;
      graph[from]?.set(to, weight);
      graph[to]?.set(from, weight);
    }
  });
  return pageRank(graph);
}

function chooseDiverse(sentences: readonly Scored[], count: number): Scored[] {
  const chosen: Scored[] = [];
  const left = new Map(sentences.map((sentence) => [sentence, 0]));
  while (chosen.length < count && left.size > 0) {
    let best: Scored | undefined;
    let bestValue = Number.NEGATIVE_INFINITY;
    for (const [sentence, redundancy] of left) {
      const value = sentence.score - REDUNDANCY_WEIGHT * redundancy;
      if (value > bestValue) [best, bestValue] = [sentence, value];
    }
    if (best === undefined) break;
    chosen.push(best);
    left.delete(best);
    for (const [sentence, redundancy] of left) {
      const similarity = similarityOf(sentence.vector, best.vector);
      if (similarity > SAME_SIMILARITY) left.delete(sentence);
      else left.set(sentence, Math.max(redundancy, similarity));
    }
  }
  return chosen;
}
