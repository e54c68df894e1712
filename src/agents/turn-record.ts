import type { Failure } from "../domain/failure.ts";
import type { Spending } from "../domain/quota.ts";
import type { Wire } from "../domain/wire.ts";
import type { FinishReason, ToolAnswer, ToolCall } from "../ports/model.ts";
import { withoutKeys } from "./models/secrets.ts";

/*
 * What an agent records. Every one of these is the output of a step, so it is in the history of the run once; the conversation
 * is what they tell one after another (see conversation.ts), and is stored nowhere else.
 */

/** How an agent began. */
export interface Opening {
  readonly kind: "opening";
  readonly system: string;
  readonly prompt: string;
  /** Of the agent as it was then. */
  readonly fingerprints: { readonly strict: string; readonly compat: string };
}

/** One answer of the model. */
export interface Turn {
  readonly kind: "turn";
  readonly turn: number;
  readonly text: string;
  readonly reasoning?: string;
  readonly calls: readonly PlannedCall[];
  readonly finish: FinishReason;
  /** Which model answered. */
  readonly model: string;
  readonly spent: Spending;
  /** Nothing follows: `output` is what the agent gives. */
  readonly done: boolean;
  readonly output?: unknown;
  /** Which stage made the output of the text, and how often the model was asked again. */
  readonly structured?: { readonly stage: string; readonly reasks: number };
  readonly provider?: Wire;
}

/** A tool call that is to be made. */
export interface PlannedCall extends ToolCall {
  /** Of the tool, its arguments, the run and the turn, where a person has to approve: what an approval is bound to. */
  readonly approval?: string;
}

/** What a person said about a call. */
export interface Decision {
  readonly approve: boolean;
  readonly hash: string;
  readonly reason?: string;
}

export interface DecidedCall {
  readonly kind: "decided";
  readonly call: PlannedCall;
  readonly decision: Decision;
}

/** What flows into the step of a tool: the call, the turn whose only call it is, or the call that a person has decided on. */
export type CallInput = PlannedCall | Turn | DecidedCall;

/** What the handler of a failed tool is given. */
export interface FailedCall {
  readonly error: Failure;
  readonly input: CallInput;
}

export function callOf(input: CallInput): PlannedCall {
  if (!("kind" in input)) return input;
  if (input.kind === "decided") return input.call;
  const [only] = input.calls;
  if (only === undefined) throw new TypeError("a turn without calls has no tool to run");
  return only;
}

/** What a model is told of a failure leaves the process: without what looks like a key. */
export const errorAnswer = ({ id, name }: ToolCall, code: string, message: string): ToolAnswer => ({
  id,
  name,
  output: { error: { code, message: withoutKeys(message) } },
  isError: true,
});

export function unknownTool(call: ToolCall, tools: readonly { readonly name: string }[]): ToolAnswer {
  const known = tools.map(({ name }) => name).join(", ") || "none";
  return errorAnswer(call, "TOOL_UNKNOWN", `there is no tool "${call.name}"; there are: ${known}`);
}
