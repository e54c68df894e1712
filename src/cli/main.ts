import { CommanderError } from "commander";
import type { Io } from "./io.ts";
import { exitCodeOf, problemJson, problemText } from "./problem.ts";
import { createProgram } from "./program.ts";
import { type Common, Shell } from "./shell.ts";

const USAGE = 2;
const INTERRUPTED = 130;

/**
 * The command line. `argv` are the words after `flujo`; answers the exit code: 0 ok, 1 the run or the store failed,
 * 2 configuration or usage, 3 a file that cannot be imported, 4 a value that is not valid, 130 interrupted.
 */
export async function main(argv: readonly string[], io: Io): Promise<number> {
  let exitCode = 0;
  const program = createProgram(io, async (options, command) => {
    exitCode = await execute(io, options, command);
  });
  try {
    await program.parseAsync(argv, { from: "user" });
    return exitCode;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : USAGE; // it has printed what is wrong
    throw error;
  }
}

async function execute(io: Io, options: Common, command: (shell: Shell) => Promise<number>): Promise<number> {
  const shell = new Shell(io, options);
  const work = guarded(shell, command).finally(() => shell.interrupts.close());
  const outcome = await Promise.race([work, shell.interrupts.now.then(() => INTERRUPTED)]);
  shell.interrupts.close();
  return outcome;
}

async function guarded(shell: Shell, command: (shell: Shell) => Promise<number>): Promise<number> {
  try {
    await using open = shell;
    return await command(open);
  } catch (error) {
    if (shell.json) shell.result(problemJson(error, shell.verbose), () => "");
    shell.note(problemText(error, shell.noteColors, shell.verbose));
    return exitCodeOf(error);
  }
}
