import { FlujoError } from "../domain/errors.ts";
import { NOTHING_SPENT } from "../domain/quota.ts";
import { issuesText, type Validated, validate } from "../domain/schema.ts";
import { encode } from "../domain/wire.ts";
import type { ToolAnswer } from "../ports/model.ts";
import type { AgentContext } from "./agent-context.ts";
import { isApproved } from "./approval.ts";
import { keyField, withKey } from "./call-key.ts";
import { type Tool, toolContext } from "./tool.ts";
import { callOf, type CallInput, type DecidedCall, errorAnswer, type PlannedCall } from "./turn-record.ts";

export interface ToolRun {
  readonly tool: Tool;
  readonly input: CallInput;
  readonly enforceIdempotency: boolean;
  /** Of this call; by default the key of the step that makes it. */
  readonly idempotencyKey?: string;
  readonly signal?: AbortSignal;
}

/**
 * Makes one tool call. What the model got wrong, and what a person or a rule refused, comes back as an answer to the model: it may
 * do better. Throws what the tool throws, so that its retry policy sees it.
 */
export async function runTool(
  ctx: AgentContext,
  { tool, input, enforceIdempotency, idempotencyKey = ctx.idempotencyKey, signal }: ToolRun,
): Promise<ToolAnswer> {
  const call = callOf(input);
  (signal ?? ctx.signal).throwIfAborted();
  if (!ctx.agency.governor.allowsTool(tool.name))
    return errorAnswer(call, "TOOL_NOT_ALLOWED", `the tool ${tool.name} is not on the allow-list`);
  const refused = refusedBy(input, call);
  if (refused !== undefined) return refused;
  const checked = await checkedArguments(tool, call, idempotencyKey);
  if (!checked.ok) {
    const why = `the arguments of ${tool.name} do not satisfy its schema: ${issuesText(checked.issues)}`;
    return errorAnswer(call, "TOOL_ARGUMENTS_INVALID", why);
  }
  if (call.approval === undefined && tool.needsApproval?.(checked.value) === true)
    return errorAnswer(call, "APPROVAL_INVALID", "a person has to approve this call, and nobody was asked");
  const reservation = await ctx.agency.spend.reserve(ONE_CALL);
  const { context, keyWasUsed } = toolContext(ctx, { idempotencyKey, ...(signal && { signal }) });
  try {
    const output = await tool.run(checked.value, context);
    if (enforceIdempotency && tool.requiresIdempotencyKey && !keyWasUsed() && keyField(tool) === undefined) {
      const why = `the tool ${tool.name} has effects outside and ran without looking at ctx.idempotencyKey`;
      throw new FlujoError("IDEMPOTENCY_KEY_MISSING", why);
    }
    return { id: call.id, name: call.name, output: encode(output === undefined ? null : output) };
  } finally {
    reservation.settle(ONE_CALL);
  }
}

/** What a tool is given, and what its rules look at. */
export const checkedArguments = (tool: Tool, call: PlannedCall, key: string): Validated | Promise<Validated> =>
  validate(tool.input, withKey(tool, call, key));

const ONE_CALL = Object.freeze({ ...NOTHING_SPENT, toolCalls: 1 });

/** What a person said of a call that has to be approved: only a yes to this very call passes. */
function refusedBy(input: CallInput, call: PlannedCall): ToolAnswer | undefined {
  if (call.approval === undefined || isApproved(input, call.approval)) return undefined;
  const { decision } = "kind" in input && input.kind === "decided" ? input : ({} as Partial<DecidedCall>);
  const why = decision?.reason === undefined ? "" : `: ${decision.reason}`;
  return errorAnswer(call, "APPROVAL_INVALID", `a person did not approve this call${why}`);
}
