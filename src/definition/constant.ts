import type { Pure } from "./node.ts";

/** A pure function that always gives the same: so that readers (describe, fingerprint) can see what it gives. */
export interface Constant<Out> {
  (): Out;
  readonly constant: Out;
}

export const constant = <Out>(value: Out): Constant<Out> => Object.assign((): Out => value, { constant: value });

/** What `pure` always gives, or undefined when it depends on the value. */
export const constantOf = <Out>(pure: Pure<Out> | undefined): Out | undefined =>
  pure !== undefined && "constant" in pure ? (pure as Constant<Out>).constant : undefined;
