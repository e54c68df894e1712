import { pageRank } from "./page-rank.ts";
import { isStopWord } from "./stop-words.ts";
import { paragraphsOf, sentencesOf, stemOf, wordsOf } from "./text.ts";

/** A word or phrase a text is about. */
export interface Keyword {
  readonly phrase: string;
  /** 1 for the strongest keyword of the text; the others in proportion. */
  readonly score: number;
  readonly occurrences: number;
}

interface Phrase {
  /** How often each spelling was met; the most frequent one is shown. */
  readonly spellings: Map<string, number>;
  readonly stems: readonly string[];
  occurrences: number;
}

/** Two topic words belong together when at most this many words lie between the first and the last. */
const WINDOW = 4;
const LONGEST_PHRASE_WORDS = 3;

/**
 * Keywords by TextRank (Mihalcea and Tarau, 2004): topic words near each other are tied in a graph, PageRank weighs
 * them, and words that stand side by side more than once are offered as phrases.
 */
export function keywords(text: string, options: { readonly limit: number }): Keyword[] {
  const runs = topicRuns(text);
  const weights = weightsOf(runs);
  const scored = [...phrasesOf(runs).values()]
    .filter(({ stems, occurrences }) => stems.length === 1 || occurrences > 1)
    .map((phrase) => ({ phrase, weight: phraseWeight(phrase, weights) }))
    .sort((a, b) => b.weight - a.weight || compare(spellingOf(a.phrase), spellingOf(b.phrase)));

  const strongest = scored[0]?.weight ?? 1;
  const chosen: typeof scored = [];
  for (const candidate of scored) {
    if (chosen.length >= options.limit) break;
    if (!chosen.some(({ phrase }) => overlap(phrase, candidate.phrase))) chosen.push(candidate);
  }
  return chosen.map(({ phrase, weight }) => ({
    phrase: spellingOf(phrase),
    score: weight / strongest,
    occurrences: phrase.occurrences,
  }));
}

/** Unbroken sequences of topic words; a stop word ends a sequence, and so does the end of a sentence. */
function topicRuns(text: string): string[][] {
  const runs: string[][] = [];
  for (const sentence of paragraphsOf(text).flatMap(sentencesOf)) {
    for (const clause of sentence.split(/[,;:()"“”]|--|—/u)) {
      let run: string[] = [];
      for (const word of wordsOf(clause)) {
        if (isStopWord(word)) {
          runs.push(run);
          run = [];
        } else {
          run.push(word);
        }
      }
      runs.push(run);
    }
  }
  return runs.filter((run) => run.length > 0);
}

function weightsOf(runs: readonly (readonly string[])[]): Map<string, number> {
  const nodes = new Map<string, number>();
  const graph: Map<number, number>[] = [];
  const sequence = runs.flat().map((word) => {
    const stem = stemOf(word);
    const node = nodes.get(stem) ?? nodes.size;
    if (node === nodes.size) {
      nodes.set(stem, node);
      graph.push(new Map());
    }
    return node;
  });
  sequence.forEach((from, at) => {
    for (const to of sequence.slice(at + 1, at + 1 + WINDOW)) {
      if (from === to) continue;
      graph[from]?.set(to, (graph[from].get(to) ?? 0) + 1);
      graph[to]?.set(from, (graph[to].get(from) ?? 0) + 1);
    }
  });
  const ranks = pageRank(graph);
  return new Map([...nodes].map(([stem, node]) => [stem, ranks[node] ?? 0]));
}

function phrasesOf(runs: readonly (readonly string[])[]): Map<string, Phrase> {
  const phrases = new Map<string, Phrase>();
  for (const run of runs) {
    run.forEach((_, from) => {
      for (let to = from + 1; to <= Math.min(run.length, from + LONGEST_PHRASE_WORDS); to += 1) {
        const words = run.slice(from, to);
        const stems = words.map(stemOf);
        const phrase = phrases.get(stems.join(" ")) ?? { spellings: new Map(), stems, occurrences: 0 };
        const spelling = words.join(" ").replace(/['’]s$/u, "");
        phrase.spellings.set(spelling, (phrase.spellings.get(spelling) ?? 0) + 1);
        phrase.occurrences += 1;
        phrases.set(stems.join(" "), phrase);
      }
    });
  }
  return phrases;
}

/** The sum of the word weights, damped for phrases that are much rarer than their words. */
function phraseWeight({ stems, occurrences }: Phrase, weights: ReadonlyMap<string, number>): number {
  const sum = stems.reduce((total, stem) => total + (weights.get(stem) ?? 0), 0);
  return stems.length === 1 ? sum : sum * Math.min(1, 0.4 + occurrences / 10);
}

function spellingOf({ spellings }: Phrase): string {
  const [best] = [...spellings].sort((a, b) => b[1] - a[1] || compare(a[0], b[0]));
  return best?.[0] ?? "";
}

function overlap(a: Phrase, b: Phrase): boolean {
  return a.stems.some((stem) => b.stems.includes(stem));
}

function compare(a: string, b: string): number {
  return a < b ? -1 : Number(a > b);
}
