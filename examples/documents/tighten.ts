import { similarityOf, vectorsOf } from "./similarity.ts";
import { summaryOf } from "./summary.ts";
import type { Summary, SummarySentence } from "./summary.ts";
import { wordsOf } from "./text.ts";

/** A round removes at least a fifth of the words, so three times the target needs five rounds: log(3) / -log(0.8). */
const KEEP_PER_ROUND = 0.8;

/**
 * One round of refinement: drops the sentences that say least that the others do not say, until a fifth of the words is
 * gone or the target is met; a single sentence that is still too long is cut at a clause. Never longer than before,
 * and unchanged once it is short enough.
 */
export function tighten(summary: Summary, options: { readonly targetWords: number }): Summary {
  if (summary.words <= options.targetWords) return summary;
  const goal = Math.max(options.targetWords, Math.floor(summary.words * KEEP_PER_ROUND));
  let current = summary;
  while (current.words > goal && current.sentences.length > 1) current = withoutWeakest(current);
  const [only] = current.sentences;
  return current.words > goal && only !== undefined ? summaryOf([cutAtClause(only, goal)]) : current;
}

function withoutWeakest(summary: Summary): Summary {
  const vectors = vectorsOf(summary.sentences.map(({ text }) => text));
  const worth = summary.sentences.map((sentence, index) => {
    const vector = vectors[index] ?? new Map();
    const similarities = vectors.map((other, at) => (at === index ? 0 : similarityOf(vector, other)));
    return sentence.score - Math.max(...similarities);
  });
  const weakest = worth.indexOf(Math.min(...worth));
  return summaryOf(summary.sentences.filter((_, index) => index !== weakest));
}

function cutAtClause(sentence: SummarySentence, maxWords: number): SummarySentence {
  const clauses = sentence.text.split(/(?<=[;:,]|--|—)\s*/u);
  let kept = "";
  for (const clause of clauses) {
    const longer = kept === "" ? clause : `${kept} ${clause}`;
    if (wordsOf(longer).length > maxWords) break;
    kept = longer;
  }
  if (kept === "") kept = firstWords(sentence.text, maxWords);
  const text = `${kept.replace(/(?:[;:,\s]|--|—)+$/u, "")} …`;
  return { ...sentence, text, words: wordsOf(text).length };
}

function firstWords(text: string, count: number): string {
  const words = text.split(/\s+/u);
  let kept = words.slice(0, count);
  while (kept.length > 1 && wordsOf(kept.join(" ")).length > count) kept = kept.slice(0, -1);
  return kept.join(" ");
}
