import { styleText } from "node:util";
import type { Progress } from "./watch.ts";
import { slotOf, stepOf } from "./watch.ts";

/** Where the demo speaks to people. */
export interface Display {
  /** What is finished by now. May be called often; only news is shown. */
  progress(progress: Progress): void;
  /** Something that happened once and stays on the screen. */
  say(line: string): void;
  /** Somebody else is about to write: what is on the screen stays as it is. */
  settle(): void;
}

/** The part of a terminal that is needed here; process.stdout has this shape. */
export interface Output {
  write(text: string): unknown;
  readonly isTTY?: boolean;
  readonly columns?: number;
}

/** Says nothing: for --json, where the only output is one document. */
export const silent: Display = { progress: () => undefined, say: () => undefined, settle: () => undefined };

/** Redrawn lines on a terminal, one line for each event elsewhere. */
export function displayOn(output: Output, files: readonly string[], colours: boolean): Display {
  return output.isTTY === true ? new Redrawn(output, files, colours) : new Lines(output, files);
}

const BAR_CHARACTERS = 24;
/** For terminals that do not know their width, or say 0. */
const DEFAULT_COLUMNS = 80;
/** As many files are worked on at once; a few more may stand between two steps. */
const SHOWN_FILES = 6;

class Redrawn implements Display {
  readonly #output: Output;
  readonly #files: readonly string[];
  readonly #colours: boolean;
  #drawn = 0;
  #last = "";

  constructor(output: Output, files: readonly string[], colours: boolean) {
    this.#output = output;
    this.#files = files;
    this.#colours = colours;
  }

  progress({ finished, done, active }: Progress): void {
    const total = this.#files.length;
    const filled = Math.round((done.size / Math.max(1, total)) * BAR_CHARACTERS);
    const bar = `${this.#paint("green", "█".repeat(filled))}${this.#paint("dim", "░".repeat(BAR_CHARACTERS - filled))}`;
    const shown = [...active].slice(0, SHOWN_FILES);
    const lines = [
      `  ${bar} ${done.size}/${total} files, ${finished.length} steps finished`,
      ...shown.map(
        ([file, step]) => `    ${this.#cut(this.#files[file] ?? `file ${file}`)} ${this.#paint("dim", step)}`,
      ),
    ];
    this.#draw(lines.join("\n"), lines.length);
  }

  say(line: string): void {
    const block = this.#last;
    const height = this.#drawn;
    this.#erase();
    this.#output.write(`${line}\n`);
    this.#last = "";
    if (height > 0) this.#draw(block, height);
  }

  settle(): void {
    this.#drawn = 0;
  }

  #draw(block: string, height: number): void {
    if (block === this.#last) return;
    this.#erase();
    this.#output.write(`${block}\n`);
    this.#last = block;
    this.#drawn = height;
  }

  #erase(): void {
    if (this.#drawn > 0) this.#output.write(`\u001b[${this.#drawn}A\u001b[0J`);
    this.#drawn = 0;
  }

  /** A line that wraps would be counted as one and spoil the redrawing. */
  #cut(name: string): string {
    const room = Math.max(10, (this.#output.columns || DEFAULT_COLUMNS) - 24);
    return name.length <= room ? name : `…${name.slice(1 - room)}`;
  }

  #paint(style: "green" | "dim", text: string): string {
    return this.#colours ? styleText(style, text) : text;
  }
}

class Lines implements Display {
  readonly #output: Output;
  readonly #files: readonly string[];
  readonly #shown = new Set<string>();

  constructor(output: Output, files: readonly string[]) {
    this.#output = output;
    this.#files = files;
  }

  progress({ finished }: Progress): void {
    for (const step of finished) {
      const slot = slotOf(step);
      if (this.#shown.has(slot)) continue;
      this.#shown.add(slot);
      const [item, round] = step.visit === "" ? [] : step.visit.split(".").map(Number);
      const file = item === undefined ? "" : ` ${this.#files[item] ?? ""}`;
      this.say(`  finished ${stepOf(step.path)}${round === undefined ? "" : ` (round ${round})`}${file}`);
    }
  }

  say(line: string): void {
    this.#output.write(`${line}\n`);
  }

  settle(): void {
    // Lines stay where they are.
  }
}
