import { FlujoError } from "../domain/errors.ts";
import type { Attempt, Policy } from "./policy.ts";

/** The next step must not start after the run's time is up; the attempt ends with whichever bound comes first. */
export const timeout: Policy =
  (next, { config }) =>
  (attempt) => {
    const { runTimeLeftMs } = attempt;
    const own = config.timeoutMs;
    if (own === undefined && runTimeLeftMs === undefined) return next(attempt);
    if (runTimeLeftMs !== undefined && runTimeLeftMs <= 0) throw runTimeout("before this step began");
    if (runTimeLeftMs !== undefined && (own === undefined || runTimeLeftMs <= own)) {
      return race(next(attempt), attempt, runTimeLeftMs, () => runTimeout("while this step ran"));
    }
    const ms = own ?? 0;
    return race(
      next(attempt),
      attempt,
      ms,
      () => new FlujoError("STEP_TIMEOUT", `the attempt took longer than its timeout of ${ms} ms`),
    );
  };

const runTimeout = (when: string): FlujoError => new FlujoError("RUN_TIMEOUT", `the run exceeded its timeout ${when}`);

/** A step that ignores its signal is left behind; whatever it answers later is dropped. */
function race(work: unknown, { after, abort }: Attempt, ms: number, error: () => FlujoError): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const cancel = after(ms, () => {
      const late = error();
      abort(late);
      reject(late);
    });
    Promise.resolve(work).then(resolve, reject).finally(cancel);
  });
}
