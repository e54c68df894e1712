interface Known {
  readonly original: string;
  /** In the vault. */
  kept: boolean;
}

const OVERHEAD_CHARACTERS = 64; // of an entry whose original is short

/** Originals by placeholder in this process, those that were used least recently forgotten first. */
export class Remembered {
  readonly #known = new Map<string, Known>();
  readonly #maxCharacters: number;
  #characters = 0;

  constructor(maxCharacters: number) {
    this.#maxCharacters = maxCharacters;
  }

  original(placeholder: string): string | undefined {
    const known = this.#known.get(placeholder);
    if (known === undefined) return undefined;
    this.#known.delete(placeholder);
    this.#known.set(placeholder, known); // most recently used last
    return known.original;
  }

  isKept(placeholder: string): boolean {
    return this.#known.get(placeholder)?.kept === true;
  }

  add(placeholder: string, original: string): void {
    if (this.original(placeholder) !== undefined) return;
    this.#known.set(placeholder, { original, kept: false });
    this.#characters += original.length + OVERHEAD_CHARACTERS;
    for (const [oldest, known] of this.#known) {
      if (this.#characters <= this.#maxCharacters || this.#known.size === 1) break;
      this.#known.delete(oldest);
      this.#characters -= known.original.length + OVERHEAD_CHARACTERS;
    }
  }

  kept(placeholder: string): void {
    const known = this.#known.get(placeholder);
    if (known !== undefined) known.kept = true;
  }
}
