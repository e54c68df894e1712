import { FinalError } from "../domain/final-error.ts";
import { decode, type Wire } from "../domain/wire.ts";
import type { Invariant } from "../definition/around.ts";

export interface AfterStep {
  readonly output: Wire;
  /** As the step leaves it. */
  readonly context: Wire;
  readonly iteration: number;
}

/** Asks what must hold, each with copies of its own. Throws INVARIANT_VIOLATED naming every rule that does not. */
export function checkInvariants(rules: readonly Invariant[], { output, context, iteration }: AfterStep): void {
  const violated = rules.flatMap(({ name, ask }) => {
    const why = reasonOf(() => ask(decode(output), { context: decode(context), iteration }));
    return why === undefined ? [] : [{ rule: name, why }];
  });
  if (violated.length === 0) return;
  const text = violated.map(({ rule, why }) => `${rule}: ${why}`).join("; ");
  throw new FinalError("INVARIANT_VIOLATED", `Invariant violated: ${text}`, { details: { violated } });
}

/** Only `true` holds: a rule that throws, or answers later, has not said yes. */
function reasonOf(ask: () => unknown): string | undefined {
  try {
    const answer = ask();
    if (answer === true) return undefined;
    if (typeof answer === "string") return answer;
    if (!(answer instanceof Promise)) return answer === false ? "does not hold" : `gave ${typeof answer}, not true`;
    answer.catch(() => undefined); // nobody else will: its rejection must not end the process
    return "gave a promise: rules are synchronous";
  } catch (thrown) {
    return thrown instanceof Error ? thrown.message : String(thrown);
  }
}
