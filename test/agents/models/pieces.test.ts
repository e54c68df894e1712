import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { countPieces } from "../../../src/agents/models/pieces.ts";

/** The definition: what one pattern for all alphabets finds, emoji and their joiners twice. */
function counted(text: string): number {
  const pieces = text.match(/\p{Lu}?\p{Ll}+|\p{Lu}+|\p{L}|\p{N}{1,2}|[^\s\p{L}\p{N}]/gu) ?? [];
  return pieces.reduce((sum, piece) => sum + (/^[\u{10000}-\u{10ffff}\u200d]/u.test(piece) ? 2 : 1), 0);
}

const character = fc.oneof(
  { weight: 4, arbitrary: fc.string({ unit: "grapheme-ascii", minLength: 1, maxLength: 1 }) },
  { weight: 2, arbitrary: fc.constantFrom("a", "b", "A", "B", "1", "2") },
  { weight: 1, arbitrary: fc.constantFrom(" ", "\n", "\t", "\0", "\u00a0", "\u2028") },
  { weight: 1, arbitrary: fc.constantFrom("é", "É", "漢", "²", "👩", "\u200d", "\ud800") },
);
const text = fc.array(character, { maxLength: 40 }).map((characters) => characters.join(""));

describe("counting pieces", () => {
  it.each([
    ["", 0],
    ["The quick", 2],
    ["HTTPServer", 2], // HTTPS erver
    ["camelCase", 2],
    ["12345", 3],
    ["a1b2", 4],
    ["x => y;", 5],
    ["déjà vu", 2],
    ["👍", 2],
  ])("takes %j apart", (given, pieces) => {
    expect(countPieces(given)).toBe(pieces);
  });

  it("counts what the pattern finds in any text", () => {
    const property = fc.property(text, (given) => {
      expect(countPieces(given)).toBe(counted(given));
    });
    fc.assert(property, { numRuns: 2_000 });
  });
});
