import type { Readable, Writable } from "node:stream";
import { createInterface } from "node:readline/promises";

/** Where the answer came from. */
export interface Approval {
  readonly ok: boolean;
  readonly by: "terminal" | "--yes" | "no terminal";
}

export interface Terminal {
  readonly input: Readable & { readonly isTTY?: boolean };
  readonly output: Writable & { readonly isTTY?: boolean };
}

/**
 * The human's answer: asked for on a terminal, given by --yes, or assumed where nobody can be asked, and then said so by
 * whoever prints `by`. Ctrl-C at the question runs `interrupt`.
 */
export async function approval(
  question: string,
  options: { readonly yes: boolean; readonly json: boolean; readonly interrupt: () => void },
  { input, output }: Terminal,
): Promise<Approval> {
  if (options.yes) return { ok: true, by: "--yes" };
  if (options.json || input.isTTY !== true || output.isTTY !== true) return { ok: true, by: "no terminal" };
  const terminal = createInterface({ input, output });
  terminal.once("SIGINT", options.interrupt);
  try {
    const answer = await terminal.question(`\n${question} [y/N] `);
    return { ok: /^y(es)?$/iu.test(answer.trim()), by: "terminal" };
  } finally {
    terminal.close();
  }
}
