import { FlujoError } from "../domain/errors.ts";
import type { Processor } from "../definition/around.ts";
import type { AgentStepOptions } from "../dsl/lowerable.ts";
import type { Message, ToolAnswer } from "../ports/model.ts";
import type { AgentContext } from "./agent-context.ts";
import type { AnyAgent } from "./agent.ts";
import type { Bounds } from "./bounds.ts";
import { assistantMessage, Conversation, conversationFrom, GO_ON, toolMessage } from "./conversation.ts";
import { fingerprintsOf } from "./fingerprint.ts";
import { modeOf } from "./open.ts";
import { takeTurn } from "./turn.ts";
import type { Opening, Turn } from "./turn-record.ts";

export interface GranularTurn {
  readonly agent: AnyAgent;
  readonly options: AgentStepOptions;
  readonly processors: readonly Processor[];
  readonly bounds: Bounds;
  /** Of the agent. */
  readonly path: string;
  /** What flows in: the opening, the turn before (which called nothing), or what its tools gave. */
  readonly input: Opening | Turn | ToolAnswer | readonly ToolAnswer[];
}

interface Memo {
  readonly opening: Opening;
  readonly conversation: Conversation;
}

/**
 * One turn as a step. What was said before is in the memory of the process that holds the agent, or in the history of the run: a
 * turn stores what it adds, and nothing of what was there.
 */
export async function granularTurn(ctx: AgentContext, given: GranularTurn): Promise<Turn> {
  const { agent, options, bounds, processors, path, input } = given;
  const { visit, turn } = placeOfTurn(ctx.visit);
  const key = `agent ${path}#${visit}`;
  const { opening, conversation: before } = await memoOf(ctx, { key, path, visit, turn, bounds, input });
  checkFingerprint(ctx, { agent, options, opening });
  const added = addedBy(input, agent);
  // On a copy: an attempt that fails leaves what was said as it was.
  const conversation = added === undefined ? before : before.with(added);
  const said = await takeTurn(ctx, agent, {
    messages: conversation.messages,
    turn,
    idempotencyKey: ctx.idempotencyKey,
    place: { path, visit: ctx.visit },
    processors,
  });
  conversation.push(assistantMessage(said));
  conversation.turns = turn;
  // What nobody will ask for again goes: an agent in a loop would leave a conversation behind in each round.
  if (said.done || turn >= bounds.maxTurns) ctx.agency.memo.delete(key);
  else ctx.agency.memo.set(key, { opening, conversation } satisfies Memo);
  return said;
}

/** The visit of the agent, and which turn it is: the loop added the last number. */
function placeOfTurn(visit: string): { readonly visit: string; readonly turn: number } {
  const dot = visit.lastIndexOf(".");
  return { visit: visit.slice(0, Math.max(0, dot)), turn: Number(visit.slice(dot + 1)) };
}

async function memoOf(
  { agency }: AgentContext,
  at: Pick<GranularTurn, "path" | "bounds" | "input"> & {
    readonly key: string;
    readonly visit: string;
    readonly turn: number;
  },
): Promise<Memo> {
  const { key, path, visit, turn, input } = at;
  const budgetTokens = at.bounds.historyMaxTokens;
  if (turn === 1) {
    const opening = input as Opening;
    return { opening, conversation: new Conversation(opening, budgetTokens) };
  }
  const known = agency.memo.get(key) as Memo | undefined;
  // One more or less than was recorded: an answer that was not stored after all. What is stored counts.
  if (known?.conversation.turns === turn - 1) return known;
  const { inflate } = agency;
  const told = await conversationFrom(await agency.journal(), { path, visit }, { inflate, budgetTokens });
  if (told === undefined || told.conversation.turns !== turn - 1) {
    const found = told === undefined ? "no beginning" : `${told.conversation.turns} turns`;
    throw new FlujoError(
      "RECORD_UNDECODABLE",
      `expected ${turn - 1} turns in the history of the run but found ${found}`,
      {
        at: path,
      },
    );
  }
  return told;
}

/** Bounds of a history may change under `compat`; who the agent is may not. */
function checkFingerprint(
  ctx: AgentContext,
  { agent, options, opening }: Pick<GranularTurn, "agent" | "options"> & { readonly opening: Opening },
): void {
  const mode = modeOf(options, ctx);
  const now = fingerprintsOf(agent, options);
  if (now[mode] === opening.fingerprints[mode]) return;
  const what = now.compat === opening.fingerprints.compat ? "settings" : "prompt, model, tools or output";
  throw new FlujoError("AGENT_CHANGED", `the ${what} of agent ${agent.name} changed since this run began`, {
    at: ctx.path,
    details: { mode, expected: opening.fingerprints[mode], found: now[mode] },
  });
}

function addedBy(input: GranularTurn["input"], { completion }: AnyAgent): Message | undefined {
  if ("kind" in input) {
    if (input.kind === "opening") return undefined;
    return completion === "signal" ? GO_ON : undefined;
  }
  return toolMessage(input);
}
