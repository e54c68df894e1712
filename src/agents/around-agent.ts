import { sha256 } from "../domain/sha256.ts";
import type { Wire } from "../domain/wire.ts";
import type { Around, Processors } from "../definition/around.ts";
import { lowerAround, lowerProcessors } from "../dsl/lower-around.ts";
import type { AgentStepOptions } from "../dsl/lowerable.ts";
import type { Place } from "../dsl/place.ts";
import type { AnyAgent } from "./agent.ts";
import { fingerprintsOf } from "./fingerprint.ts";

interface Arounded {
  readonly around?: Around;
}

const NONE: Processors = Object.freeze({ prompt: [], output: [] });

/** An agent's prompt and texts are processed where they are: inside of its step. */
export const processorsOf = ({ processors }: AgentStepOptions): Processors =>
  processors === undefined ? NONE : lowerProcessors(processors);

/** Around an agent that is one step. */
export function aroundWhole(place: Place, agent: AnyAgent, options: AgentStepOptions): Arounded {
  const { processors, ...rest } = options;
  const codes = [...(processors?.prompt ?? []), ...(processors?.output ?? [])].map((one) => codeOf(one));
  return lowerAround(place, rest, () => ({ ...identityOf(agent, options), processors: codes }));
}

/** Who an agent is for a cache: what it is across runs, and the functions of which its fingerprint says only that they are some. */
const identityOf = (agent: AnyAgent, options: AgentStepOptions): { readonly [key: string]: Wire } => ({
  agent: fingerprintsOf(agent, options).compat,
  functions: [agent.instructions, agent.prompt].map((one) => (typeof one === "function" ? codeOf(one) : null)),
});

const codeOf = (run: (...given: never[]) => unknown): string => sha256(String(run));

/**
 * Around an agent whose turns are steps. What judges its answer stands around the last of them, which is not worth another attempt:
 * what was said is recorded. Handlers are told of turns, too.
 */
export function aroundClose(place: Place, options: AgentStepOptions): Arounded {
  const { cache, plugins, processors: _, onInvalid, ...rest } = options;
  const says = (problem: string): void => void place.problems.push({ path: place.path, says: problem });
  if (cache !== undefined) says("cache: the turns of a granular agent are recorded one by one: leave granular out");
  if (plugins !== undefined) says("plugins: the turns of a granular agent cannot be made again: leave granular out");
  if (onInvalid === "retry") says('onInvalid: "retry" would ask nobody again: leave granular out');
  return lowerAround(place, rest, () => null);
}

export const aroundTurn = (place: Place, { failureHandlers }: AgentStepOptions): Arounded =>
  lowerAround(place, failureHandlers === undefined ? {} : { failureHandlers }, () => null);
