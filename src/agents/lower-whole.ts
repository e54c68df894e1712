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
import { assistantMessage, Conversation, GO_ON, toolMessage } from "./conversation.ts";
import { HISTORY_MAX_TOKENS } from "./granular-turn.ts";
import { agentStep, configOf } from "./nodes.ts";
import { openAgent } from "./open.ts";
import { runTool } from "./run-tool.ts";
import type { Tool } from "./tool.ts";
import { takeTurn } from "./turn.ts";
import { errorAnswer, type PlannedCall, type Turn } from "./turn-record.ts";

const DEFAULT_TURNS = 20;

/** An agent in one step: its budget is kept call by call, but where the process dies it begins again. */
export function lowerWhole(place: Place, agent: AnyAgent, options: AgentStepOptions): Node {
  for (const tool of agent.tools) {
    const needs = whatNeedsSteps(tool);
    if (needs !== undefined)
      place.problems.push({ path: place.path, says: `tool ${tool.name} has ${needs}: say { granular: true }` });
  }
  const config = orProblem(place, configOf({}), () => configOf(options));
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
  const { maxTurns = DEFAULT_TURNS, historyMaxTokens = HISTORY_MAX_TOKENS } = options;
  const conversation = new Conversation(await openAgent(ctx, whole), historyMaxTokens);
  const { path, visit, idempotencyKey } = ctx;
  for (let turn = 1; turn <= maxTurns; turn++) {
    const key = `${idempotencyKey}-t${turn}`;
    const said = await takeTurn(ctx, agent, {
      messages: conversation.messages,
      turn,
      idempotencyKey: key,
      place: { path, visit: `${visit}#${turn}` },
      processors: processors.output,
    });
    if (said.done) return said.output;
    conversation.push(assistantMessage(said));
    conversation.push(
      said.calls.length === 0 ? GO_ON : toolMessage(await callTools(ctx, { agent, options, said, key })),
    );
  }
  throw new FlujoError("AGENT_TURNS_EXCEEDED", `agent ${agent.name} did not finish within ${maxTurns} turns`);
}

/** All at once; what a tool throws becomes its answer, unless it says that it must not. */
function callTools(
  ctx: AgentContext,
  { agent, options, said, key }: Omit<Whole, "input" | "processors"> & { readonly said: Turn; readonly key: string },
): Promise<readonly ToolAnswer[]> {
  const { enforceIdempotency = false } = options;
  const call = async (input: PlannedCall, i: number): Promise<ToolAnswer> => {
    const tool = agent.tools.find(({ name }) => name === input.name);
    if (tool === undefined) return errorAnswer(input, "TOOL_UNKNOWN", `there is no tool "${input.name}"`);
    try {
      return await runTool(ctx, { tool, input, enforceIdempotency, idempotencyKey: `${key}-${i}` });
    } catch (error) {
      const code = error instanceof FlujoError ? error.code : "STEP_FAILED";
      if (tool.onError === "fail" || ctx.signal.aborted || !isForTheModel(code)) throw error;
      return errorAnswer(input, code, error instanceof Error ? error.message : String(error));
    }
  };
  return Promise.all(said.calls.map(call));
}

/** What is wrong with the agent or its budget is no news for its model. */
const isForTheModel = (code: ErrorCode): boolean =>
  code !== "IDEMPOTENCY_KEY_MISSING" && code !== "LEASE_LOST" && !endsTheRun({ code });
