import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { FlujoError } from "../../src/domain/errors.ts";
import { decode, encode } from "../../src/domain/wire.ts";
import { sameWire } from "../../src/domain/canonical.ts";
import { CASES, same } from "./values.ts";
import { awkwardKey, storable } from "./values.ts";

describe("the codec", () => {
  it("gives back every storable value", () => {
    fc.assert(
      fc.property(storable(), (value) => {
        expect(same(decode(encode(value)), value)).toBe(true);
      }),
      CASES,
    );
  });

  it("makes wires that survive JSON", () => {
    fc.assert(
      fc.property(storable(), (value) => {
        const wire = encode(value);
        const again = JSON.parse(JSON.stringify(wire)) as typeof wire;
        expect(sameWire(again, wire)).toBe(true);
        expect(same(decode(again), value)).toBe(true);
      }),
      CASES,
    );
  });

  it("shares nothing between two readers", () => {
    fc.assert(
      fc.property(fc.array(storable(), { minLength: 1 }), (value) => {
        const wire = encode(value);
        const before = JSON.stringify(wire);
        const one = decode(wire) as unknown[];
        one.length = 0;
        value.length = 0;
        expect(JSON.stringify(wire)).toBe(before);
        expect(decode(wire)).not.toBe(decode(wire));
      }),
      CASES,
    );
  });

  it("refuses what cannot be stored, and says where it is", () => {
    class Account {
      readonly owner = "ada";
    }
    const step = fc.oneof(awkwardKey(), fc.nat(3));
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), fc.nat(5), (path, kind) => {
        let value: unknown = [
          (): void => undefined,
          Symbol("s"),
          new Account(),
          new Date(Number.NaN),
          { [Symbol("key")]: 1 },
          new WeakMap(),
        ][kind];
        for (const at of path.toReversed()) value = wrap(at, value);
        expectRefusal(value, path);
      }),
      CASES,
    );
  });

  it("refuses circles, at any depth", () => {
    fc.assert(
      fc.property(fc.array(fc.oneof(awkwardKey(), fc.nat(3)), { minLength: 1, maxLength: 40 }), (path) => {
        const circle: unknown[] = [];
        let value: unknown = circle;
        for (const at of path.toReversed()) value = wrap(at, value);
        circle.push(value);
        expect(() => encode(value)).toThrow(expect.objectContaining({ code: "VALUE_NOT_SERIALIZABLE" }));
      }),
      CASES,
    );
  });
});

function wrap(at: string | number, value: unknown): unknown {
  if (typeof at === "number") return [...Array.from({ length: at }, () => 0), value];
  const record = { [`${at}x`]: 1 };
  Object.defineProperty(record, at, { value, enumerable: true, configurable: true, writable: true });
  return record;
}

function expectRefusal(value: unknown, path: readonly (string | number)[]): void {
  const where = path.reduce<string>((text, at) => (typeof at === "number" ? `${text}[${at}]` : `${text}.${at}`), "$");
  let thrown: unknown;
  try {
    encode(value);
  } catch (error) {
    thrown = error;
  }
  expect(thrown).toBeInstanceOf(FlujoError);
  expect(thrown).toMatchObject({ code: "VALUE_NOT_SERIALIZABLE", at: where });
}
