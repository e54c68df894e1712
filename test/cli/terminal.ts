import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Io, StopSignal } from "../../src/cli/io.ts";
import { main } from "../../src/cli/main.ts";

export const FLOWS: string = fileURLToPath(new URL("fixtures/flows.mjs", import.meta.url));

export interface TerminalOptions {
  readonly tty?: boolean;
  readonly stdin?: string;
  /** What the person types at each question; undefined ends the input. */
  readonly types?: readonly (string | undefined)[];
  readonly env?: Readonly<Record<string, string>>;
}

export interface Said {
  readonly code: number;
  readonly out: string;
  readonly err: string;
  /** What `--json` printed. */
  readonly json: () => Record<string, unknown>;
}

/** A folder of its own and the command line in it, in this process. */
export class Terminal implements Disposable {
  readonly folder: string = mkdtempSync(join(tmpdir(), "flujo-cli-"));
  readonly #signals = new Set<(signal: StopSignal) => void>();
  #watching: { readonly word: string; readonly act: (out: string) => void } | undefined;

  /** Runs `flujo …words`. */
  async flujo(words: readonly string[], options: TerminalOptions = {}): Promise<Said> {
    const [out, err]: [string[], string[]] = [[], []];
    const code = await main(words, this.#io(options, out, err));
    const text = out.join("");
    return { code, out: text, err: err.join(""), json: () => JSON.parse(text) as Record<string, unknown> };
  }

  /** Sends a signal as soon as `word` is printed on stderr. */
  interruptAt(word: string, ...signals: readonly StopSignal[]): void {
    this.whenSaid(word, () => this.interrupt(...signals));
  }

  /** Acts as soon as `word` is printed on stderr, knowing what stdout says by then. */
  whenSaid(word: string, act: (out: string) => void): void {
    this.#watching = { word, act };
  }

  interrupt(...signals: readonly StopSignal[]): void {
    for (const signal of signals) for (const callback of this.#signals) callback(signal);
  }

  [Symbol.dispose](): void {
    rmSync(this.folder, { recursive: true, force: true });
  }

  #io({ tty = false, stdin = "", types = [], env = {} }: TerminalOptions, out: string[], err: string[]): Io {
    const typed = [...types];
    return {
      stdout: { isTTY: tty, columns: 100, write: (text) => void out.push(text) },
      stderr: { isTTY: tty, columns: 100, write: (text) => this.#said(text, err, out) },
      stdin: {
        isTTY: tty,
        read: () => Promise.resolve(stdin),
        ask: (prompt) => {
          this.#said(prompt, err, out);
          return Promise.resolve(typed.shift());
        },
      },
      env,
      cwd: this.folder,
      now: () => Date.now(),
      onSignal: (callback) => {
        this.#signals.add(callback);
        return () => this.#signals.delete(callback);
      },
      importModule: async (file) => (await import(file)) as unknown,
    };
  }

  #said(text: string, err: string[], out: readonly string[]): void {
    err.push(text);
    const watching = this.#watching;
    if (watching === undefined || !err.join("").includes(watching.word)) return;
    this.#watching = undefined;
    setImmediate(() => watching.act(out.join("")));
  }
}
