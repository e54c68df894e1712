interface Seen {
  readonly concealed: string;
  /** Placeholders with their originals. */
  readonly pairs: readonly (readonly [string, string])[];
}

const MAX_CHARACTERS = 4_194_304;
const LONGEST = 65_536; // what is longer is stored once, as a blob

/** Texts that were concealed lately: a value is written with its step, its event and its fiber, and again by the steps after. */
export class Recent {
  readonly #seen = new Map<string, Seen>();
  #characters = 0;

  of(text: string): Seen | undefined {
    return this.#seen.get(text);
  }

  add(text: string, seen: Seen): void {
    if (text.length > LONGEST || this.#seen.has(text)) return;
    this.#seen.set(text, seen);
    this.#characters += text.length + seen.concealed.length;
    for (const [oldest, { concealed }] of this.#seen) {
      if (this.#characters <= MAX_CHARACTERS) break;
      this.#seen.delete(oldest);
      this.#characters -= oldest.length + concealed.length;
    }
  }
}
