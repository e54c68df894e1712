import type { Definition } from "../definition/definition.ts";
import type { Flujo } from "../runner/flujo.ts";
import type { Pause, RunResult } from "../runner/result.ts";
import { answerSchema, shapeText, typedAnswer, yesTo } from "./answer-text.ts";
import { codeOf, messageOf } from "./problem.ts";
import type { Progress } from "./progress.ts";
import { report } from "./report.ts";
import type { Shell } from "./shell.ts";
import { valueText } from "./text.ts";

export const INTERRUPTED = 130;

export interface Conduct {
  readonly flujo: Flujo;
  readonly runId: string;
  readonly flows: readonly Definition[];
  /** As the user wrote it, to say how to go on. */
  readonly file: string;
  readonly progress: Progress;
  /** For the questions to come, in this order. */
  readonly answers?: readonly unknown[];
  /** Says yes to every question that can be answered so. */
  readonly yes?: boolean;
}

/** Follows a run until it has ended, nobody here can move it on, or the user interrupts; prints what it came to. */
export async function conduct(shell: Shell, what: Conduct): Promise<number> {
  const { flujo, runId, progress } = what;
  const interrupted = shell.interrupts.graceful;
  const answers = [...(what.answers ?? [])];
  progress.follow(runId);
  try {
    for (;;) {
      const result = await settled(flujo, runId, interrupted);
      if (result === undefined) return await handBack(shell, what);
      if (result.status !== "paused") return await report(shell, what, result);
      progress.pause();
      const answered = await answerOne(shell, what, result, answers);
      if (interrupted.aborted) return await handBack(shell, what);
      if (!answered) return await report(shell, what, result);
      progress.resume();
    }
  } finally {
    progress.pause();
  }
}

async function settled(flujo: Flujo, runId: string, signal: AbortSignal): Promise<RunResult | undefined> {
  try {
    return await flujo.result(runId, { signal });
  } catch (error) {
    if (signal.aborted) return undefined;
    throw error;
  }
}

async function handBack(shell: Shell, { flujo, runId, file, progress }: Conduct): Promise<number> {
  progress.pause();
  shell.note("interrupted: running steps may finish, then the run is handed back (again Ctrl-C: at once)");
  await flujo.close();
  shell.note(`run ${runId} is kept; go on with: flujo worker ${file}`);
  if (shell.json) shell.result({ runId, status: "interrupted" }, () => "");
  return INTERRUPTED;
}

/** Answers the first open question; false when nobody here does. */
async function answerOne(
  shell: Shell,
  what: Conduct,
  { pauses }: Extract<RunResult, { status: "paused" }>,
  answers: unknown[],
): Promise<boolean> {
  const [pause] = pauses;
  if (pause === undefined) return false;
  const { flujo, runId } = what;
  if (answers.length > 0 || what.yes === true) {
    const schema = answerSchema(what.flows, pause.path);
    const answer = answers.length > 0 ? answers.shift() : yesTo(schema, pause.path);
    await flujo.answer(runId, answer, { token: pause.token });
    return true;
  }
  if (!shell.io.stdin.isTTY || !shell.io.stderr.isTTY) return false;
  return askUntilValid(shell, what, pause);
}

async function askUntilValid(shell: Shell, { flujo, runId, flows }: Conduct, pause: Pause): Promise<boolean> {
  const { bold, dim, red } = shell.noteColors;
  const schema = answerSchema(flows, pause.path);
  shell.note(`${bold(`? ${pause.path} asks`)}\n${valueText(pause.question)}`);
  for (;;) {
    const hint = dim(`${shapeText(schema)}, empty = later`);
    const typed = await shell.io.stdin.ask(`${hint} > `, shell.interrupts.graceful);
    if (typed === undefined || typed.trim() === "") return false;
    try {
      await flujo.answer(runId, typedAnswer(typed, schema), { token: pause.token });
      return true;
    } catch (error) {
      if (codeOf(error) !== "ANSWER_INVALID") throw error;
      shell.note(red(messageOf(error)));
    }
  }
}
