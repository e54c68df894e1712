import { NOTHING_SPENT, plus, type Spending } from "../domain/quota.ts";
import { process } from "../domain/processing.ts";
import { encode, type Wire } from "../domain/wire.ts";
import type { Processor } from "../definition/around.ts";
import { jsonSchemaOf } from "../definition/json-schema.ts";
import type { Message, Model, ModelAnswer, ModelRequest } from "../ports/model.ts";
import type { AgentContext } from "./agent-context.ts";
import type { AnyAgent } from "./agent.ts";
import { approvalHash } from "./approval.ts";
import { asText } from "./as-text.ts";
import { nameOf } from "./fingerprint.ts";
import { fallbackModels } from "./models/fallback.ts";
import { DEFAULT_MAX_OUTPUT_TOKENS } from "./models/tokens.ts";
import { paidCall } from "./paid-call.ts";
import { checkedArguments } from "./run-tool.ts";
import { structuredAnswer } from "./structured/structured-answer.ts";
import type { Tool } from "./tool.ts";
import type { PlannedCall, Turn } from "./turn-record.ts";

export interface TurnRequest {
  readonly messages: readonly Message[];
  readonly turn: number;
  /** Of this turn, whatever becomes of its first try. */
  readonly idempotencyKey: string;
  /** Path and visit that a person's approval is bound to. */
  readonly place: { readonly path: string; readonly visit: string };
  /** What a last text goes through before it is read. */
  readonly processors: readonly Processor[];
}

/** One turn of an agent: the model is asked, and what it said is made into what is recorded. Throws what the call throws. */
export async function takeTurn(ctx: AgentContext, agent: AnyAgent, request: TurnRequest): Promise<Turn> {
  const { messages, turn, place, idempotencyKey, processors } = request;
  const model = await modelOf(ctx, agent);
  const asker = new Asker(ctx, { agent, model, turn, idempotencyKey });
  const answer = await asker.ask(messages, []);
  const calls = await Promise.all(
    answer.calls.map((call, i) => planned(ctx, agent, call, { run: ctx.run.id, ...place, call: i })),
  );
  const said: Omit<Turn, "done" | "spent"> = {
    kind: "turn",
    turn,
    text: answer.text,
    ...(answer.reasoning !== undefined && { reasoning: answer.reasoning }),
    calls,
    finish: answer.finish,
    model: answer.model ?? nameOf(model),
    ...(answer.provider !== undefined && { provider: answer.provider }),
  };
  if (calls.length > 0) return { ...said, done: false, spent: asker.spent };
  if (agent.output === undefined) {
    const done = agent.completion === "answer" || saysDone(answer.text);
    if (!done) return { ...said, done, spent: asker.spent };
    const output = await process("output", processors, { data: answer.text, ctx });
    return { ...said, done, spent: asker.spent, output };
  }
  let first: ModelAnswer | undefined = answer;
  const structured = await structuredAnswer({
    schema: agent.output,
    ...readingOf(ctx, agent),
    generate: async (appended) => {
      const given = first ?? (await asker.ask(messages, appended));
      first = undefined;
      if (processors.length === 0) return given;
      return { ...given, text: asText(await process("output", processors, { data: given.text, ctx })) };
    },
  });
  const { value, stage, reasks, text } = structured;
  const done = agent.completion === "answer" || isComplete(value);
  return {
    ...said,
    text,
    done,
    spent: asker.spent,
    structured: { stage, reasks },
    ...(done && { output: value }),
  };
}

/** How far an answer is bent: as the agent says, else as the process is told, else where one reading is possible. */
function readingOf(
  { agency: { answers } }: AgentContext,
  { repair }: AnyAgent,
): Pick<Parameters<typeof structuredAnswer>[0], "level" | "maxUnescapeDepth" | "maxReasks"> {
  const { level = 1, maxUnescapeDepth } = answers;
  return { level, ...repair, ...(maxUnescapeDepth !== undefined && { maxUnescapeDepth }) };
}

export async function modelOf({ agency }: AgentContext, { model }: AnyAgent): Promise<Model> {
  if (!Array.isArray(model)) return agency.model(model as string | Model);
  const models = await Promise.all((model as readonly (string | Model)[]).map((one) => agency.model(one)));
  return models.length === 1 && models[0] !== undefined ? models[0] : fallbackModels(models);
}

interface Asking extends Pick<TurnRequest, "turn" | "idempotencyKey"> {
  readonly agent: AnyAgent;
  readonly model: Model;
}

/** Asks the model, as often as it takes, under keys of their own; adds up what that cost. */
class Asker {
  readonly #ctx: AgentContext;
  readonly #agent: AnyAgent;
  readonly #model: Model;
  readonly #turn: number;
  readonly #key: string;
  #asked = 0;
  spent: Spending = NOTHING_SPENT;

  constructor(ctx: AgentContext, { agent, model, turn, idempotencyKey }: Asking) {
    this.#ctx = ctx;
    this.#agent = agent;
    this.#model = model;
    this.#turn = turn;
    this.#key = idempotencyKey;
  }

  async ask(messages: readonly Message[], appended: readonly Message[]): Promise<ModelAnswer> {
    const { agency, run } = this.#ctx;
    const { name, hints } = this.#agent;
    const governed = await agency.governor.beforeModel({
      agent: name,
      run: run.id,
      messages: [...messages, ...appended],
    });
    const { answer, spent } = await paidCall(this.#ctx, {
      model: this.#model,
      request: this.#request(governed.messages),
      idempotencyKey: this.#asked === 0 ? this.#key : `${this.#key}-${this.#asked}`,
      hints,
      onDelta: (delta) => this.#ctx.emit({ kind: "model", agent: name, turn: this.#turn, delta }),
    });
    this.#asked += 1;
    this.spent = plus(this.spent, spent);
    return restored(answer, governed.restore);
  }

  #request(messages: readonly Message[]): ModelRequest {
    const { settings, output } = this.#agent;
    const tools = this.#agent.tools
      .filter(({ name }) => this.#ctx.agency.governor.allowsTool(name))
      .map(({ offer }) => offer);
    const { sendsSchema = true } = this.#ctx.agency.answers;
    const schema = output === undefined || !sendsSchema ? undefined : jsonSchemaOf(output, "input");
    return {
      messages,
      settings: { maxOutputTokens: DEFAULT_MAX_OUTPUT_TOKENS, ...settings }, // what is reserved is what is asked for
      ...(tools.length > 0 && { tools }),
      ...(schema !== undefined && { output: { name: "answer", schema } }),
    };
  }
}

/** Placeholders in what the model says become what they stand for, before anybody reads or runs it. */
export function restored(answer: ModelAnswer, restore: (wire: Wire) => Wire): ModelAnswer {
  const text = restore(answer.text);
  return {
    ...answer,
    text: typeof text === "string" ? text : answer.text,
    calls: answer.calls.map((call) => ({ ...call, arguments: restore(call.arguments) })),
  };
}

/** With what an approval is bound to, where a person has to approve the call. */
async function planned(
  ctx: AgentContext,
  { tools }: AnyAgent,
  { id, name, arguments: given }: ModelAnswer["calls"][number],
  at: Parameters<typeof approvalHash>[1],
): Promise<PlannedCall> {
  const call: PlannedCall = { id, name, arguments: encode(given) };
  const tool = tools.find((one) => one.name === name);
  return tool !== undefined && (await needsApproval(ctx, tool, call))
    ? { ...call, approval: approvalHash(call, at) }
    : call;
}

/** Asked of arguments that satisfy the schema: with others the tool does not run. A rule that throws is no permission. */
async function needsApproval({ log }: AgentContext, tool: Tool, call: PlannedCall): Promise<boolean> {
  if (tool.needsApproval === undefined) return false;
  const checked = await checkedArguments(tool, call, ANY_KEY);
  if (!checked.ok) return false;
  try {
    return tool.needsApproval(checked.value);
  } catch (error) {
    log.error(`requiresApproval of the tool ${tool.name} threw: a person is asked`, { error });
    return true;
  }
}

const ANY_KEY = "0".repeat(64);

const COMPLETE_FIELDS = ["is_complete", "isComplete", "done", "finished"] as const;

export function isComplete(value: unknown): boolean {
  if (typeof value === "string") return saysDone(value);
  if (typeof value !== "object" || value === null) return false;
  const record = value as Readonly<Record<string, unknown>>;
  return COMPLETE_FIELDS.some((field) => record[field] === true);
}

const saysDone = (text: string): boolean => /\b(COMPLETE|DONE)[.!]?\s*$/.test(text);
