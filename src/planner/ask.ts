import { type Failure, failure, failureFrom } from "../domain/failure.ts";
import { problem, type Result } from "../domain/result.ts";
import { decode } from "../domain/wire.ts";
import type { Pure } from "../definition/node.ts";
import type { Draft } from "./draft.ts";

/**
 * Asks a pure user function, with fresh copies, so that nothing it keeps or changes is ours. Whatever it throws is a failure
 * of its node. A promise is one too: the answer would be truthy whatever it resolves to.
 */
export function ask<Out>(draft: Draft, question: Pure<Out>, what: string): Result<Out, Failure> {
  try {
    const answer = question(decode(draft.value), { context: decode(draft.context), iteration: draft.iteration });
    if (answer instanceof Promise) {
      answer.catch(() => undefined); // nobody else will: its rejection must not end the process
      return problem(
        failure(
          "PREDICATE_FAILED",
          `${what}: expected a plain answer but found a promise; do asynchronous work in a step before`,
        ),
      );
    }
    return { ok: true, value: answer };
  } catch (thrown) {
    return problem(failureFrom(thrown, "PREDICATE_FAILED", { code: "PREDICATE_FAILED" }));
  }
}
