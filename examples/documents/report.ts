import type { Keyword } from "./keywords.ts";
import type { Skipped } from "./reading.ts";
import { readingLevel } from "./statistics.ts";
import type { Statistics } from "./statistics.ts";
import type { Summary } from "./summary.ts";

/** All that was found out about one document. */
export interface Analysis {
  readonly file: string;
  readonly title: string;
  readonly statistics: Statistics;
  readonly keywords: readonly Keyword[];
  readonly summary: Summary;
}

/** What came of one file. */
export type Outcome =
  | { readonly status: "analysed"; readonly analysis: Analysis }
  | { readonly status: "skipped"; readonly skipped: Skipped };

export interface Report {
  readonly folder: string;
  readonly targetWords: number;
  readonly createdAt: Date;
  readonly documents: readonly Analysis[];
  readonly skipped: readonly Skipped[];
}

/** One row of the overview; both renderings print the same cells. */
export interface OverviewRow {
  readonly title: string;
  readonly words: string;
  readonly minutes: string;
  readonly wordsPerSentence: string;
  readonly readingEase: string;
}

const whole = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });
const oneDecimal = new Intl.NumberFormat("en-US", { minimumFractionDigits: 1, maximumFractionDigits: 1 });

/** The outcomes of all files, with the analysed and the skipped ones apart. */
export function sorted(outcomes: readonly Outcome[]): Pick<Report, "documents" | "skipped"> {
  return {
    documents: outcomes.flatMap((outcome) => (outcome.status === "analysed" ? [outcome.analysis] : [])),
    skipped: outcomes.flatMap((outcome) => (outcome.status === "skipped" ? [outcome.skipped] : [])),
  };
}

export function reportOf(
  outcomes: readonly Outcome[],
  about: Pick<Report, "folder" | "targetWords" | "createdAt">,
): Report {
  return { ...about, ...sorted(outcomes) };
}

/** `11 documents, 49,017 words, 206 minutes of reading; 2 files skipped` */
export function headlineOf({ documents, skipped }: Pick<Report, "documents" | "skipped">): string {
  const words = documents.reduce((sum, { statistics }) => sum + statistics.words, 0);
  const minutes = documents.reduce((sum, { statistics }) => sum + statistics.readingMinutes, 0);
  const left = skipped.length === 0 ? "" : `; ${counted(skipped.length, "file")} skipped`;
  return `${counted(documents.length, "document")}, ${counted(words, "word")}, ${counted(minutes, "minute")} of reading${left}`;
}

export function overviewRow({ title, statistics }: Analysis): OverviewRow {
  return {
    title,
    words: whole.format(statistics.words),
    minutes: whole.format(Math.max(1, statistics.readingMinutes)),
    wordsPerSentence: oneDecimal.format(statistics.wordsPerSentence),
    readingEase: easeOf(statistics),
  };
}

/** The figures of one document as pairs of name and value. */
export function figuresOf({ statistics }: Analysis): (readonly [name: string, value: string])[] {
  return [
    ["Words", whole.format(statistics.words)],
    ["Different words", whole.format(statistics.uniqueWords)],
    ["Sentences", whole.format(statistics.sentences)],
    ["Paragraphs", whole.format(statistics.paragraphs)],
    ["Words per sentence", oneDecimal.format(statistics.wordsPerSentence)],
    ["Syllables per word", statistics.syllablesPerWord.toFixed(2)],
    ["Reading ease", easeOf(statistics)],
  ];
}

function easeOf({ readingEase }: Statistics): string {
  return `${whole.format(readingEase)} (${readingLevel(readingEase)})`;
}

/** The sentences of a summary as running text; "…" marks where some of the text was left out. */
export function summaryText({ sentences }: Summary): string {
  return sentences
    .map(({ text, position }, index) => {
      const before = sentences[index - 1];
      return before !== undefined && position > before.position + 1 ? `… ${text}` : text;
    })
    .join(" ");
}

function counted(count: number, noun: string): string {
  const shown = whole.format(count);
  return shown === "1" ? `1 ${noun}` : `${shown} ${noun}s`;
}
