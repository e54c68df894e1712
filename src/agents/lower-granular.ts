import { FlujoError } from "../domain/errors.ts";
import { retryPolicy } from "../domain/retry.ts";
import type { AttemptNode, BranchNode, ForkNode, LoopNode, Node, WaitNode } from "../definition/node.ts";
import type { AgentStepOptions } from "../dsl/lowerable.ts";
import { orProblem, type Place } from "../dsl/place.ts";
import type { ToolAnswer } from "../ports/model.ts";
import type { AnyAgent } from "./agent.ts";
import { aroundClose, aroundTurn, processorsOf } from "./around-agent.ts";
import { APPROVAL_ANSWER, approvalQuestion, decided, expired, isForAnother } from "./approval.ts";
import { boundsOf, checkBounds, turnsExceeded } from "./bounds.ts";
import { agentStep, type At, below, configOf, sequence } from "./nodes.ts";
import { granularTurn } from "./granular-turn.ts";
import { openAgent } from "./open.ts";
import { runTool } from "./run-tool.ts";
import type { Tool } from "./tool.ts";
import { callOf, type CallInput, errorAnswer, type FailedCall, type Turn, unknownTool } from "./turn-record.ts";

/** Model calls fail for reasons that pass: 429, 503, a broken stream. */
const TURN_RETRY = retryPolicy({ attempts: 4, delay: 500, maxDelay: "30s", retryIf: mayPass });

/** Who was told twice what is wrong will not know better, and what is not on a script or a cassette will not be there either. */
function mayPass(error: unknown): boolean {
  const code = error instanceof FlujoError ? error.code : undefined;
  return code !== "AGENT_OUTPUT_INVALID" && code !== "MODEL_SCRIPT_BROKEN" && code !== "CASSETTE_MISS";
}

/**
 * An agent of which every turn and every tool call is a step:
 *
 *   open ─► turns ──────────────────────────────────────────┐ until it is done
 *            turn ─► act ─ none                             │
 *                        ─ one   the call of the turn       │
 *                        ─ many  a fork over its calls ─────┘
 *           ─► close
 *
 * A call is: a person's approval where it needs one, then the step of its tool, then, where that failed for good, an answer that
 * says so. All of it is what any flow is made of, so pauses, retries, timeouts, replays and cancelling are what they are elsewhere.
 */
export function lowerGranular(place: Place, agent: AnyAgent, options: AgentStepOptions): Node {
  checkBounds(place, options);
  const bounds = boundsOf(options);
  const { maxTurns, toolConcurrency } = bounds;
  const here: At = place;
  const turnsAt = below(here, "turns");
  const bodyAt = below(turnsAt, "body");
  const config = orProblem(place, configOf({}, TURN_RETRY), () => configOf(options, TURN_RETRY));
  const processors = processorsOf(options);
  const open = agentStep(below(here, "open"), { label: "agent.open", config: configOf({}) }, (input, ctx) =>
    openAgent(ctx, { agent, options, processors, input }),
  );
  const turn = agentStep<Turn | ToolAnswer | readonly ToolAnswer[]>(
    below(bodyAt, "turn"),
    { label: "agent.turn", config: { ...config, readsJournal: true } },
    (input, ctx) =>
      granularTurn(ctx, { agent, options, bounds, processors: processors.output, path: here.path, input }),
  );
  const told = { ...turn, ...aroundTurn(place, options) };
  const act = actNode(below(bodyAt, "act"), { place, agent, options, maxTurns, toolConcurrency });
  const turns: LoopNode = {
    kind: "loop",
    ...turnsAt,
    label: "agent.turns",
    mode: "until",
    test: (value, { iteration }) => (value as Partial<Turn>).done === true || iteration >= maxTurns,
    max: maxTurns,
    body: sequence(bodyAt, "agent.turns", [told, act]),
  };
  const close = agentStep<Turn>(below(here, "close"), { label: "agent.close", config: configOf({}) }, (last) =>
    outputOf(agent, last, maxTurns),
  );
  return sequence(here, "agent", [open, turns, { ...close, ...aroundClose(place, options) }]);
}

function outputOf({ name }: AnyAgent, last: Turn, maxTurns: number): unknown {
  if (last.done) return last.output;
  throw turnsExceeded(name, maxTurns);
}

interface Acting {
  readonly place: Place;
  readonly agent: AnyAgent;
  readonly options: AgentStepOptions;
  readonly maxTurns: number;
  readonly toolConcurrency: number;
}

function actNode(at: At, acting: Acting): BranchNode {
  const { maxTurns, toolConcurrency } = acting;
  const manyAt = below(at, "many");
  const many: ForkNode = {
    kind: "fork",
    ...manyAt,
    label: "agent.calls",
    children: { kind: "map", body: callNode(below(manyAt, "call"), acting), items: (value) => (value as Turn).calls },
    concurrency: toolConcurrency,
    join: { kind: "all" },
    merge: { kind: "context-update" },
  };
  return {
    kind: "branch",
    ...at,
    label: "agent.act",
    // The calls of a last turn are not made: nobody would read what they give.
    select: (value) => {
      const { calls, turn } = value as Turn;
      return calls.length === 0 || turn >= maxTurns ? "none" : calls.length === 1 ? "one" : "many";
    },
    cases: { one: callNode(below(at, "one"), acting), many },
  };
}

/** One tool call: approved, made, and answered whatever came of it. */
function callNode(at: At, acting: Acting): Node {
  const { agent } = acting;
  const toolsAt = below(at, "tool");
  const cases = Object.fromEntries(
    agent.tools.map((tool) => [tool.name, toolNode(below(toolsAt, tool.name), { ...acting, tool })]),
  );
  const unknown = agentStep<CallInput>(
    below(toolsAt, "no.tool"), // no tool has a dot in its name
    { label: "agent.tool", config: configOf({}) },
    (input) => unknownTool(callOf(input), agent.tools),
  );
  const tools: BranchNode = {
    kind: "branch",
    ...toolsAt,
    label: "agent.tools",
    select: (value) => callOf(value as CallInput).name,
    cases: Object.assign(Object.create(null) as Record<string, Node>, cases),
    otherwise: unknown,
  };
  const asking = agent.tools.filter(({ needsApproval }) => needsApproval !== undefined);
  if (asking.length === 0) return sequence(at, "agent.call", [tools]);
  return sequence(at, "agent.call", [approvalNode(below(at, "approval"), agent, asking), tools]);
}

function approvalNode(at: At, { name }: AnyAgent, asking: readonly Tool[]): BranchNode {
  const deadlines = new Map(asking.map((tool) => [tool.name, tool.approvalDeadlineMs]));
  const ask = (id: string, deadline: boolean): WaitNode => ({
    kind: "wait",
    ...below(at, id),
    label: "agent.approval",
    wait: {
      kind: "human",
      question: (value) => approvalQuestion(name, value as CallInput),
      answer: APPROVAL_ANSWER,
      check: isForAnother,
      take: decided,
    },
    ...(deadline && {
      deadlineMs: (value: unknown) => deadlines.get(callOf(value as CallInput).name) ?? 0,
      onTimeout: expired,
    }),
  });
  return {
    kind: "branch",
    ...at,
    label: "agent.approval",
    select: (value) => {
      const { approval, name: toolName } = callOf(value as CallInput);
      if (approval === undefined) return "none";
      return deadlines.get(toolName) === undefined ? "ask" : "askUntil";
    },
    cases: { ask: ask("ask", false), askUntil: ask("askUntil", true) },
  };
}

function toolNode(at: At, { place, options, tool }: Acting & { readonly tool: Tool }): Node {
  const config = orProblem(place, configOf({}), () => configOf(tool.attempts));
  const { enforceIdempotency = false } = options;
  const runAt = tool.onError === "fail" ? at : below(at, "run");
  const run = agentStep<CallInput>(runAt, { label: "agent.tool", config }, (input, ctx) =>
    runTool(ctx, { tool, input, enforceIdempotency }),
  );
  if (tool.onError === "fail") return run;
  const told = agentStep<FailedCall>(below(at, "failed"), { label: "agent.tool", config: configOf({}) }, (failed) =>
    failedAnswer(failed),
  );
  const attempt: AttemptNode = {
    kind: "attempt",
    ...at,
    label: "agent.tool",
    body: run,
    compensate: false,
    handler: { kind: "catch", node: told },
  };
  return attempt;
}

/** What is wrong with the agent itself is no news for its model. */
function failedAnswer({ error, input }: FailedCall): ToolAnswer {
  if (error.code === "IDEMPOTENCY_KEY_MISSING")
    throw new FlujoError("IDEMPOTENCY_KEY_MISSING", error.message, { ...(error.at !== undefined && { at: error.at }) });
  return errorAnswer(callOf(input), error.code, error.message);
}
