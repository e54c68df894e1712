import type { Flow } from "flujo";
import { flow } from "flujo";
import { z } from "zod";
import { recordInto } from "./execution-log.ts";
import { listDocuments } from "./folder.ts";
import { keywords } from "./keywords.ts";
import { publish } from "./publish.ts";
import type { Published } from "./publish.ts";
import { readDocument } from "./reading.ts";
import type { Document, Reading } from "./reading.ts";
import { headlineOf, reportOf, sorted } from "./report.ts";
import type { Outcome } from "./report.ts";
import { statistics } from "./statistics.ts";
import { draftSummary } from "./summary.ts";
import { tighten } from "./tighten.ts";

/** What a run is started with. */
export interface Order {
  readonly folder: string;
  /** Where the report goes; not read when it lies inside the folder. */
  readonly out: string;
  /** No summary is longer. */
  readonly targetWords: number;
}

const order = z.object({
  folder: z.string().min(1),
  out: z.string().min(1),
  targetWords: z.number().int().min(20).max(2_000),
});

// What later steps need besides the value that flows: the order, and the results while a human is asked about them.
const shared = z.object({
  folder: z.string().default(""),
  out: z.string().default(""),
  targetWords: z.number().default(0),
  outcomes: z.array(z.custom<Outcome>()).default([]),
});

const KEYWORDS = 8;

/**
 * Reads every file of a folder, analyses them four at a time, and after a human has agreed writes a report. A file that
 * cannot be used is left out with a reason. Resolves to null when the human declines. `log` is where executions leave a trace.
 */
export function documentsFlow(log: string): Flow<Order, Published | null> {
  const recorded = recordInto(log);

  return flow("documents", { version: "1", description: "Analyses a folder of texts and writes a report" })
    .input(order)
    .context(shared)
    .step(
      "list",
      recorded(({ folder, out, targetWords }, { context }) => {
        Object.assign(context, { folder, out, targetWords });
        return listDocuments(folder, { targetWords, reportFolder: out });
      }),
    )
    .map(
      "documents",
      (file) =>
        file.step("read", recorded(readDocument)).if(
          "readable",
          (reading) => reading.ok,
          (body) =>
            body
              .parallel("analyse", {
                identity: (b) => b.step("identify", recorded(identityOf)),
                statistics: (b) =>
                  b.step(
                    "count",
                    recorded((reading) => statistics(documentOf(reading).text)),
                  ),
                keywords: (b) =>
                  b.step(
                    "find",
                    recorded((reading) => keywords(documentOf(reading).text, { limit: KEYWORDS })),
                  ),
                refined: (b) =>
                  b.step("draft", recorded(draftOf)).loop(
                    "refine",
                    (round) =>
                      round.step(
                        "tighten",
                        recorded(({ summary, targetWords }) => ({
                          summary: tighten(summary, { targetWords }),
                          targetWords,
                        })),
                      ),
                    { until: ({ summary, targetWords }) => summary.words <= targetWords, max: 12 },
                  ),
              })
              .step(
                "conclude",
                recorded(({ identity, refined, ...found }): Outcome => {
                  return { status: "analysed", analysis: { ...identity, ...found, summary: refined.summary } };
                }),
              ),
          (body) => body.step("skip", recorded(skippedOf)),
        ),
      { concurrency: 4 },
    )
    .step(
      "gather",
      recorded((outcomes, { context }) => {
        context.outcomes = outcomes;
        return headlineOf(sorted(outcomes));
      }),
    )
    .human("approve", {
      message: (headline) => `Publish the report (${headline})?`,
      answer: z.object({ ok: z.boolean() }),
    })
    .if(
      "approved",
      ({ ok }) => ok,
      (body) =>
        body.step(
          "report",
          recorded((_, ctx) => {
            const { outcomes, out, ...about } = ctx.context;
            return publish(reportOf(outcomes, { ...about, createdAt: ctx.now() }), out);
          }),
        ),
      (body) =>
        body.step(
          "decline",
          recorded(() => null),
        ),
    )
    .build();
}

/** The document of a reading that the branch before has found to be one. */
function documentOf(reading: Reading): Document {
  if (!reading.ok) throw new Error(`expected a readable document but found: ${reading.skipped.message}`);
  return reading.document;
}

function identityOf(reading: Reading): Pick<Document, "file" | "title"> {
  const { file, title } = documentOf(reading);
  return { file, title };
}

function draftOf(reading: Reading): { summary: ReturnType<typeof draftSummary>; targetWords: number } {
  const { text, targetWords } = documentOf(reading);
  return { summary: draftSummary(text, { targetWords }), targetWords };
}

function skippedOf(reading: Reading): Outcome {
  if (reading.ok) throw new Error(`expected a skipped file but found ${reading.document.file}`);
  return { status: "skipped", skipped: reading.skipped };
}
