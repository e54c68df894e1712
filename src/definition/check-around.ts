import type { Around, Caching, Named } from "./around.ts";
import type { StepNode } from "./node.ts";

type Says = (says: string) => void;

/** What stands around a step and can never do what its author expects of it. */
export function checkAround({ around, config, compensate }: StepNode, says: Says): void {
  if (around === undefined) return;
  const { cache } = around;
  if (cache !== undefined) {
    checkCache(cache, says);
    if (config.transactional === true) says("cache: what a transaction writes is not done by giving its result again");
    if (compensate !== undefined) says("cache: a result that is given again has nothing to undo: leave compensate out");
  }
  checkFunctions(around, says);
  checkVerdicts(around, says);
}

function checkCache({ scope, context, key, ttlMs }: Caching, says: Says): void {
  if (scope !== "memory" && scope !== "store")
    says(`cache.scope: expected "memory" or "store" but found ${JSON.stringify(scope)}`);
  if (!(ttlMs > 0)) says(`cache.ttl: expected more than 0 ms but found ${ttlMs}`);
  if (key !== undefined && typeof key !== "function") says(`cache.key: expected a function but found ${typeof key}`);
  if (key !== undefined && context !== "all") says("cache: has both a key and a context: choose one");
}

function checkFunctions({ processors, invariants, failureHandlers }: Around, says: Says): void {
  const all: readonly Named<unknown>[] = [
    ...(processors?.prompt ?? []),
    ...(processors?.output ?? []),
    ...(invariants ?? []),
    ...(failureHandlers ?? []),
  ];
  for (const { name, ask } of all) {
    if (typeof ask !== "function") says(`${name}: expected a function but found ${typeof ask}`);
  }
}

function checkVerdicts(around: Around, says: Says): void {
  const { validators, plugins, retriesInvalid, tolerant, verdictsTo, feedbackTo } = around;
  if (retriesInvalid && tolerant) says('onInvalid: "retry" and strict: false exclude each other: choose one');
  if (validators !== undefined || plugins !== undefined) return;
  const idle = {
    onInvalid: retriesInvalid,
    strict: tolerant,
    persistValidationTo: verdictsTo,
    persistFeedbackTo: feedbackTo,
  };
  for (const [name, given] of Object.entries(idle)) {
    if (given !== undefined) says(`${name}: there are no validators and no plugins: it can never matter`);
  }
}
