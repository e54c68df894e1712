import { FlujoError } from "../domain/errors.ts";

/** One thing wrong with a definition, and the path of the node where it is wrong. */
export interface Problem {
  readonly path: string;
  readonly says: string;
}

const MAX_LISTED = 50; // a message is read by people; `details.problems` has them all

/** The one error that carries every problem of a flow: DEFINITION_INVALID. */
export function definitionInvalid(title: string, problems: readonly Problem[]): FlujoError {
  const lines = problems.slice(0, MAX_LISTED).map(({ path, says }) => `\n  ${path}: ${says}`);
  const rest = problems.length > MAX_LISTED ? `\n  … and ${problems.length - MAX_LISTED} more` : "";
  const count = problems.length === 1 ? "1 problem" : `${problems.length} problems`;
  return new FlujoError("DEFINITION_INVALID", `flow ${title} has ${count}:${lines.join("")}${rest}`, {
    details: { problems: problems.map(({ path, says }) => ({ path, says })) },
  });
}
