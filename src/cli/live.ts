import type { Output } from "./io.ts";

const REDRAW_MS = 100;

/** A few lines at the bottom of a terminal that are drawn again and again. */
export class Live {
  readonly #output: Output;
  readonly #lines: () => readonly string[];
  #drawn = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(output: Output, lines: () => readonly string[]) {
    this.#output = output;
    this.#lines = lines;
  }

  start(): void {
    this.#timer ??= setInterval(() => this.#draw(this.#lines()), REDRAW_MS).unref();
  }

  /** Takes the lines away. */
  stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#draw([]);
  }

  /** Prints something that stays, above the lines. */
  above(text: string): void {
    this.#draw([]);
    this.#output.write(text);
  }

  #draw(lines: readonly string[]): void {
    if (this.#drawn === 0 && lines.length === 0) return;
    const up = this.#drawn === 0 ? "" : `\u001b[${this.#drawn}A`;
    const text = lines.map((line) => `${clipped(line, this.#output.columns - 1)}\n`).join("");
    this.#output.write(`${up}\u001b[0J${text}`);
    this.#drawn = lines.length;
  }
}

/** A line that wraps would be two, and the next drawing would go up too little. */
const clipped = (line: string, width: number): string =>
  line.length <= width ? line : `${line.slice(0, Math.max(0, width - 1))}…`;
