import { agent, type Flow, flow, type Model, tool } from "flujo";
import { z } from "zod";
import type { FlujoOptions } from "../../src/runner/options.ts";
import { record } from "./ledger.ts";

/** What an agent of eight turns says: which tools it calls in each, and in the last what it has found. */
const SCRIPT: readonly (readonly string[])[] = [
  ["a"],
  ["b", "c"],
  ["d"],
  ["e", "f", "g"],
  ["h"],
  ["i"],
  ["j", "k"],
  [],
];
export const TURNS: number = SCRIPT.length;
export const CALLED: readonly string[] = SCRIPT.flat();
export const FOUND: string = CALLED.map((word) => word.toUpperCase()).join("");

/** What a call costs, and what is reserved for it: in micro-USD. */
export const COST = 1_000;
export const RESERVED = 2_500;
/** Enough for every turn, and for two that a crash cost. */
export const LIMIT: number = TURNS * COST + 2 * RESERVED;

export type Moment = "before-call" | "after-call" | "in-tool";

export interface Outside {
  /** The file in which the world outside keeps what it was asked. */
  readonly ledger: string;
  /** Told of each moment that is no point of the engine's own; a call waits for it. */
  readonly at?: (moment: Moment, turn: number) => void | Promise<void>;
}

/** Knows nothing but what it is shown: which turn it is, it reads from the conversation. */
const model = ({ ledger, at }: Outside): Model => ({
  provider: "outside",
  id: "model",
  generate: async ({ messages }, { idempotencyKey }) => {
    const turn = 1 + messages.filter(({ role }) => role === "assistant").length;
    await at?.("before-call", turn);
    record(ledger, "model", turn, idempotencyKey);
    await at?.("after-call", turn);
    const words = SCRIPT[turn - 1] ?? [];
    const answers = messages.flatMap((message) => (message.role === "tool" ? message.answers : []));
    return {
      text: words.length > 0 ? "" : answers.map(({ output }) => output as string).join(""),
      calls: words.map((word) => ({ id: word, name: "shout", arguments: { word } })),
      finish: words.length > 0 ? "tool-calls" : "stop",
      usage: { inputTokens: 10, outputTokens: 5 },
      costMicroUsd: COST,
    };
  },
});

export function agentFlow(outside: Outside): Flow<string, string> {
  const shout = tool({
    name: "shout",
    description: "Says a word aloud.",
    input: z.object({ word: z.string() }),
    run: async ({ word }, { idempotencyKey }) => {
      record(outside.ledger, "tool", word, idempotencyKey);
      await outside.at?.("in-tool", CALLED.indexOf(word));
      return word.toUpperCase();
    },
  });
  const speaker = agent<string>({
    name: "speaker",
    model: model(outside),
    instructions: "Say all words.",
    tools: [shout],
    hints: { expectedCostUsd: RESERVED / 1_000_000, expectedTokens: 20 },
  });
  return flow("speak", { version: "1" }).input<string>().agent("speaker", speaker, { granular: true }).build();
}

/** Limits of the run, and of a day that all runs share: both keep books. */
export const BUDGETS: Pick<FlujoOptions, "limits" | "budgets"> = {
  limits: { costUsd: LIMIT / 1_000_000 },
  budgets: { day: { costUsd: LIMIT / 1_000_000, toolCalls: 2 * CALLED.length } },
};
