import { decode, type Wire } from "../domain/wire.ts";
import type { Caching } from "../definition/around.ts";
import { cacheKey, whoseResult } from "./cache-key.ts";
import { CacheMemory, Flights } from "./cache-memory.ts";
import { changedContext, type KeptResult, keptResult, parseKept } from "./kept-result.ts";
import type { Attempt, Execute, Policy, PolicyHost, PolicyLog } from "./policy.ts";

const COLLECTION = "cache";

/** What a process keeps: one for each engine, found by what policies are given of it. */
interface ProcessCache {
  readonly memory: CacheMemory;
  readonly flights: Flights<KeptResult>;
}
const caches = new WeakMap<PolicyHost, ProcessCache>();

function cacheOf(host: PolicyHost): ProcessCache {
  const known = caches.get(host) ?? { memory: new CacheMemory(), flights: new Flights<KeptResult>() };
  caches.set(host, known);
  return known;
}

/** Gives again what was given before, without the work. See CacheOptions. Source: Flujo, CacheStep. */
export const cache: Policy = (next, { node, purpose, host }) => {
  const caching = node.around?.cache;
  if (caching === undefined || purpose === "undo") return next;
  const served = new Cached(caching, { host, next, of: whoseResult(caching, node) });
  return (attempt) => served.attempt(attempt);
};

class Cached {
  readonly #cache: Caching;
  readonly #host: PolicyHost;
  readonly #next: Execute;
  readonly #of: Wire;
  readonly #process: ProcessCache;

  constructor(caching: Caching, { host, next, of }: { host: PolicyHost; next: Execute; of: Wire }) {
    this.#cache = caching;
    this.#host = host;
    this.#next = next;
    this.#of = of;
    this.#process = cacheOf(host);
  }

  async attempt(attempt: Attempt): Promise<unknown> {
    const key = this.#key(attempt);
    if (key === undefined) return this.#next(attempt);
    const { flights } = this.#process;
    for (let flight = flights.under(key); flight !== undefined; flight = flights.under(key)) {
      const kept = await unlessAborted(flight, attempt.signal());
      if (kept !== undefined) return hit(kept, attempt);
    }
    return this.#lead(key, attempt);
  }

  /** The first who wants it does the work; the flight ends with the attempt, or when it is told to stop. */
  async #lead(key: string, attempt: Attempt): Promise<unknown> {
    const land = this.#process.flights.begin(key);
    const { context } = attempt;
    attempt.signal().addEventListener("abort", () => land(undefined), { once: true });
    context.atEnd = async (gave) => {
      const kept = gave && this.#kept(gave, context.contextBefore, context.log);
      if (kept !== undefined && !context.cacheHit) await this.#write(key, kept, context.log);
      land(kept);
    };
    const kept = await this.#read(key, context.log);
    return kept === undefined ? this.#next(attempt) : hit(kept, attempt);
  }

  #key(attempt: Attempt): string | undefined {
    try {
      return cacheKey(this.#cache, this.#of, attempt);
    } catch (error) {
      attempt.context.log.warn("no cache key can be made: the step runs uncached", { error });
      return undefined;
    }
  }

  #kept(
    gave: { readonly output: Wire; readonly context?: Wire },
    before: Wire,
    log: PolicyLog,
  ): KeptResult | undefined {
    try {
      return keptResult(gave.output, before, gave.context);
    } catch (error) {
      log.warn("the result cannot be kept in the cache", { error });
      return undefined;
    }
  }

  async #read(key: string, log: PolicyLog): Promise<KeptResult | undefined> {
    const { clock, items } = this.#host;
    try {
      if (this.#cache.scope === "memory") {
        const text = this.#process.memory.get(key, clock.now());
        return text === undefined ? undefined : parseKept(text);
      }
      const [item] = await items.getItems([{ collection: COLLECTION, key }]);
      if (item === undefined || (item.expiresAt ?? Number.POSITIVE_INFINITY) <= clock.now()) return undefined;
      return parseKept(JSON.stringify(item.value));
    } catch (error) {
      log.warn("the cache cannot be read: the step runs", { error });
      return undefined;
    }
  }

  async #write(key: string, kept: KeptResult, log: PolicyLog): Promise<void> {
    const expiresAt = this.#host.clock.now() + this.#cache.ttlMs;
    if (this.#cache.scope === "memory") return this.#process.memory.set(key, { text: JSON.stringify(kept), expiresAt });
    try {
      const [outcome] = await this.#host.items.putItems([{ collection: COLLECTION, key, value: kept, expiresAt }]);
      if (outcome?.status === "rejected") throw outcome.error;
    } catch (error) {
      log.warn("the result cannot be written to the cache", { error });
    }
  }
}

function hit(kept: KeptResult, { context }: Attempt): unknown {
  context.cacheHit = true;
  const changed = changedContext(kept, context.contextBefore);
  if (changed !== undefined) context.context = changed;
  return decode(kept.output);
}

/** Whoever waits for somebody else's work stops when told to. */
async function unlessAborted<Result>(work: Promise<Result>, signal: AbortSignal): Promise<Result> {
  let stop = (): void => undefined;
  const aborted = new Promise<never>((_, reject) => {
    stop = () => reject(signal.reason instanceof Error ? signal.reason : new Error(String(signal.reason)));
  });
  signal.addEventListener("abort", stop, { once: true });
  try {
    if (signal.aborted) stop();
    return await Promise.race([work, aborted]);
  } finally {
    signal.removeEventListener("abort", stop);
  }
}
