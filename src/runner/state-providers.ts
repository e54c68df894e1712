import { FlujoError } from "../domain/errors.ts";
import { decode, encodeSized } from "../domain/wire.ts";
import type { ItemStore } from "../ports/items.ts";
import type { StateProvider } from "../ports/state-provider.ts";
import type { ReferenceHost } from "../worker/references.ts";

/** A provider that keeps values in the runner's own store, which it is given when that is open. */
export type StoreBackedProvider = (items: ItemStore) => StateProvider;

export interface ReferenceOptions {
  /** Who keeps the values behind references, by the name that references say. */
  readonly stateProviders?: Readonly<Record<string, StateProvider | StoreBackedProvider>>;
  /**
   * `fail` (default): a reference that cannot be read or written fails its attempt, which is retried like any other. `warn`: it is
   * logged; what could not be read stays unhydrated, what could not be written stays what it was. A provider that is missing
   * always fails the step: REFERENCE_UNKNOWN.
   */
  readonly onReferenceError?: "fail" | "warn";
}

const COLLECTION = "references";

/**
 * Keeps the values behind references as items of the runner's store: wherever a worker can take up the run, it finds them. For
 * values that are only too large for every row of a run's history; keys of at most 479 characters. Those of a run that is not
 * persisted are in this process's memory, until the runner is closed.
 */
export function storeStateProvider(): StoreBackedProvider {
  return (items) => ({
    async load(key) {
      const [item] = await items.getItems([{ collection: COLLECTION, key }]);
      return item && decode(item.value);
    },
    async save(key, value) {
      const { wire } = encodeSized(value);
      const [outcome] = await items.putItems([{ collection: COLLECTION, key, value: wire }]);
      if (outcome?.status === "rejected") throw outcome.error;
    },
  });
}

/** Throws OPTION_INVALID. */
export function referenceHost(
  { stateProviders, onReferenceError = "fail" }: ReferenceOptions,
  items: ItemStore,
): ReferenceHost | undefined {
  if (onReferenceError !== "fail" && onReferenceError !== "warn")
    throw new FlujoError(
      "OPTION_INVALID",
      `onReferenceError: expected fail or warn but found "${String(onReferenceError)}"`,
    );
  if (stateProviders === undefined) return undefined;
  const providers = Object.entries(stateProviders).map(
    ([name, provider]) => [name, typeof provider === "function" ? provider(items) : provider] as const,
  );
  return { providers: Object.fromEntries(providers), onError: onReferenceError };
}
