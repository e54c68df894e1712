import { FlujoError } from "../../domain/errors.ts";
import type { Definition } from "../../definition/definition.ts";
import type { Flujo } from "../../runner/flujo.ts";
import { answerSchema, shapeText, typedAnswer } from "../answer-text.ts";
import { maybeFlows } from "../flows.ts";
import { parseJson } from "../json-text.ts";
import { resolveRun } from "../run-ids.ts";
import type { Shell } from "../shell.ts";
import { valueText } from "../text.ts";

export interface AnswerCommandOptions {
  readonly token?: string;
  readonly file?: string;
}

/** `flujo answer <run> [json]`: answers an open question. With `--file` the answer is checked here, else when a worker takes it. */
export async function answerCommand(
  shell: Shell,
  run: string,
  { json, token, file }: AnswerCommandOptions & { readonly json: string | undefined },
): Promise<number> {
  const typed = json === undefined ? undefined : await parsed(shell, json);
  const flows = await maybeFlows(shell, file);
  const flujo = await shell.look(flows);
  const runId = await resolveRun(shell, flujo, run);
  const answer = typed === undefined ? await asked(shell, { flujo, flows, runId, token }) : typed.value;
  await flujo.answer(runId, answer, { ...(token !== undefined && { token }) });
  const checked = file === undefined ? "; the worker that takes it checks it" : "";
  shell.result({ runId, answered: true }, () => `answered run ${runId}${checked}`);
  return 0;
}

async function parsed(shell: Shell, json: string): Promise<{ readonly value: unknown }> {
  const text = json === "-" ? await shell.slowly("reading stdin", shell.io.stdin.read()) : json;
  return { value: parseJson(text, "the answer", "ANSWER_INVALID") };
}

async function asked(
  shell: Shell,
  what: {
    readonly flujo: Flujo;
    readonly flows: readonly Definition[];
    readonly runId: string;
    readonly token: string | undefined;
  },
): Promise<unknown> {
  const { flujo, flows, runId, token } = what;
  if (!shell.io.stdin.isTTY)
    throw new FlujoError("OPTION_INVALID", "expected an answer: flujo answer <run> '<json>', or - for stdin");
  const { pauses } = await flujo.get(runId);
  const pause = token === undefined ? pauses[0] : pauses.find((one) => one.token === token);
  const schema = pause && answerSchema(flows, pause.path);
  if (pause !== undefined) shell.note(`? ${pause.path} asks\n${valueText(pause.question)}`);
  const text = await shell.io.stdin.ask(`${shapeText(schema)} > `, shell.interrupts.graceful);
  if (text === undefined || text.trim() === "")
    throw new FlujoError("ANSWER_INVALID", "no answer was given; the run is still paused");
  return typedAnswer(text, schema);
}
