import { LIMITS } from "../domain/limits.ts";

interface Entry {
  readonly text: string;
  readonly expiresAt: number;
}

/** Results of this process, as text so that nobody shares them; the ones used longest ago go first. */
export class CacheMemory {
  readonly #entries = new Map<string, Entry>();
  #characters = 0;

  get(key: string, now: number): string | undefined {
    const entry = this.#entries.get(key);
    if (entry === undefined) return undefined;
    this.#remove(key, entry);
    if (entry.expiresAt <= now) return undefined;
    this.#add(key, entry);
    return entry.text;
  }

  set(key: string, entry: Entry): void {
    const before = this.#entries.get(key);
    if (before !== undefined) this.#remove(key, before);
    this.#add(key, entry);
    for (const [oldest, one] of this.#entries) {
      if (this.#entries.size <= LIMITS.cacheEntries && this.#characters <= LIMITS.cacheCharacters) break;
      this.#remove(oldest, one);
    }
  }

  #add(key: string, entry: Entry): void {
    this.#entries.set(key, entry);
    this.#characters += entry.text.length;
  }

  #remove(key: string, { text }: Entry): void {
    this.#entries.delete(key);
    this.#characters -= text.length;
  }
}

/** Work of this process that is under way, by what it will give. Whoever wants the same waits for it. */
export class Flights<Result> {
  readonly #open = new Map<string, Promise<Result | undefined>>();

  under(key: string): Promise<Result | undefined> | undefined {
    return this.#open.get(key);
  }

  /** Begins one. The function ends it, once: with nothing where there will be no result, and somebody else has to try. */
  begin(key: string): (result: Result | undefined) => void {
    let end: (result: Result | undefined) => void = () => undefined;
    const flight = new Promise<Result | undefined>((resolve) => {
      end = resolve;
    });
    this.#open.set(key, flight);
    return (result) => {
      if (this.#open.get(key) === flight) this.#open.delete(key);
      end(result);
    };
  }
}
