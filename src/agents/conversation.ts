import type { Fact } from "../domain/event.ts";
import { decode, type Wire } from "../domain/wire.ts";
import type { Message, ToolAnswer } from "../ports/model.ts";
import type { Opening, Turn } from "./turn-record.ts";

/** Where the steps of one run of an agent are: the path of the agent, and its visit. */
export interface AgentPlace {
  readonly path: string;
  readonly visit: string;
}

export const openPath = (path: string): string => `${path}/open`;
export const turnPath = (path: string): string => `${path}/turns/body/turn`;

/** A message and what showing it costs, at 4 characters a token. */
interface Entry {
  readonly message: Message;
  readonly tokens: number;
}

const CHARACTERS_PER_TOKEN = 4;
const tokensOf = (text: string): number => Math.ceil(text.length / CHARACTERS_PER_TOKEN);

/**
 * What a model is shown: the beginning, a note on how much is missing, and the end as far as the budget goes. It grows message by
 * message and forgets from the middle, so that an agent of 500 turns with results of a megabyte keeps no more than its budget in
 * memory. Source: Flujo, GranularStep, middle-out truncation.
 */
export class Conversation {
  readonly #opening: Pick<Opening, "system" | "prompt">;
  readonly #budgetTokens: number;
  readonly #first: readonly Message[];
  readonly #budget: number;
  #tail: Entry[] = [];
  #tokens = 0;
  #omitted = 0;
  /** Answers of the model so far. */
  turns = 0;

  constructor(opening: Pick<Opening, "system" | "prompt">, budgetTokens: number) {
    const { system, prompt } = opening;
    this.#opening = opening;
    this.#budgetTokens = budgetTokens;
    this.#first = [
      ...(system === "" ? [] : [{ role: "system", text: system } as const]),
      { role: "user", text: prompt } as const,
    ];
    this.#budget = Math.max(0, budgetTokens - tokensOf(system) - tokensOf(prompt));
  }

  get messages(): readonly Message[] {
    const note: readonly Message[] =
      this.#omitted === 0 ? [] : [{ role: "system", text: `[${this.#omitted} earlier messages are left out]` }];
    return [...this.#first, ...note, ...this.#tail.map(({ message }) => message)];
  }

  /** Something was left out already. */
  get isFull(): boolean {
    return this.#omitted > 0;
  }

  /** A copy that goes on with a message; this one stays as it is. */
  with(message: Message): Conversation {
    const copy = new Conversation(this.#opening, this.#budgetTokens);
    copy.#tail = [...this.#tail];
    copy.#tokens = this.#tokens;
    copy.#omitted = this.#omitted;
    copy.turns = this.turns;
    copy.push(message);
    return copy;
  }

  push(message: Message): void {
    this.#tail.push(this.#entry(message));
    this.#trim();
  }

  /** What was said before all that is here. When it is too much, `isFull`, and nothing before it need be told. */
  unshift(message: Message): void {
    this.#tail.unshift(this.#entry(message));
    this.#trim();
  }

  #entry(message: Message): Entry {
    const entry = entryOf(message, this.#budget);
    this.#tokens += entry.tokens;
    return entry;
  }

  #trim(): void {
    // A tool's answer belongs to the call before it: both go, or providers refuse what is left.
    while (this.#tokens > this.#budget && this.#tail.length > 2) this.#forget();
    while (this.#omitted > 0 && this.#tail[0]?.message.role === "tool") this.#forget();
  }

  #forget(): void {
    const gone = this.#tail.shift();
    if (gone === undefined) return;
    this.#tokens -= gone.tokens;
    this.#omitted += 1;
  }

  /** Messages that were never loaded. */
  omit(count: number): void {
    this.#omitted += count;
  }
}

/** A single result may be larger than all that a model is shown: its beginning and its end are. */
function entryOf(message: Message, budget: number): Entry {
  if (message.role !== "tool") return { message, tokens: tokensOf(textOf(message)) };
  const share = Math.max(256, Math.floor((budget * CHARACTERS_PER_TOKEN) / 2 / message.answers.length));
  const answers = message.answers.map((answer) => clipped(answer, share));
  const clippedMessage: Message = { role: "tool", answers };
  return { message: clippedMessage, tokens: tokensOf(textOf(clippedMessage)) };
}

function clipped(answer: ToolAnswer, characters: number): ToolAnswer {
  const text = typeof answer.output === "string" ? answer.output : JSON.stringify(answer.output);
  if (text.length <= characters) return answer;
  const half = Math.floor(characters / 2);
  const note = `\n[${text.length - 2 * half} characters are left out]\n`;
  return { ...answer, output: `${text.slice(0, half)}${note}${text.slice(-half)}` };
}

function textOf(message: Message): string {
  switch (message.role) {
    case "system":
    case "user":
      return message.text;
    case "assistant":
      return `${message.text}${message.calls === undefined ? "" : JSON.stringify(message.calls)}`;
    case "tool":
      return JSON.stringify(message.answers);
  }
}

export function assistantMessage({ text, calls, provider }: Turn): Message {
  return {
    role: "assistant",
    text,
    ...(calls.length > 0 && {
      calls: calls.map(({ id, name, arguments: given }) => ({ id, name, arguments: given })),
    }),
    ...(provider !== undefined && { provider }),
  };
}

/** What the tools of a turn gave, in the order of its calls. */
export const toolMessage = (given: ToolAnswer | readonly ToolAnswer[]): Message => ({
  role: "tool",
  answers: Array.isArray(given) ? (given as readonly ToolAnswer[]) : [given as ToolAnswer],
});

/** To an agent that called nothing and is not done. */
export const GO_ON: Message = Object.freeze({ role: "user", text: "Go on. Say DONE when you are finished." });

/** One thing that was said, as the journal has it: large values are references still. */
type Said = { readonly turn: Wire } | { readonly answers: Wire } | { readonly goOn: true };

/**
 * The conversation as the journal of the fiber tells it. Only what a model will be shown is fetched, from the end: a run of 500
 * turns is taken up again as fast as one of five.
 */
export async function conversationFrom(
  journal: readonly Fact[],
  { path, visit }: AgentPlace,
  load: { readonly inflate: (wire: Wire) => Promise<Wire>; readonly budgetTokens: number },
): Promise<{ readonly opening: Opening; readonly conversation: Conversation } | undefined> {
  let opening: Wire | undefined;
  let said: Said[] = [];
  let answers: Wire | undefined;
  for (const fact of journal) {
    if (!("output" in fact) || !("path" in fact) || !isWithin(fact, { path, visit })) continue;
    if (fact.path === openPath(path)) {
      opening = fact.output;
      said = [];
      answers = undefined;
    } else if (fact.path === turnPath(path)) {
      if (answers !== undefined) said.push({ answers });
      else if (said.length > 0) said.push({ goOn: true });
      said.push({ turn: fact.output });
      answers = undefined;
    } else answers = fact.output;
  }
  if (opening === undefined) return undefined;
  const first = decode(await load.inflate(opening)) as Opening;
  const conversation = new Conversation(first, load.budgetTokens);
  const coming = backwards(said, load.inflate);
  let at = said.length;
  while (at > 0 && !conversation.isFull) {
    at -= 1;
    conversation.unshift(await coming());
  }
  conversation.omit(at);
  conversation.turns = said.filter((one) => "turn" in one).length;
  return { opening: first, conversation };
}

/** Entries fetched at once: two turns and what their tools gave. One after another, three megabytes took 15 ms on Postgres. */
const AHEAD = 4;

/** The messages from the last to the first; those to come are fetched while one is looked at. */
function backwards(said: readonly Said[], inflate: (wire: Wire) => Promise<Wire>): () => Promise<Message> {
  const coming: Promise<Message>[] = [];
  let next = said.length;
  return async () => {
    while (next > 0 && coming.length < AHEAD) {
      next -= 1;
      const message = messageOf(said[next], inflate);
      message.catch(() => undefined); // it may never be asked for; whoever asks is told
      coming.push(message);
    }
    return coming.shift() ?? messageOf(undefined, inflate);
  };
}

async function messageOf(said: Said | undefined, inflate: (wire: Wire) => Promise<Wire>): Promise<Message> {
  if (said === undefined) throw new TypeError("the journal has as many entries as were counted");
  if ("goOn" in said) return GO_ON;
  if ("turn" in said) return assistantMessage(decode(await inflate(said.turn)) as Turn);
  return toolMessage(decode(await inflate(said.answers)) as ToolAnswer | readonly ToolAnswer[]);
}

/** Facts of this visit of the agent: the loop inside it adds numbers of its own. */
function isWithin(fact: { readonly path: string; readonly visit: string }, { path, visit }: AgentPlace): boolean {
  if (!fact.path.startsWith(`${path}/`)) return false;
  return fact.visit === visit || visit === "" || fact.visit.startsWith(`${visit}.`);
}
