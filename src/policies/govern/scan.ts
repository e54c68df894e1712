/**
 * Reading a text with a count of what was read. Detectors look at hostile text: all of them move through it with these few
 * primitives, each bounded, so that a test can hold the count against the length instead of holding a clock against it.
 */
export interface Span {
  readonly start: number;
  /** After the last character. */
  readonly end: number;
}

/** Which characters belong to a class: ASCII by table, and whether letters of other European scripts do. */
export interface CharacterSet {
  readonly ascii: Uint8Array;
  readonly letters: boolean;
}

/** `a-z` and the like in pairs of ends, then single characters: `characters("az09", "-_")`. */
export function characters(ranges: string, singles = "", letters = false): CharacterSet {
  const ascii = new Uint8Array(128);
  for (let i = 0; i + 1 < ranges.length; i += 2) ascii.fill(1, ranges.charCodeAt(i), ranges.charCodeAt(i + 1) + 1);
  for (const one of singles) ascii[one.charCodeAt(0)] = 1;
  return { ascii, letters };
}

export const DIGITS: CharacterSet = characters("09");
export const HEX: CharacterSet = characters("09afAF");
export const WORD: CharacterSet = characters("09azAZ", "_", true);
export const TOKEN: CharacterSet = characters("09azAZ", "_-");

/** Latin, Greek, Cyrillic and their neighbours: scripts that put spaces between words, so that a letter beside a match spoils it. */
const isOtherLetter = (code: number): boolean => code >= 0xc0 && code < 0x2000;

/** Digits that stand together. */
export type Group = Span;

export class Scan {
  readonly text: string;
  /** Characters looked at so far. */
  steps = 0;
  #groups: readonly Group[] | undefined;

  constructor(text: string) {
    this.text = text;
  }

  is(index: number, { ascii, letters }: CharacterSet): boolean {
    this.steps++;
    const code = this.text.charCodeAt(index); // NaN outside of the text, which is in no set
    return code < 128 ? ascii[code] === 1 : letters && isOtherLetter(code);
  }

  /** Where the run of these characters that begins here ends. */
  forward(from: number, set: CharacterSet, max: number = Number.POSITIVE_INFINITY): number {
    const limit = Math.min(this.text.length, from + max);
    let at = from;
    while (at < limit && this.is(at, set)) at++;
    return at;
  }

  /** Where the run of these characters that ends here begins. */
  backward(from: number, set: CharacterSet, max: number): number {
    const limit = Math.max(0, from - max);
    let at = from;
    while (at > limit && this.is(at - 1, set)) at--;
    return at;
  }

  /** -1 when there is none from there on. */
  find(needle: string, from: number): number {
    const at = this.text.indexOf(needle, from);
    this.steps += (at < 0 ? this.text.length : at) - from + 1;
    return at;
  }

  /** Whether the text goes on with this. */
  startsWith(word: string, at: number): boolean {
    this.steps += word.length;
    return this.text.startsWith(word, at);
  }

  slice({ start, end }: Span): string {
    this.steps += end - start;
    return this.text.slice(start, end);
  }

  /** All groups of digits, found once. */
  get groups(): readonly Group[] {
    if (this.#groups !== undefined) return this.#groups;
    const groups: Group[] = [];
    for (let at = 0; at < this.text.length; at++) {
      if (!this.is(at, DIGITS)) continue;
      const end = this.forward(at, DIGITS);
      groups.push({ start: at, end });
      at = end;
    }
    return (this.#groups = groups);
  }

  /** Maximal runs of these characters of at least `min`. */
  *runs(set: CharacterSet, min: number): Generator<Span> {
    for (let at = 0; at < this.text.length; at++) {
      if (!this.is(at, set)) continue;
      const end = this.forward(at, set);
      if (end - at >= min) yield { start: at, end };
      at = end;
    }
  }

  /**
   * Whether a number stands on its own there: no letter or digit beside it, also not behind one of the marks that join the parts
   * of dates, versions, decimals, paths and UUIDs.
   */
  standsAlone({ start, end }: Span): boolean {
    if (this.is(start - 1, WORD) || this.is(end, WORD)) return false;
    if (this.is(start - 1, JOINING) && this.is(start - 2, WORD)) return false;
    return !(this.is(end, JOINING) && this.is(end + 1, WORD));
  }

  /** Whether one of these words (in small letters) stands shortly before, in the same sentence. */
  labelled(at: number, words: readonly string[], within = 28): boolean {
    const before = this.slice({ start: Math.max(0, at - within), end: at }).toLowerCase();
    this.steps += before.length * words.length;
    return words.some((word) => {
      const found = before.lastIndexOf(word);
      if (found < 0) return false;
      const previous = before.charCodeAt(found - 1);
      const next = before.charCodeAt(found + word.length);
      if (isSmall(previous) || isSmall(next)) return false; // "hotel" is no "tel", nor is "telling"
      return !/[.!?;\n][^\d]*[a-z]/.test(before.slice(found + word.length));
    });
  }
}

const isSmall = (code: number): boolean => code >= 97 && code <= 122;

const JOINING = characters("", "-./:,+@\\=&%$");
