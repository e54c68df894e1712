import { isStopWord } from "./stop-words.ts";
import { stemOf, wordsOf } from "./text.ts";

/** Weight of each word stem in a sentence, scaled to length 1, so that a dot product is a cosine. */
export type Vector = ReadonlyMap<string, number>;

/** TF-IDF vectors of sentences, each word weighed by how few of the sentences have it. */
export function vectorsOf(sentences: readonly string[]): Vector[] {
  const terms = sentences.map((sentence) =>
    wordsOf(sentence)
      .filter((word) => !isStopWord(word))
      .map(stemOf),
  );
  const frequency = new Map<string, number>();
  for (const term of terms.flatMap((list) => [...new Set(list)])) frequency.set(term, (frequency.get(term) ?? 0) + 1);

  return terms.map((list) => {
    const vector = new Map<string, number>();
    for (const term of list) {
      const rarity = Math.log(1 + sentences.length / (frequency.get(term) ?? 1));
      vector.set(term, (vector.get(term) ?? 0) + rarity);
    }
    const length = Math.hypot(...vector.values());
    for (const [term, weight] of vector) vector.set(term, weight / length);
    return vector;
  });
}

/** Cosine of two vectors: 0 for nothing in common, 1 for the same words in the same proportion. */
export function similarityOf(a: Vector, b: Vector): number {
  const [small, large] = a.size <= b.size ? [a, b] : [b, a];
  let sum = 0;
  for (const [term, weight] of small) sum += weight * (large.get(term) ?? 0);
  return sum;
}
