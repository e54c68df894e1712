import { barChart } from "./bar-chart.ts";
import { html } from "./html.ts";
import type { Html } from "./html.ts";
import type { Skipped } from "./reading.ts";
import { figuresOf, headlineOf, overviewRow, summaryText } from "./report.ts";
import type { Analysis, Report } from "./report.ts";
import { reportStyle } from "./report-style.ts";

/** The report as one HTML file that needs nothing else: no script, no request, light and dark, fit for a screen reader. */
export function htmlReport(report: Report): string {
  const nothing = html`<p class="panel">No document could be analysed.</p>`;
  const { text } = html`<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>Document report</title>
<meta name="description" content="${headlineOf(report)}">
<style>${reportStyle}</style>
</head>
<body>
<a class="skip" href="#content">Skip to the report</a>
<header>
<h1>Document report</h1>
<p class="meta">${headlineOf(report)}. Summaries of at most ${report.targetWords} words. Folder
<code>${report.folder}</code>, <time datetime="${report.createdAt.toISOString()}">${dateOf(report.createdAt)}</time>.</p>
</header>
<main id="content">
${report.documents.length === 0 ? nothing : overview(report.documents)}
${report.documents.map(article)}
${report.skipped.length === 0 ? [] : skippedPanel(report.skipped)}
</main>
<footer><p>Keywords by TextRank, summaries by LexRank: sentences are the authors' own. Reading ease after Flesch, for
English; reading time at 238 words a minute.</p></footer>
</body>
</html>
`;
  return text;
}

function overview(documents: readonly Analysis[]): Html {
  const longest = Math.max(1, ...documents.map(({ statistics }) => statistics.words));
  const bars = documents.map((analysis) => ({
    label: analysis.file,
    share: analysis.statistics.words / longest,
    value: overviewRow(analysis).words,
  }));
  return html`<section class="panel" aria-labelledby="overview">
<h2 id="overview">Overview</h2>
<section class="scroll" tabindex="0" aria-label="Table of documents">
<table>
<caption>Every document that was analysed</caption>
<thead><tr><th scope="col">Document</th><th scope="col" class="number">Words</th><th scope="col" class="number">Minutes</th>
<th scope="col" class="number">Words per sentence</th><th scope="col" class="ease">Reading ease</th></tr></thead>
<tbody>${documents.map(overviewLine)}
</tbody>
</table>
</section>
<h3>Words</h3>
${barChart(bars, { title: "Words of each document" })}
</section>`;
}

function overviewLine(analysis: Analysis, index: number): Html {
  const row = overviewRow(analysis);
  return html`
<tr><th scope="row"><a href="#document-${index + 1}">${row.title}</a></th><td class="number">${row.words}</td>
<td class="number">${row.minutes}</td><td class="number">${row.wordsPerSentence}</td><td class="ease">${row.readingEase}</td></tr>`;
}

function article(analysis: Analysis, index: number): Html {
  const id = `document-${index + 1}`;
  return html`<article aria-labelledby="${id}">
<h2 id="${id}">${analysis.title}</h2>
<p class="file">${analysis.file}</p>
${analysis.summary.sentences.length === 0 ? [] : html`<blockquote><p>${summaryText(analysis.summary)}</p></blockquote>`}
${analysis.keywords.length === 0 ? [] : keywordChart(analysis)}
<h3>Figures</h3>
<dl class="figures">${figuresOf(analysis).map(([name, value]) => html`<div><dt>${name}</dt><dd>${value}</dd></div>`)}</dl>
</article>
`;
}

function keywordChart({ keywords }: Analysis): Html {
  const bars = keywords.map(({ phrase, score, occurrences }) => ({
    label: phrase,
    share: score,
    value: `${occurrences}×`,
  }));
  return html`<h3>Keywords</h3>
${barChart(bars, { title: "Keywords, strongest first, with the number of occurrences" })}`;
}

function skippedPanel(skipped: readonly Skipped[]): Html {
  return html`<section class="panel skipped" aria-labelledby="skipped">
<h2 id="skipped">Skipped files</h2>
<section class="scroll" tabindex="0" aria-label="Table of skipped files">
<table>
<caption>These files were left out; the others were not held up</caption>
<thead><tr><th scope="col">File</th><th scope="col">What to do</th></tr></thead>
<tbody>${skipped.map(({ file, message }) => html`<tr><th scope="row">${file}</th><td>${message}</td></tr>`)}</tbody>
</table>
</section>
</section>`;
}

function dateOf(date: Date): string {
  return new Intl.DateTimeFormat("en-US", { dateStyle: "long", timeStyle: "short", timeZone: "UTC" })
    .format(date)
    .concat(" UTC");
}
