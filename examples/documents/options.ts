import { fileURLToPath } from "node:url";
import { resolve } from "node:path";
import { parseArgs } from "node:util";

/** What the demo was asked to do. */
export interface DemoOptions {
  readonly folder: string;
  readonly out: string;
  readonly targetWords: number;
  readonly yes: boolean;
  readonly kill: boolean;
  readonly json: boolean;
}

/** The command line cannot be understood; the message says which part and what is expected. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

const DEFAULT_FOLDER = fileURLToPath(new URL("../data", import.meta.url));
const DEFAULT_OUT = fileURLToPath(new URL("../out", import.meta.url));
const DEFAULT_WORDS = 120;
const FEWEST_WORDS = 20;
const MOST_WORDS = 2_000;

export const USAGE: string = `Analyses a folder of texts in a durable workflow, kills its worker half-way and shows that nothing finished is repeated.

  npm run demo                         the texts in examples/data
  npm run demo -- [folder] [options]   the .txt and .md files of a folder of yours

  --out DIR      where report.md and report.html go (default examples/out)
  --words N      length of the summaries at most, ${FEWEST_WORDS} to ${MOST_WORDS} (default ${DEFAULT_WORDS})
  --yes          approve the report without asking
  --no-kill      let the first worker live
  --json         print one JSON document at the end and nothing else
  -h, --help     print this
`;

/** Parses the command line; undefined when help was asked for. Throws a UsageError. Relative paths start at `cwd`. */
export function parseOptions(args: readonly string[], cwd: string): DemoOptions | undefined {
  const { values, positionals } = parsed(args);
  if (values.help) return undefined;
  const [folder = DEFAULT_FOLDER, ...more] = positionals;
  if (more.length > 0)
    throw new UsageError(`expected one folder but found ${positionals.length}: ${positionals.join(", ")}`);
  return {
    folder: resolve(cwd, folder),
    out: resolve(cwd, values.out ?? DEFAULT_OUT),
    targetWords: wordsFrom(values.words),
    yes: values.yes ?? false,
    kill: !values["no-kill"],
    json: values.json ?? false,
  };
}

function parsed(args: readonly string[]): ReturnType<typeof parseStrictly> {
  try {
    return parseStrictly(args);
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error), { cause: error });
  }
}

function parseStrictly(args: readonly string[]) {
  return parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      out: { type: "string" },
      words: { type: "string" },
      yes: { type: "boolean", short: "y" },
      "no-kill": { type: "boolean" },
      json: { type: "boolean" },
      help: { type: "boolean", short: "h" },
    },
  });
}

function wordsFrom(text: string | undefined): number {
  if (text === undefined) return DEFAULT_WORDS;
  const words = Number(text);
  if (Number.isInteger(words) && words >= FEWEST_WORDS && words <= MOST_WORDS) return words;
  throw new UsageError(`expected --words as a whole number from ${FEWEST_WORDS} to ${MOST_WORDS} but found "${text}"`);
}
