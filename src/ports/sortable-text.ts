/**
 * Names that are listed in code point order by every backend, whatever characters they have. Backends compare UTF-8 byte by byte,
 * which is code point order, but cannot keep NUL, nor a surrogate without its other half. Those become pairs that sort where the
 * original would: NUL and U+0001 behind U+0001, lone surrogates behind U+D7FF, the character before them. What begins with a
 * name still begins with it afterwards. Not `storable`: its mark stands in front, and would move the name to the beginning.
 */
const MARK = 0x0001;
const BEFORE_SURROGATES = 0xd7ff;
const FIRST_SURROGATE = 0xd800;
const LAST = 0x10_ffff;

// oxlint-disable-next-line no-control-regex -- they are what this is about
const UNSORTABLE = /[\0\u0001\ud7ff]|\p{Surrogate}/gu;
// oxlint-disable-next-line no-control-regex -- as above
const PAIRS = /[\u0001\ud7ff]./gs;

const pair = (first: number, second: number): string => String.fromCharCode(first, second);

export const sortable = (name: string): string =>
  name.replace(UNSORTABLE, (one) => {
    const code = one.charCodeAt(0);
    if (code <= MARK) return pair(MARK, code + 1);
    return pair(BEFORE_SURROGATES, code === BEFORE_SURROGATES ? 1 : code - FIRST_SURROGATE + 2);
  });

/** The name that `sortable` was given. */
export const fromSortable = (text: string): string =>
  text.replace(PAIRS, (one) => {
    const second = one.charCodeAt(1);
    if (one.charCodeAt(0) === MARK) return String.fromCharCode(second - 1);
    return String.fromCharCode(second === 1 ? BEFORE_SURROGATES : second - 2 + FIRST_SURROGATE);
  });

/** The first sortable text after all that begin with this one; undefined when none follows. */
export function afterPrefix(prefix: string): string | undefined {
  const codes = Array.from(prefix, (one) => one.codePointAt(0) ?? 0);
  while (codes.at(-1) === LAST) codes.pop();
  const last = codes.pop();
  if (last === undefined) return undefined;
  const next = last === BEFORE_SURROGATES ? 0xe000 : last + 1;
  return String.fromCodePoint(...codes, next);
}

/** Code point order of any two texts. JavaScript's own puts U+FFFF after U+10000, because it compares halves of pairs. */
export function byCodePoint(a: string, b: string): number {
  let at = 0;
  while (at < a.length && a.charCodeAt(at) === b.charCodeAt(at)) at += 1;
  if (at > 0 && isFirstHalf(a.charCodeAt(at - 1))) {
    const difference = codeAt(a, at - 1) - codeAt(b, at - 1);
    if (difference !== 0) return difference;
  }
  return codeAt(a, at) - codeAt(b, at);
}

const codeAt = (text: string, at: number): number => text.codePointAt(at) ?? -1;

const isFirstHalf = (code: number): boolean => code >= FIRST_SURROGATE && code < 0xdc00;
