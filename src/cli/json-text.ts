import { type ErrorCode, FlujoError } from "../domain/errors.ts";

/** JSON that somebody typed. Throws `code` with the line, the column and what was expected there. */
export function parseJson(text: string, what: string, code: ErrorCode): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    const { offset, expected } = firstFault(text);
    const before = text.slice(0, offset).split("\n");
    const place = `line ${before.length}, column ${(before.at(-1)?.length ?? 0) + 1}`;
    const found = offset >= text.length ? "the end" : JSON.stringify(text.slice(offset, offset + 20));
    throw new FlujoError(code, `${what}: not JSON at ${place}: expected ${expected} but found ${found}`, {
      details: { line: before.length, column: (before.at(-1)?.length ?? 0) + 1, offset },
    });
  }
}

interface Fault {
  readonly offset: number;
  readonly expected: string;
}

/** The engine's own messages name a position for some faults only, and differ between versions of Node. */
function firstFault(text: string): Fault {
  const scan = new Scan(text);
  if (scan.value()) {
    scan.space();
    scan.fault ??= { offset: scan.offset, expected: "nothing more" };
  }
  return scan.fault ?? { offset: 0, expected: "a value" };
}

const TEXT = /"(?:[^"\\\p{Cc}]|\\(?:["\\/bfnrt]|u[\da-fA-F]{4}))*/uy;
const ATOM = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null/y;

class Scan {
  offset = 0;
  fault: Fault | undefined;
  readonly #text: string;

  constructor(text: string) {
    this.#text = text;
  }

  value(): boolean {
    this.space();
    const sign = this.#text[this.offset];
    if (sign === "{") return this.#list("}", () => this.#member());
    if (sign === "[") return this.#list("]", () => this.value());
    if (sign === '"') return this.#string("a value");
    return this.#match(ATOM) || this.#expect('a value (text needs quotes: "…")');
  }

  space(): void {
    this.#match(/[ \t\r\n]*/y);
  }

  #member(): boolean {
    this.space();
    if (!this.#string('a key in quotes: "…"')) return false;
    this.space();
    return this.#sign(":") && this.value();
  }

  #list(end: "}" | "]", item: () => boolean): boolean {
    this.offset += 1;
    this.space();
    if (this.#text[this.offset] === end) return this.#sign(end);
    for (;;) {
      if (!item()) return false;
      this.space();
      if (this.#text[this.offset] === end) return this.#sign(end);
      if (this.#text[this.offset] !== ",") return this.#expect(`"," or "${end}"`);
      this.offset += 1;
    }
  }

  #string(expected: string): boolean {
    if (!this.#match(TEXT)) return this.#expect(expected);
    return this.#text[this.offset] === '"' ? this.#sign('"') : this.#expect("the rest of a text and its closing quote");
  }

  #sign(sign: string): boolean {
    if (this.#text[this.offset] !== sign) return this.#expect(`"${sign}"`);
    this.offset += 1;
    return true;
  }

  #match(pattern: RegExp): boolean {
    pattern.lastIndex = this.offset;
    const length = pattern.exec(this.#text)?.[0].length;
    this.offset += length ?? 0;
    return length !== undefined;
  }

  #expect(expected: string): boolean {
    this.fault ??= { offset: this.offset, expected };
    return false;
  }
}
