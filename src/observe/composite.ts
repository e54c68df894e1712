import type { Observation, Observer } from "../ports/observer.ts";

/**
 * Several observers as one: each is told everything, in this order; one that throws or rejects changes nothing for the
 * others. Without any it does nothing; a single one is returned as it is; `null`, `undefined` and `false` are left out.
 *
 *   compositeObserver(metrics, verbose && loggingObserver())
 *
 * Source: Fluxo, CompositeObserver.
 */
export function compositeObserver(...observers: readonly (Observer | null | undefined | false)[]): Observer {
  const members = observers.filter((one): one is Observer => one !== null && one !== undefined && one !== false);
  const [only, ...others] = members;
  if (only === undefined) return { observe: () => undefined };
  if (others.length === 0) return only;
  return {
    observe(observation) {
      const slow = members.map((one) => told(one, observation)).filter((answer) => answer !== undefined);
      return slow.length === 0 ? undefined : Promise.allSettled(slow).then(() => undefined);
    },
  };
}

function told(observer: Observer, observation: Observation): Promise<void> | undefined {
  try {
    return observer.observe(observation) ?? undefined;
  } catch {
    return undefined; // an observer's failure is the observer's (I12)
  }
}
