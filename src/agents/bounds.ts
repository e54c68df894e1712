import { FlujoError } from "../domain/errors.ts";
import { LIMITS } from "../domain/limits.ts";
import type { AgentStepOptions } from "../dsl/lowerable.ts";
import type { Place } from "../dsl/place.ts";

/** How far an agent may go. */
export interface Bounds {
  readonly maxTurns: number;
  readonly historyMaxTokens: number;
  readonly toolConcurrency: number;
}

const DEFAULTS: Bounds = {
  maxTurns: 20,
  historyMaxTokens: 128_000,
  toolConcurrency: LIMITS.mapConcurrency,
};

/** What the options of an agent say, or the defaults. */
export const boundsOf = (options: AgentStepOptions): Bounds => ({
  maxTurns: options.maxTurns ?? DEFAULTS.maxTurns,
  historyMaxTokens: options.historyMaxTokens ?? DEFAULTS.historyMaxTokens,
  toolConcurrency: options.toolConcurrency ?? DEFAULTS.toolConcurrency,
});

const MOST: Bounds = {
  maxTurns: LIMITS.loopIterations,
  historyMaxTokens: Number.MAX_SAFE_INTEGER,
  toolConcurrency: LIMITS.mapItems,
};

/** What is no bound becomes a problem of the place. */
export function checkBounds({ path, problems }: Place, options: AgentStepOptions): void {
  const bounds = boundsOf(options);
  for (const name of ["maxTurns", "historyMaxTokens", "toolConcurrency"] as const) {
    const [value, most] = [bounds[name], MOST[name]];
    if (Number.isInteger(value) && value >= 1 && value <= most) continue;
    problems.push({ path, says: `${name}: expected a whole number from 1 to ${most} but found ${value}` });
  }
}

export const turnsExceeded = (agent: string, maxTurns: number): FlujoError =>
  new FlujoError("AGENT_TURNS_EXCEEDED", `agent ${agent} did not finish within ${maxTurns} turns`);
