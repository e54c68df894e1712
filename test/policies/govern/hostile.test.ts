import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { builtInDetectors } from "../../../src/policies/govern/detectors.ts";
import { Scan } from "../../../src/policies/govern/scan.ts";

/** Characters that all detectors together may look at for each character of a text. Quadratic work exceeds it at once. */
const STEPS_PER_CHARACTER = 600;
const SHORT = 64; // below that a constant weighs more than the length

const DETECTORS = builtInDetectors({ strong: true });

function stepsPerCharacter(text: string): number {
  const steps = DETECTORS.map(({ look }) => {
    const scan = new Scan(text);
    for (const span of look(scan)) expect(span.end).toBeGreaterThan(span.start);
    return scan.steps;
  });
  return steps.reduce((sum, some) => sum + some, 0) / Math.max(text.length, SHORT);
}

/** What each detector hesitates over. */
const PIECES = [
  "@",
  "a@",
  "a@a.",
  ".",
  "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
  "a.a@a.aa.",
  "1",
  "1 ",
  "00 ",
  "+1",
  "+1 ",
  "(1",
  "(1)",
  "phone 1234567 ",
  "1234567 ",
  "4111 ",
  "411111111111111",
  "123-45-",
  "123 456 ",
  "DE89",
  "DE89 3704 ",
  "1.",
  "1.1.1.1.",
  "a:",
  "2001:",
  "::",
  "aa-aa-",
  "aaaa.aaaa.",
  "eyJ",
  "eyJhbGciOiJIUzI1NiJ9.",
  "eyJ.",
  "-----BEGIN PRIVATE KEY-----",
  "-----BEGIN ",
  "-----END ",
  "-----BEGIN PRIVATE KEY-----AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
  "sk-",
  "ghp_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa ",
  "://",
  "a://a:a",
  "a://a@",
  "a://a:a@",
  "mr ",
  "mr. A",
  "name: A. ",
  "born ",
  "born 1.1.",
  "1 Aaa ",
  "12 rue ",
  "passport ",
  "password=",
  "password: aaaa",
  "\u0130",
  "é",
  "\ud83d",
] as const;

describe("hostile texts", () => {
  it.each(PIECES)("of %j without end are read in steps that grow with their length", (piece) => {
    const steps = [2_000, 40_000].map((length) => stepsPerCharacter(piece.repeat(length / piece.length)));
    for (const per of steps) expect(per).toBeLessThan(STEPS_PER_CHARACTER);
  });

  it("of any pieces in any order are, too", () => {
    const piece = fc.oneof(fc.constantFrom(...PIECES), fc.string({ maxLength: 8 }));
    const text = fc
      .tuple(fc.array(piece, { minLength: 1, maxLength: 12 }), fc.integer({ min: 1, max: 300 }))
      .map(([pieces, times]) => pieces.join("").repeat(times));
    fc.assert(
      fc.property(text, (hostile) => {
        expect(stepsPerCharacter(hostile)).toBeLessThan(STEPS_PER_CHARACTER);
      }),
      { numRuns: 200 },
    );
  });
});
