import { canonical } from "../domain/canonical.ts";
import type { Schema } from "../domain/schema.ts";
import { sha256 } from "../domain/sha256.ts";
import type { Wire } from "../domain/wire.ts";
import { callOf, type CallInput, type DecidedCall, type Decision, type PlannedCall } from "./turn-record.ts";

/** What a person is asked before a tool runs. */
export interface ApprovalQuestion {
  readonly kind: "tool-approval";
  readonly agent: string;
  readonly tool: string;
  readonly arguments: Wire;
  /** Names this very call: an answer has to repeat it. */
  readonly hash: string;
}

/**
 * What an approval is bound to: the tool, its arguments, the run, the agent's place in it, and the turn. Any other call has
 * another one, so an answer that was meant for something else never passes.
 */
export function approvalHash(
  { name, arguments: given }: Pick<PlannedCall, "name" | "arguments">,
  at: { readonly run: string; readonly path: string; readonly visit: string; readonly call: number },
): string {
  return sha256(canonical({ tool: name, arguments: given, ...at })).slice(0, 32);
}

export function approvalQuestion(agent: string, input: CallInput): ApprovalQuestion {
  const { name, arguments: given, approval = "" } = callOf(input);
  return { kind: "tool-approval", agent, tool: name, arguments: given, hash: approval };
}

/** `{ approve, hash, reason? }`: by hand, because this package takes in no validator. */
export const APPROVAL_ANSWER: Schema<unknown, Decision> = {
  "~standard": {
    version: 1,
    vendor: "flujo",
    validate: (value) => {
      const answer = (typeof value === "object" && value !== null ? value : {}) as Partial<Decision>;
      const { approve, hash, reason } = answer;
      if (typeof approve !== "boolean")
        return { issues: [{ message: "expected { approve: true | false, hash, reason? }", path: ["approve"] }] };
      if (typeof hash !== "string")
        return { issues: [{ message: "expected the hash of the question", path: ["hash"] }] };
      if (reason !== undefined && typeof reason !== "string")
        return { issues: [{ message: "expected text", path: ["reason"] }] };
      return { value: { approve, hash, ...(reason !== undefined && { reason }) } };
    },
  },
};

/** Why an answer is not one to this question. */
export function isForAnother(answer: unknown, question: unknown): string | undefined {
  const { hash } = answer as Decision;
  const asked = question as ApprovalQuestion;
  return hash === asked.hash
    ? undefined
    : `expected the hash ${asked.hash} of ${asked.tool} with these arguments but found ${hash.slice(0, 64)}`;
}

export const decided = (answer: unknown, value: unknown): DecidedCall => ({
  kind: "decided",
  call: callOf(value as CallInput),
  decision: answer as Decision,
});

/** Nobody answered in time: that is a no. */
export function expired(value: unknown): DecidedCall {
  const call = callOf(value as CallInput);
  const decision = { approve: false, hash: call.approval ?? "", reason: "nobody approved it in time" };
  return { kind: "decided", call, decision };
}

/** Whether this very call may run. */
export function isApproved(input: CallInput, hash: string): boolean {
  return "kind" in input && input.kind === "decided" && input.decision.approve && input.decision.hash === hash;
}
