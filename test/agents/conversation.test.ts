import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  assistantMessage,
  Conversation,
  conversationFrom,
  openPath,
  toolMessage,
  turnPath,
} from "../../src/agents/conversation.ts";
import type { Opening, Turn } from "../../src/agents/turn-record.ts";
import type { Fact } from "../../src/domain/event.ts";
import { NOTHING_SPENT } from "../../src/domain/quota.ts";
import { encode, type Wire } from "../../src/domain/wire.ts";
import type { ToolAnswer } from "../../src/ports/model.ts";

const PLACE = { path: "root/agent", visit: "" };
const OPENING: Opening = {
  kind: "opening",
  system: "be brief",
  prompt: "hello",
  fingerprints: { strict: "s", compat: "c" },
};

const turnOf = (turn: number, text: string): Turn => ({
  kind: "turn",
  turn,
  text,
  calls: [{ id: `call-${turn}`, name: "read", arguments: {} }],
  finish: "tool-calls",
  model: "scripted:scripted",
  done: false,
  spent: NOTHING_SPENT,
});

const answerOf = (turn: number, output: string): ToolAnswer => ({ id: `call-${turn}`, name: "read", output });

const recorded = (path: string, visit: string, output: unknown): Fact => ({
  type: "step.completed",
  path,
  visit,
  attempt: 1,
  startedAt: 0,
  output: encode(output),
});

/** A journal of turns that said a text and whose tool gave another; the answer of the last one is the input of the next turn. */
const journalOf = (said: readonly (readonly [text: string, output: string])[]): readonly Fact[] => [
  recorded(openPath(PLACE.path), "", OPENING),
  ...said.flatMap(([text, output], i) => [
    recorded(turnPath(PLACE.path), `${i}`, turnOf(i + 1, text)),
    recorded(`${PLACE.path}/turns/body/act/one/tool/read/run`, `${i}`, answerOf(i + 1, output)),
  ]),
];

const inflate = (wire: Wire): Promise<Wire> => Promise.resolve(wire);

const text = fc.oneof(
  fc.string({ maxLength: 20 }),
  fc.nat(4_000).map((length) => "x".repeat(length)),
);

describe("a conversation that is told again", () => {
  it("is the one that grew message by message", async () => {
    const told = fc.asyncProperty(
      fc.array(fc.tuple(text, text), { minLength: 1, maxLength: 30 }),
      fc.nat(4_000),
      async (said, budgetTokens) => {
        const grown = new Conversation(OPENING, budgetTokens);
        for (const [i, [spoken]] of said.entries()) {
          const before = said[i - 1];
          if (before !== undefined) grown.push(toolMessage(answerOf(i, before[1])));
          grown.push(assistantMessage(turnOf(i + 1, spoken)));
        }
        const again = await conversationFrom(journalOf(said), PLACE, { inflate, budgetTokens });
        expect(again?.conversation.messages).toEqual(grown.messages);
        expect(again?.conversation.turns).toBe(said.length);
      },
    );
    await fc.assert(told);
  });

  it("fetches no more than what is shown, the opening, and four messages before it", async () => {
    const fetched: Wire[] = [];
    const said = Array.from({ length: 100 }, (_, i) => [`turn ${i}`, "y".repeat(400)] as const);
    const told = await conversationFrom(journalOf(said), PLACE, {
      inflate: (wire) => {
        fetched.push(wire);
        return Promise.resolve(wire);
      },
      budgetTokens: 1_000,
    });
    const shown = told?.conversation.messages.length ?? 0;
    expect(shown).toBeGreaterThan(5);
    expect(fetched.length).toBeLessThanOrEqual(shown + 1 + 4);
  });
});
