import { describe, expect, it } from "vitest";
import { htmlReport } from "./report-html.ts";
import { escapeMarkdown, markdownReport } from "./report-markdown.ts";
import { headlineOf, reportOf } from "./report.ts";
import type { Analysis, Outcome } from "./report.ts";
import { statistics } from "./statistics.ts";
import { summarise } from "./summary.ts";

const EVIL = `<img src=x onerror="alert('1')"> & | \`tick\` *star*`;

const analysis = (title: string): Analysis => {
  const text = `${title} is what this is about. It has two sentences.`;
  return {
    file: `${title}.txt`,
    title,
    statistics: statistics(text),
    keywords: [{ phrase: title, score: 1, occurrences: 2 }],
    summary: summarise(text, { sentences: 2 }),
  };
};
const about = { folder: "/texts", targetWords: 50, createdAt: new Date("2026-03-01T10:00:00Z") };
const analysed = (title: string): Outcome => ({ status: "analysed", analysis: analysis(title) });
const skipped = (file: string): Outcome => ({
  status: "skipped",
  skipped: { file, problem: "empty", message: `${file} is empty: write something in it` },
});

describe("the headline", () => {
  it("counts what was analysed and what was not", () => {
    const report = reportOf([analysed("Rain"), skipped("a.txt")], about);
    expect(headlineOf(report)).toBe("1 document, 10 words, 0 minutes of reading; 1 file skipped");
  });
});

describe("the Markdown report", () => {
  it("shows each document and each skipped file", () => {
    const text = markdownReport(reportOf([analysed("Rain"), skipped("a.txt")], about));
    expect(text).toContain("## Rain\n\n`Rain.txt`");
    expect(text).toContain("| Rain | 10 | 1 | 5.0 |");
    expect(text).toContain("| `a.txt` | a.txt is empty: write something in it |");
  });

  it("lets text change nothing but itself", () => {
    const text = markdownReport(reportOf([analysed(EVIL)], about));
    const withoutCode = text.replace(/^``.*``$/gmu, "");
    expect(withoutCode).not.toMatch(/(?<!\\)<img/u);
    const row = text.split("\n").find((line) => line.startsWith("| \\<img"));
    expect(row?.match(/(?<!\\)\|/gu)).toHaveLength(6);
  });

  it.each([
    ["1. item", "1\\. item"],
    ["- item", "\\- item"],
    ["a\n# b", "a \\# b"],
    ["&copy;", "&amp;copy;"],
  ])("escapes %j", (text, escaped) => {
    expect(escapeMarkdown(text)).toBe(escaped);
  });
});

describe("the HTML report", () => {
  it("is one document that needs nothing else", () => {
    const text = htmlReport(reportOf([analysed("Rain"), skipped("a.txt")], about));
    expect(text).toMatch(/^<!DOCTYPE html>\n<html lang="en">/u);
    expect(text).not.toMatch(/<script|<link|<img|https?:|url\(/u);
    expect(text).toContain("prefers-color-scheme: dark");
    expect(text).toContain('<th scope="row">a.txt</th>');
  });

  it("lets text change nothing but itself", () => {
    const text = htmlReport(reportOf([analysed(EVIL), skipped(EVIL)], { ...about, folder: EVIL }));
    expect(text).not.toContain("<img");
    expect(text).not.toMatch(/="[^"]*onerror="/u);
    expect(text).toContain("&lt;img src=x onerror=&quot;alert(&#39;1&#39;)&quot;&gt; &amp;");
  });

  it("links every row of the overview to an id that exists once", () => {
    const text = htmlReport(reportOf([analysed("Rain"), analysed("Rain")], about));
    for (const [, id] of text.matchAll(/href="#([^"]+)"/gu)) expect(text.split(` id="${id ?? ""}"`)).toHaveLength(2);
  });

  it("says so when nothing could be analysed", () => {
    expect(htmlReport(reportOf([skipped("a.txt")], about))).toContain("No document could be analysed.");
  });
});
