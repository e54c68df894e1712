import { FlujoError } from "../../domain/errors.ts";
import { failureFrom } from "../../domain/failure.ts";
import type { Wire } from "../../domain/wire.ts";
import type { Vote } from "../consensus/ballot.ts";
import { mostFrequent } from "../consensus/reducers.ts";

/** Looks at the plan in a prompt before an agent spends anything on it. Each part is optional; without any nothing is checked. */
export interface PrecheckOptions {
  /** What the plan stands between. Without them the whole text is the plan. */
  readonly delimiters?: readonly [start: string, end: string];
  /** Scores a plan from 0 to 1, and may say why. What it throws fails the precheck's caller: no verdict is not a pass. */
  readonly validate?: (plan: string) => Promise<{ readonly score: number; readonly feedback?: string }>;
  /** The lowest score that passes. Default 0.5. */
  readonly scoreThreshold?: number;
  /** Paths such as `user.id` that must be in the context, and not null. */
  readonly requiredContextKeys?: readonly string[];
  /** Where feedback goes when the plan did not pass: before the text, or into the context. Default: before the text. */
  readonly feedback?:
    | { readonly to: "prepend"; readonly prefix?: string }
    | { readonly to: "contextKey"; readonly key: string; readonly prefix?: string };
  /** Several plans for the same text: as large a part of them as the threshold says must be alike. Default 0.5. */
  readonly consensus?: {
    /** What one throws counts as disagreement; where all throw, the first is thrown on. */
    readonly sample: (index: number) => Promise<string>;
    /** At least 2. */
    readonly samples: number;
    readonly threshold?: number;
  };
  /** A failed check throws VALIDATION_FAILED. Default false: it advises, and the agent goes on. */
  readonly blocking?: boolean;
}

export interface Precheck {
  /** Skipped: there was no plan between the delimiters, or nothing to check. */
  readonly result: "pass" | "fail" | "skipped";
  /** What was found wanting. */
  readonly reasons: readonly string[];
  readonly score?: number;
  /** Part of the samples that agree, 0 to 1. */
  readonly agreement?: number;
  /** The text to go on with: with the feedback before it, if that is where it goes. */
  readonly text: string;
  /** To be put into the context, if that is where the feedback goes. */
  readonly context?: { readonly key: string; readonly feedback: string };
}

export interface PrecheckSubject {
  readonly text: string;
  readonly context: Wire;
}

const DEFAULT_THRESHOLD = 0.5;
const DEFAULT_PREFIX = "Before you go on, mind this about the plan:";

/** Makes a precheck of its options. Throws OPTION_INVALID for less than two samples. Source: Flujo, reasoning precheck. */
export function reasoningPrecheck(options: PrecheckOptions): (subject: PrecheckSubject) => Promise<Precheck> {
  const { consensus, blocking = false } = options;
  if (consensus !== undefined && !(Number.isSafeInteger(consensus.samples) && consensus.samples >= 2)) {
    throw new FlujoError(
      "OPTION_INVALID",
      `reasoningPrecheck: expected at least 2 samples but found ${consensus.samples}`,
    );
  }
  return async (subject) => {
    const needs = contextCheck(options, subject.context);
    // A verdict that nothing can change any more is not paid for.
    const settled = blocking && (needs?.reasons.length ?? 0) > 0;
    const asked = settled ? [] : await Promise.all([planCheck(options, subject.text), consensusCheck(options)]);
    const precheck = summary([needs, ...asked], options, subject);
    if (blocking && precheck.result === "fail") throw refused(precheck);
    return precheck;
  };
}

/** One check's finding; undefined when it had nothing to look at. */
type Check =
  | {
      readonly reasons: readonly string[];
      readonly score?: number;
      readonly agreement?: number;
    }
  | undefined;

function contextCheck({ requiredContextKeys = [] }: PrecheckOptions, context: Wire): Check {
  if (requiredContextKeys.length === 0) return undefined;
  const missing = requiredContextKeys.filter((path) => !isThere(context, path));
  return { reasons: missing.map((path) => `the context lacks "${path}"`) };
}

function isThere(context: Wire, path: string): boolean {
  let here: unknown = context;
  for (const part of path.split(".")) {
    if (typeof here !== "object" || here === null || !Object.hasOwn(here, part)) return false;
    here = Reflect.get(here, part);
  }
  return here !== null;
}

async function planCheck(options: PrecheckOptions, text: string): Promise<Check> {
  const { validate, delimiters, scoreThreshold = DEFAULT_THRESHOLD } = options;
  const plan = planIn(text, delimiters);
  if (validate === undefined || plan === undefined) return undefined;
  const { score, feedback } = await validate(plan);
  if (score >= scoreThreshold) return { reasons: [], score }; // NaN is no pass
  return { reasons: [feedback ?? `the plan scored ${score}, below ${scoreThreshold}`], score };
}

function planIn(text: string, delimiters: PrecheckOptions["delimiters"]): string | undefined {
  if (delimiters === undefined) return text;
  const [opening, closing] = delimiters;
  const start = text.indexOf(opening);
  const end = start === -1 ? -1 : text.indexOf(closing, start + opening.length);
  const plan = end === -1 ? "" : text.slice(start + opening.length, end).trim();
  return plan === "" ? undefined : plan;
}

async function consensusCheck({ consensus }: PrecheckOptions): Promise<Check> {
  if (consensus === undefined) return undefined;
  const { sample, samples, threshold = DEFAULT_THRESHOLD } = consensus;
  const settled = await Promise.allSettled(Array.from({ length: samples }, (_, i) => sample(i)));
  const votes = settled.flatMap((one, i): Vote[] =>
    one.status === "fulfilled" ? [{ name: String(i), status: "fulfilled", value: one.value }] : [],
  );
  const failed = settled.find((one) => one.status === "rejected");
  if (failed !== undefined && votes.length === 0) throw failed.reason; // no opinion is none against the plan
  const agreeing = mostFrequent(votes, ({ value }) => spelledOut(value))?.votes ?? 0;
  const agreement = agreeing / samples;
  if (agreement >= threshold && agreeing > 1) return { reasons: [], agreement };
  const why = failed === undefined ? "" : `; a sample failed: ${failureFrom(failed.reason).message}`;
  return { reasons: [`${agreeing} of ${samples} plans agree, wanted is ${threshold} of them${why}`], agreement };
}

/** Plans are prose: letter case and the width of white space are no disagreement. */
const spelledOut = (value: Wire): string =>
  (typeof value === "string" ? value : "").trim().toLowerCase().replace(/\s+/g, " ");

function summary(checks: readonly Check[], options: PrecheckOptions, { text }: PrecheckSubject): Precheck {
  const made = checks.filter((check) => check !== undefined);
  const reasons = made.flatMap((check) => check.reasons);
  const score = made.find((check) => check.score !== undefined)?.score;
  const agreement = made.find((check) => check.agreement !== undefined)?.agreement;
  const figures = { ...(score !== undefined && { score }), ...(agreement !== undefined && { agreement }) };
  if (made.length === 0) return { result: "skipped", reasons, text };
  if (reasons.length === 0) return { result: "pass", reasons, text, ...figures };
  const { feedback = { to: "prepend" } } = options;
  const said = `${feedback.prefix ?? DEFAULT_PREFIX}\n${reasons.map((reason) => `- ${reason}`).join("\n")}`;
  if (feedback.to === "prepend") return { result: "fail", reasons, text: `${said}\n\n${text}`, ...figures };
  return { result: "fail", reasons, text, context: { key: feedback.key, feedback: said }, ...figures };
}

function refused({ reasons, score, agreement }: Precheck): FlujoError {
  return new FlujoError("VALIDATION_FAILED", `the plan did not pass: ${reasons.join("; ")}`, {
    details: { reasons, ...(score !== undefined && { score }), ...(agreement !== undefined && { agreement }) },
  });
}
