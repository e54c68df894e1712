import { FlujoError } from "../domain/errors.ts";
import { type Failure, failureFrom } from "../domain/failure.ts";
import { problem, type Result } from "../domain/result.ts";
import { decode } from "../domain/wire.ts";
import type { Pure } from "../definition/node.ts";
import type { Draft } from "./draft.ts";

/**
 * Asks a pure user function, with fresh copies, so that nothing it keeps or changes is ours. Whatever it throws is a failure
 * of its node.
 */
export function ask<Out>(draft: Draft, question: Pure<Out>, what: string): Result<Out, Failure> {
  try {
    const answer = question(decode(draft.value), { context: decode(draft.context), iteration: draft.iteration });
    return { ok: true, value: noPromise(answer, what) };
  } catch (thrown) {
    return problem(failureFrom(thrown, "PREDICATE_FAILED", { code: "PREDICATE_FAILED" }));
  }
}

/** A promise is no answer: it would be truthy whatever it resolves to. Throws PREDICATE_FAILED for one. */
export function noPromise<Out>(answer: Out, what: string): Out {
  if (!(answer instanceof Promise)) return answer;
  answer.catch(() => undefined); // nobody else will: its rejection must not end the process
  throw new FlujoError(
    "PREDICATE_FAILED",
    `${what}: expected a plain answer but found a promise; do asynchronous work in a step before`,
  );
}
