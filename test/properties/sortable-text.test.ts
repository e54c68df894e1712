import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { afterPrefix, byCodePoint, fromSortable, sortable } from "../../src/ports/sortable-text.ts";
import { CASES } from "./values.ts";

/** Texts of few characters, so that many begin alike: those at the edges of the encoding, and halves of pairs. */
const text = (): fc.Arbitrary<string> =>
  fc
    .array(
      fc.constantFrom(
        "\0",
        "\u0001",
        "\u0002",
        "a",
        "b",
        "\ud7ff",
        "\ud800",
        "\udbff",
        "\udc00",
        "\udfff",
        "\ue000",
        "\uffff",
        "\u{10000}",
        "\u{10ffff}",
      ),
      { maxLength: 6 },
    )
    .map((characters) => characters.join(""));

const bytes = (one: string): Buffer => Buffer.from(one, "utf8");

/** Code points as numbers, the long way. */
function slowOrder(a: string, b: string): number {
  const [left, right] = [a, b].map((one) => Array.from(one, (character) => character.codePointAt(0) ?? 0));
  if (left === undefined || right === undefined) return 0;
  const at = left.findIndex((code, i) => code !== right[i]);
  if (at === -1) return left.length === right.length ? 0 : -1;
  return at >= right.length ? 1 : Math.sign((left[at] ?? 0) - (right[at] ?? 0));
}

describe("a sortable text", () => {
  it("gives the name back, and holds nothing that a backend would lose", () => {
    fc.assert(
      fc.property(text(), (name) => {
        const kept = sortable(name);
        expect(fromSortable(kept)).toBe(name);
        expect(kept.includes("\0")).toBe(false);
        expect(bytes(kept).toString("utf8")).toBe(kept);
      }),
      CASES,
    );
  });

  it("leaves ordinary names as they are", () => {
    for (const name of ["", "day:2026-11-20", "é 漢 🙂", "\u0002\ue000\uffff"]) expect(sortable(name)).toBe(name);
  });

  it("sorts byte by byte as the names sort by code point", () => {
    fc.assert(
      fc.property(text(), text(), (a, b) => {
        expect(Math.sign(byCodePoint(a, b))).toBe(slowOrder(a, b));
        expect(Buffer.compare(bytes(sortable(a)), bytes(sortable(b)))).toBe(slowOrder(a, b));
      }),
      CASES,
    );
  });

  it("begins with what the name begins with, and lies before the end of the prefix", () => {
    fc.assert(
      fc.property(text(), text(), (prefix, name) => {
        const [from, one] = [sortable(prefix), sortable(name)];
        const end = afterPrefix(from);
        const beyond = end !== undefined && byCodePoint(one, end) >= 0;
        expect(byCodePoint(one, from) >= 0 && !beyond).toBe(one.startsWith(from));
        const begins = Array.from(name).slice(0, Array.from(prefix).length).join("") === prefix;
        expect(one.startsWith(from)).toBe(begins);
      }),
      CASES,
    );
  });
});
