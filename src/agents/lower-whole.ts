import { type ErrorCode, FlujoError } from "../domain/errors.ts";
import { endsTheRun } from "../domain/failure.ts";
import type { Processors } from "../definition/around.ts";
import type { Node } from "../definition/node.ts";
import type { AgentStepOptions } from "../dsl/lowerable.ts";
import { orProblem, type Place } from "../dsl/place.ts";
import type { ToolAnswer } from "../ports/model.ts";
import type { AgentContext } from "./agent-context.ts";
import type { AnyAgent } from "./agent.ts";
import { aroundWhole, processorsOf } from "./around-agent.ts";
import { type Bounds, boundsOf, checkBounds, turnsExceeded } from "./bounds.ts";
import { CallKeys } from "./call-key.ts";
import { assistantMessage, Conversation, GO_ON, toolMessage } from "./conversation.ts";
import { agentStep, configOf } from "./nodes.ts";
import { openAgent } from "./open.ts";
import { runTool, type ToolRun } from "./run-tool.ts";
import type { Tool } from "./tool.ts";
import { takeTurn } from "./turn.ts";
import { errorAnswer, type PlannedCall, type Turn, unknownTool } from "./turn-record.ts";

/** An agent in one step: its budget is kept call by call, but where the process dies it begins again. */
export function lowerWhole(place: Place, agent: AnyAgent, options: AgentStepOptions): Node {
  for (const tool of agent.tools) {
    const needs = whatNeedsSteps(tool);
    if (needs !== undefined)
      place.problems.push({ path: place.path, says: `tool ${tool.name} has ${needs}: say { granular: true }` });
  }
  const config = orProblem(place, configOf({}), () => configOf(options));
  checkBounds(place, options);
  const processors = processorsOf(options);
  const node = agentStep(place, { label: "agent", config }, (input, ctx) =>
    runWhole(ctx, { agent, options, processors, input }),
  );
  return { ...node, ...aroundWhole(place, agent, options) };
}

function whatNeedsSteps({ needsApproval, attempts: { retry, timeout } }: Tool): string | undefined {
  if (needsApproval !== undefined) return "requiresApproval";
  return retry !== undefined ? "a retry policy" : timeout !== undefined ? "a timeout" : undefined;
}

export interface Whole {
  readonly agent: AnyAgent;
  readonly options: AgentStepOptions;
  readonly processors: Processors;
  readonly input: unknown;
}

export async function runWhole(ctx: AgentContext, whole: Whole): Promise<unknown> {
  const { agent, options, processors } = whole;
  const bounds = boundsOf(options);
  const { maxTurns } = bounds;
  const conversation = new Conversation(await openAgent(ctx, whole), bounds.historyMaxTokens);
  const { path, visit, idempotencyKey } = ctx;
  const keys = new CallKeys(idempotencyKey);
  for (let turn = 1; turn <= maxTurns; turn++) {
    const said = await takeTurn(ctx, agent, {
      messages: conversation.messages,
      turn,
      idempotencyKey: `${idempotencyKey}-t${turn}`,
      place: { path, visit: `${visit}#${turn}` },
      processors: processors.output,
    });
    if (said.done) return said.output;
    // The calls of a last turn are not made: nobody would read what they give.
    if (turn === maxTurns) break;
    conversation.push(assistantMessage(said));
    conversation.push(
      said.calls.length === 0 ? GO_ON : toolMessage(await callTools(ctx, { agent, options, bounds, said, keys })),
    );
  }
  throw turnsExceeded(agent.name, maxTurns);
}

type Calling = Pick<Whole, "agent" | "options"> & {
  readonly bounds: Bounds;
  readonly said: Turn;
  readonly keys: CallKeys;
};

/**
 * So many at once. What a tool throws becomes its answer, unless it says that it must not: then the others are told to stop, and
 * waited for, so that none of them still runs when the step is tried again.
 */
async function callTools(ctx: AgentContext, calling: Calling): Promise<readonly ToolAnswer[]> {
  const { agent, bounds, said, keys } = calling;
  const stop = new AbortController();
  const signal = AbortSignal.any([ctx.signal, stop.signal]);
  const answers: ToolAnswer[] = [];
  const left = said.calls.entries();
  const failures: unknown[] = [];
  const callSome = async (): Promise<void> => {
    for (const [i, call] of left) {
      if (signal.aborted) return;
      const tool = agent.tools.find(({ name }) => name === call.name);
      if (tool === undefined) answers[i] = unknownTool(call, agent.tools);
      else answers[i] = await callTool(ctx, calling, { tool, call, idempotencyKey: keys.of(tool, call), signal });
    }
  };
  const stopping = async (): Promise<void> => {
    try {
      await callSome();
    } catch (error) {
      failures.push(error);
      stop.abort(error);
    }
  };
  await Promise.all(Array.from({ length: Math.min(bounds.toolConcurrency, said.calls.length) }, stopping));
  if (failures.length > 0) throw failures[0];
  ctx.signal.throwIfAborted();
  return answers;
}

async function callTool(
  ctx: AgentContext,
  { options: { enforceIdempotency = false } }: Calling,
  {
    tool,
    call,
    ...how
  }: Pick<ToolRun, "tool" | "idempotencyKey"> & { readonly call: PlannedCall; readonly signal: AbortSignal },
): Promise<ToolAnswer> {
  try {
    return await runTool(ctx, { tool, input: call, enforceIdempotency, ...how });
  } catch (error) {
    const code = error instanceof FlujoError ? error.code : "STEP_FAILED";
    if (tool.onError === "fail" || how.signal.aborted || !isForTheModel(code)) throw error;
    return errorAnswer(call, code, error instanceof Error ? error.message : String(error));
  }
}

/** What is wrong with the agent or its budget is no news for its model. */
const isForTheModel = (code: ErrorCode): boolean =>
  code !== "IDEMPOTENCY_KEY_MISSING" && code !== "LEASE_LOST" && !endsTheRun({ code });
