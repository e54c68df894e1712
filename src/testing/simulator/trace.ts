/** The last actions of a world, for a person to read when something broke. */
export class Trace {
  readonly #kept: number;
  readonly #lines: (() => string)[] = [];
  #next = 0;

  constructor(kept: number) {
    this.#kept = kept;
  }

  /** Worded when it is read: of a thousand actions one is. */
  add(atMs: number, who: string, what: () => string): void {
    this.#lines[this.#next++ % this.#kept] = () => `${String(atMs).padStart(7)} ms  ${who.padEnd(8)} ${what()}`;
  }

  last(): readonly string[] {
    const from = Math.max(0, this.#next - this.#kept);
    return Array.from({ length: this.#next - from }, (_, i) => this.#lines[(from + i) % this.#kept]?.() ?? "");
  }
}

/** The first violation ends a world: what follows from it says nothing new. */
export class Violation extends Error {
  override readonly name: string = "Violation";
}
