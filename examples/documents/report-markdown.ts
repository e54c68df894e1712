import type { Analysis, Report } from "./report.ts";
import { figuresOf, headlineOf, overviewRow, summaryText } from "./report.ts";
import type { Skipped } from "./reading.ts";

/** The report as GitHub-flavoured Markdown. Text from documents is escaped, so it can change nothing but itself. */
export function markdownReport(report: Report): string {
  return [
    "# Document report",
    `${escapeMarkdown(headlineOf(report))}.`,
    `Folder: ${code(report.folder)} · summaries of at most ${report.targetWords} words · ${report.createdAt.toISOString()}`,
    ...(report.documents.length === 0 ? [] : [overview(report.documents), ...report.documents.flatMap(section)]),
    ...(report.skipped.length === 0 ? [] : ["## Skipped files", skippedTable(report.skipped)]),
  ]
    .join("\n\n")
    .concat("\n");
}

function overview(documents: readonly Analysis[]): string {
  const rows = documents.map((analysis) => {
    const row = overviewRow(analysis);
    return `| ${escapeMarkdown(row.title)} | ${row.words} | ${row.minutes} | ${row.wordsPerSentence} | ${row.readingEase} |`;
  });
  return [
    "| document | words | minutes | words per sentence | reading ease |",
    "| :--- | ---: | ---: | ---: | ---: |",
    ...rows,
  ].join("\n");
}

function section(analysis: Analysis): string[] {
  const phrases = analysis.keywords.map(({ phrase, occurrences }) => `${escapeMarkdown(phrase)} (${occurrences})`);
  const figures = figuresOf(analysis).map(([name, value]) => `${name}: ${value}`);
  return [
    `## ${escapeMarkdown(analysis.title)}`,
    code(analysis.file),
    ...(analysis.summary.sentences.length === 0 ? [] : [`> ${escapeMarkdown(summaryText(analysis.summary))}`]),
    ...(phrases.length === 0 ? [] : [`Keywords: ${phrases.join(", ")}`]),
    figures.map((figure) => `- ${figure}`).join("\n"),
  ];
}

function skippedTable(skipped: readonly Skipped[]): string {
  const rows = skipped.map(
    ({ file, message }) => `| ${code(file).replaceAll("|", "\\|")} | ${escapeMarkdown(message)} |`,
  );
  return ["| file | what to do |", "| :--- | :--- |", ...rows].join("\n");
}

/** Text that Markdown shows as it is, on one line. */
export function escapeMarkdown(text: string): string {
  return text
    .replace(/\s+/gu, " ")
    .replace(/&(?=#?\w+;)/gu, "&amp;")
    .replace(/[\\`*_{}[\]<>|~#]/gu, "\\$&")
    .replace(/^(\d+)([.)])/u, "$1\\$2")
    .replace(/^[-+=]/u, "\\$&");
}

/** A file name between backticks; a name with backticks gets a longer fence. */
function code(text: string): string {
  const plain = text.replace(/\s+/gu, " ");
  const longest = Math.max(0, ...(plain.match(/`+/gu) ?? []).map((run) => run.length));
  if (longest === 0) return `\`${plain}\``;
  const fence = "`".repeat(longest + 1);
  return `${fence} ${plain} ${fence}`;
}
