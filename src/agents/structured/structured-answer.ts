import { jsonSchemaOf } from "../../definition/json-schema.ts";
import { FlujoError } from "../../domain/errors.ts";
import { type Issue, issuesText, type Schema, validate } from "../../domain/schema.ts";
import type { Message, ModelAnswer } from "../../ports/model.ts";
import { readAnswer, type ReadOptions, type Stage } from "./read-answer.ts";

/** What is needed of a model's answer. */
export type AskedAnswer = Pick<ModelAnswer, "text"> & Partial<Pick<ModelAnswer, "finish" | "provider">>;

export interface StructuredOptions extends Omit<ReadOptions, "schema"> {
  /**
   * Asks the model: the conversation, and behind it what is appended here. Empty at first; then each refused answer and what is
   * wrong with it. Every call is a request of its own, to be paid for; what it throws ends the asking.
   */
  readonly generate: (appended: readonly Message[]) => Promise<AskedAnswer>;
  /** What the author wants. It has the last word; its JSON schema, where it has one, directs the reading. */
  readonly schema: Schema;
  /** How often the model is told what is wrong and asked again. Default 2. */
  readonly maxReasks?: number;
  /** Told of every answer read, for the trace. */
  readonly onStage?: (event: StageEvent) => void;
}

export interface StageEvent {
  /** 0 = the first answer, 1 = the first after being told. */
  readonly ask: number;
  readonly ok: boolean;
  readonly stage: Stage;
  readonly transforms: readonly string[];
  readonly issues: readonly Issue[];
}

export interface StructuredAnswer {
  /** What the schema made of the answer. */
  readonly value: unknown;
  readonly stage: Stage;
  readonly transforms: readonly string[];
  /** How many times the model was asked again. */
  readonly reasks: number;
  /** The text that was accepted. */
  readonly text: string;
}

const CUT: Issue = { path: "$", message: "the answer was cut at the limit of output tokens; write a shorter one" };
const MAX_TEXT_CHARACTERS = 2_000; // of a refused answer, in the failure that is stored
const MAX_ISSUES_TOLD = 20; // a model that got more wrong has misunderstood the task, not the details

/**
 * Asks until the answer satisfies the schema, at most `1 + maxReasks` times. Throws AGENT_OUTPUT_INVALID with the issues, the
 * stage reached and the beginning of the last text.
 */
export async function structuredAnswer(options: StructuredOptions): Promise<StructuredAnswer> {
  const { generate, maxReasks = 2, onStage } = options;
  const appended: Message[] = [];
  for (let ask = 0; ; ask++) {
    const answer = await generate([...appended]);
    const judged = await judge(answer, options);
    const { ok, stage, transforms, issues } = judged;
    onStage?.({ ask, ok, stage, transforms, issues });
    if (judged.ok) return { value: judged.value, stage, transforms, reasks: ask, text: answer.text };
    if (ask >= maxReasks) throw refused(judged, answer, ask);
    appended.push(
      { role: "assistant", text: answer.text, ...(answer.provider !== undefined && { provider: answer.provider }) },
      { role: "user", text: complaint(issues) },
    );
  }
}

interface Judged {
  readonly ok: boolean;
  readonly value: unknown;
  readonly stage: Stage;
  readonly transforms: readonly string[];
  readonly issues: readonly Issue[];
}

async function judge({ text, finish }: AskedAnswer, options: StructuredOptions): Promise<Judged> {
  const { schema, level, maxUnescapeDepth, root, allow } = options;
  const wanted = jsonSchemaOf(schema, "input");
  const read = readAnswer(text, {
    level,
    ...(wanted && { schema: wanted }),
    ...(maxUnescapeDepth !== undefined && { maxUnescapeDepth }),
    ...(root && { root }),
    ...(allow && { allow }),
  });
  const found = read.ok ? read : read.unfit; // the author's schema may know better than what we read of its JSON schema
  const { stage } = read;
  const transforms = found?.transforms ?? [];
  const no = (issues: readonly Issue[]): Judged => ({ ok: false, value: undefined, stage, transforms, issues });
  const cut = finish === "length";
  // Brackets can be closed; what was to come between them is lost, and nobody would notice.
  if (found === undefined || (cut && transforms.includes("closed-cut-text"))) {
    return no([...(cut ? [CUT] : []), ...(read.ok ? [] : read.issues)]);
  }
  const verdict = await validate(schema, found.value);
  return verdict.ok ? { ok: true, value: verdict.value, stage, transforms, issues: [] } : no(verdict.issues);
}

/** What is wrong, for the model: it corrects what it is told, and repeats what it is not. */
function complaint(issues: readonly Issue[]): string {
  const lines = issues.slice(0, MAX_ISSUES_TOLD).map(({ path, message }) => `- ${path}: ${message}`);
  const rest = issues.length > MAX_ISSUES_TOLD ? [`- and ${issues.length - MAX_ISSUES_TOLD} more`] : [];
  return [
    "Your answer cannot be used:",
    ...lines,
    ...rest,
    "Answer again, in full, with corrected JSON and nothing else.",
  ].join("\n");
}

function refused({ issues, stage, transforms }: Judged, { text }: AskedAnswer, reasks: number): FlujoError {
  const asked = reasks === 0 ? "" : `, after asking again ${reasks === 1 ? "once" : `${reasks} times`}`;
  return new FlujoError(
    "AGENT_OUTPUT_INVALID",
    `the answer does not satisfy the schema${asked}: ${issuesText(issues.slice(0, MAX_ISSUES_TOLD))}`,
    {
      details: {
        issues: issues.slice(0, MAX_ISSUES_TOLD),
        stage,
        transforms,
        reasks,
        text: text.slice(0, MAX_TEXT_CHARACTERS),
      },
    },
  );
}
