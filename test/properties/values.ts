import fc from "fast-check";

/** A thousand cases of each property, more with PROPERTY_CASES=100000; a failure prints its seed and its smallest case. */
export const CASES: { readonly numRuns: number } = { numRuns: Number(process.env["PROPERTY_CASES"] ?? 1_000) };

/** Text of any 16-bit units: NUL, lone surrogates, anything. */
const anyText = (): fc.Arbitrary<string> =>
  fc.oneof(
    fc.string(),
    fc.string({ unit: fc.integer({ min: 0, max: 0xffff }).map((code) => String.fromCharCode(code)), maxLength: 6 }),
    fc.constantFrom("\u0000", "\ud800", "\udc00x", "a\u0000b", ""),
  );

/** Keys that a codec may trip over. */
export const awkwardKey = (): fc.Arbitrary<string> =>
  fc.oneof(
    fc.constantFrom(
      "__proto__",
      "constructor",
      "toString",
      "$number",
      "$bigint",
      "$object",
      "$blob",
      "$",
      "$undefined",
      "then",
      "",
      "0",
    ),
    anyText(),
  );

function recordOf(entries: readonly (readonly [string, unknown])[]): object {
  const record = {};
  for (const [key, value] of entries)
    Object.defineProperty(record, key, { value, enumerable: true, configurable: true, writable: true });
  return record;
}

/** Anything that flujo promises to store. */
export const storable = (): fc.Arbitrary<unknown> =>
  fc.letrec<{ value: unknown }>((tie) => ({
    value: fc.oneof(
      { depthSize: "small", withCrossShrink: true },
      fc.oneof(
        fc.constantFrom(
          null,
          undefined,
          true,
          false,
          Number.NaN,
          -0,
          0,
          Number.POSITIVE_INFINITY,
          Number.NEGATIVE_INFINITY,
        ),
        fc.double(),
        fc.integer(),
        fc.bigInt(),
        anyText(),
        fc.date({ noInvalidDate: true }),
        fc.uint8Array(),
      ),
      fc.array(tie("value"), { maxLength: 5 }),
      fc.array(fc.tuple(awkwardKey(), tie("value")), { maxLength: 4 }).map(recordOf),
      fc.array(fc.tuple(tie("value"), tie("value")), { maxLength: 3 }).map((entries) => new Map(entries)),
      fc.array(tie("value"), { maxLength: 3 }).map((items) => new Set(items)),
    ),
  })).value;

/** Deep equality that tells -0 from 0, undefined from missing, and looks at own keys only. */
export function same(a: unknown, b: unknown): boolean {
  if (Object.is(a, b)) return true;
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return false;
  if (Object.getPrototypeOf(a) !== Object.getPrototypeOf(b)) return false;
  if (a instanceof Date) return a.getTime() === (b as Date).getTime();
  if (a instanceof Uint8Array) return sameList([...a], [...(b as Uint8Array)]);
  if (a instanceof Map) return sameList([...a], [...(b as Map<unknown, unknown>)]);
  if (a instanceof Set) return sameList([...a], [...(b as Set<unknown>)]);
  if (Array.isArray(a)) return sameList(a, b as unknown[]);
  const [left, right] = [a as Record<string, unknown>, b as Record<string, unknown>];
  const keys = Object.keys(left);
  return (
    keys.length === Object.keys(right).length &&
    keys.every((key) => Object.hasOwn(right, key) && same(own(left, key), own(right, key)))
  );
}

const own = (record: object, key: string): unknown => Object.getOwnPropertyDescriptor(record, key)?.value;
const sameList = (a: readonly unknown[], b: readonly unknown[]): boolean =>
  a.length === b.length && a.every((item, i) => same(item, b[i]));
