import { createHash } from "node:crypto";
import { unlessAborted } from "../domain/abort.ts";
import { canonical } from "../domain/canonical.ts";
import { FlujoError } from "../domain/errors.ts";
import {
  type ContextReference,
  type Handles,
  isReference,
  type ReferenceHandle,
  referenceId,
  referencesIn,
  rekeyed,
} from "../domain/reference.ts";
import { encodeSized, type Wire } from "../domain/wire.ts";
import type { StateProvider } from "../ports/state-provider.ts";

/** The providers of this process, and what becomes of a step whose reference cannot be read or written. */
export interface ReferenceHost {
  readonly providers: Readonly<Record<string, StateProvider>>;
  readonly onError: "fail" | "warn";
}

/** What of an attempt its references need. */
export interface ReferenceAttempt {
  readonly host: ReferenceHost;
  readonly signal: AbortSignal;
  readonly warn: (message: string, fields: Readonly<Record<string, unknown>>) => void;
  /** What the step was given: its context and its input. */
  readonly given: readonly Wire[];
}

interface Held {
  readonly reference: ContextReference;
  value: { readonly of: unknown } | undefined;
  loading: Promise<void> | undefined;
  changed: boolean;
}

/** What one attempt of a step holds by reference. Equal references are one: whoever sets one has set them all. */
export class StepReferences {
  readonly #attempt: ReferenceAttempt;
  readonly #held = new Map<string, Held>();

  constructor(attempt: ReferenceAttempt) {
    this.#attempt = attempt;
  }

  handle<T>(to: ContextReference<T>): ReferenceHandle<T> {
    const held = this.#hold(to);
    return {
      reference: to,
      get: () => {
        if (held.value === undefined) throw failure(to, "it is not hydrated: await ctx.hydrate(reference) first");
        return held.value.of as T; // what its author says it is
      },
      set: (value) => {
        held.value = { of: value };
        held.changed = true;
      },
    };
  }

  /** Loads what was not loaded or set before, all at once. Without arguments: all that the step was given. */
  async hydrate<const Wanted extends readonly ContextReference[]>(wanted: Wanted): Promise<Handles<Wanted>> {
    const all = wanted.length > 0 ? wanted : this.#given();
    await Promise.all(all.map((one) => this.#load(this.#hold(one))));
    return all.map((one) => this.handle(one)) as unknown as Handles<Wanted>; // one for one
  }

  /** Saves what was changed and is referred to by these values; answers them with the new keys. */
  async saved(values: readonly Wire[]): Promise<readonly Wire[]> {
    const found = new Map<string, ContextReference>();
    for (const value of values) referencesIn(value, found);
    const changed = [...this.#held].filter(([id, held]) => held.changed && found.has(id));
    if (changed.length === 0) return values;
    const keys = new Map(await Promise.all(changed.map(async ([id, held]) => [id, await this.#save(held)] as const)));
    return values.map((value) => rekeyed(value, keys));
  }

  /** Whether there is something to save. */
  get areChanged(): boolean {
    for (const { changed } of this.#held.values()) if (changed) return true;
    return false;
  }

  #given(): readonly ContextReference[] {
    const found = new Map<string, ContextReference>();
    for (const wire of this.#attempt.given) referencesIn(wire, found);
    return [...found.values()];
  }

  #hold(to: ContextReference): Held {
    if (!isReference(to)) throw new FlujoError("REFERENCE_FAILED", "expected a reference, see `reference`");
    const id = referenceId(to);
    let held = this.#held.get(id);
    if (held === undefined) {
      held = { reference: to, value: undefined, loading: undefined, changed: false };
      this.#held.set(id, held);
    }
    return held;
  }

  async #load(held: Held): Promise<void> {
    if (held.value !== undefined) return;
    held.loading ??= this.#tried(held.reference, "read", async (provider, options) => {
      const value = await provider.load(held.reference.key, options);
      if (value === undefined) throw failure(held.reference, "nothing is kept under this key");
      held.value ??= { of: value }; // unless it was set in the meantime
    }).finally(() => {
      held.loading = undefined; // a step may try again
    });
    await held.loading;
  }

  /** The key of what was saved; after a failure that is only warned of, the old one. */
  async #save({ reference, value }: Held): Promise<string> {
    const key = versionedKey(reference.key, value?.of);
    const answer = await this.#tried(
      reference,
      "written",
      async (provider, options) => (await provider.save(key, value?.of, options)) ?? key,
    );
    return answer ?? reference.key;
  }

  async #tried<T>(
    reference: ContextReference,
    done: "read" | "written",
    work: (provider: StateProvider, options: { readonly signal: AbortSignal }) => Promise<T>,
  ): Promise<T | undefined> {
    const { host, signal, warn } = this.#attempt;
    const provider = Object.hasOwn(host.providers, reference.$reference)
      ? host.providers[reference.$reference]
      : undefined;
    if (provider === undefined) {
      const known = Object.keys(host.providers).join(", ");
      const message = `no state provider is called "${reference.$reference}"; known: ${known === "" ? "none" : known}`;
      throw new FlujoError("REFERENCE_UNKNOWN", message);
    }
    try {
      // A provider that does not look at its signal must not keep a cancelled step for ever.
      return await unlessAborted(work(provider, { signal }), signal);
    } catch (cause) {
      if (signal.aborted) throw cause;
      if (host.onError === "fail") throw isOurs(cause) ? cause : failure(reference, `it could not be ${done}`, cause);
      warn(`a reference could not be ${done}`, { provider: reference.$reference, key: reference.key, cause });
      return undefined;
    }
  }
}

const isOurs = (error: unknown): boolean => error instanceof FlujoError && error.code === "REFERENCE_FAILED";

const failure = ({ $reference, key }: ContextReference, what: string, cause?: unknown): FlujoError =>
  new FlujoError("REFERENCE_FAILED", `reference to "${key}" of ${$reference}: ${what}`, {
    details: { provider: $reference, key },
    ...(cause !== undefined && { cause }),
  });

const VERSION = /~[0-9a-f]{32}$/; // 128 bits: two values of one key never meet by chance

/** The reference's own key, and a hash of the value: the same value has the same key in every attempt. */
function versionedKey(key: string, value: unknown): string {
  const hash = createHash("sha256");
  if (value instanceof Uint8Array) hash.update("bytes").update(value);
  else hash.update("value").update(canonical(encodeSized(value, Number.MAX_SAFE_INTEGER).wire));
  return `${key.replace(VERSION, "")}~${hash.digest("hex").slice(0, 32)}`;
}
