import type { Store } from "../../src/ports/store.ts";

/** A store some of whose operations are replaced: `wrapped(store, { commit: (real) => async (batch) => … })`. */
export function wrapped(
  store: Store,
  replace: { readonly [Name in keyof Store]?: (real: Store[Name]) => Store[Name] },
): Store {
  return new Proxy(store, {
    get(target, name) {
      const real: unknown = Reflect.get(target, name, target);
      const bound: unknown = typeof real === "function" ? real.bind(target) : real;
      const other = replace[name as keyof Store] as ((real: unknown) => unknown) | undefined;
      return other === undefined ? bound : other(bound);
    },
  });
}
