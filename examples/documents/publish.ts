import { mkdir, rename, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { htmlReport } from "./report-html.ts";
import { markdownReport } from "./report-markdown.ts";
import type { Report } from "./report.ts";

/** Where a report was written. */
export interface Published {
  readonly markdown: string;
  readonly html: string;
  readonly documents: number;
  readonly skipped: number;
}

/**
 * Writes `report.md` and `report.html` into `out`. Each appears whole or not at all, and writing again gives the same
 * files: a step runs at least once, so what it does must bear being done twice.
 */
export async function publish(report: Report, out: string): Promise<Published> {
  const folder = resolve(out);
  await mkdir(folder, { recursive: true });
  const markdown = await writeWhole(join(folder, "report.md"), markdownReport(report));
  const html = await writeWhole(join(folder, "report.html"), htmlReport(report));
  return { markdown, html, documents: report.documents.length, skipped: report.skipped.length };
}

async function writeWhole(path: string, text: string): Promise<string> {
  const unfinished = `${path}.${process.pid}.tmp`;
  await writeFile(unfinished, text);
  await rename(unfinished, path);
  return path;
}
