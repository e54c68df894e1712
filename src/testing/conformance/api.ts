/**
 * The part of a test runner that the suite uses, by shape. vitest fits as it is:
 *
 *   import { describe, expect, test } from "vitest";
 *   storeConformance({ name: "mine", open }, { describe, test, expect });
 *
 * node:test fits with any `expect` of the Jest family.
 */
export interface TestApi {
  readonly describe: (name: string, body: () => void) => unknown;
  readonly test: TestFunction & { readonly skip: TestFunction };
  readonly expect: Expect;
}

export type TestFunction = (name: string, body: () => Promise<void>) => unknown;
export type Expect = (actual: unknown) => Matchers;

export interface Matchers {
  toBe(expected: unknown): void;
  /** Deep equality; a key whose value is undefined equals a missing key. */
  toEqual(expected: unknown): void;
  /** Every key of `expected` is in the value; others may be too. */
  toMatchObject(expected: object): void;
  toBeGreaterThan(expected: number): void;
}
