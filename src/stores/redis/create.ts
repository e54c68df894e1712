import { FlujoError } from "../../domain/errors.ts";
import { cannotStore, unplaceable } from "../../ports/new-run.ts";
import type { CreateOutcome, NewRun } from "../../ports/store.ts";
import { json } from "../../ports/stored-text.ts";
import { run as encodeRun } from "./encode.ts";
import { saidBy } from "./errors.ts";
import { listIn, runRecord, textIn } from "./rows.ts";
import { type Session, STEP } from "./session.ts";

export async function createRuns(session: Session, runs: readonly NewRun[]): Promise<readonly CreateOutcome[]> {
  const outcomes: CreateOutcome[] = [];
  for (let at = 0; at < runs.length; at += STEP)
    outcomes.push(...(await createSome(session, runs.slice(at, at + STEP))));
  return outcomes;
}

async function createSome(session: Session, runs: readonly NewRun[]): Promise<readonly CreateOutcome[]> {
  const texts = runs.map(textOrError);
  const good = texts.filter((text) => typeof text === "string");
  const answers = good.length === 0 ? [] : [...listIn((await session.write("createRuns", ...good)).result)];
  return texts.map((text, index) =>
    typeof text === "string" ? outcomeOf(answers.shift(), runs[index]?.id ?? "") : { status: "rejected", error: text },
  );
}

function textOrError(run: NewRun): string | FlujoError {
  try {
    return unplaceable(run) ?? json(encodeRun(run));
  } catch (error) {
    return error instanceof FlujoError ? error : cannotStore(run.id, saidBy(error), error);
  }
}

/** From { 0, leased }, { 1, record } or { 2, why }. */
function outcomeOf(answer: unknown, id: string): CreateOutcome {
  const [kind, what] = listIn(answer);
  if (kind === 0) return { status: "created", leased: what === 1 };
  if (kind === 2) return { status: "rejected", error: cannotStore(id, textIn(what)) };
  try {
    return { status: "exists", run: runRecord(what) };
  } catch (error) {
    if (!(error instanceof FlujoError)) throw error;
    return { status: "rejected", error }; // the run that is there cannot be decoded
  }
}
