// The agent that the bench runs, and every call it makes to the engine for it: a model that calls its one tool turn by turn.
import { Flujo, agent, flow, tool } from "./.build/index.js";
import type { Model, ModelAnswer } from "./.build/ports/model.js";
import type { Store } from "./.build/ports/store.js";
import { type Place, openStore } from "./flujo-place.ts";
import { unexpected } from "./flujo.ts";
import { randomText } from "./peers/random-text.mjs";

/** What a run may cost where it has a limit: more than it does, so that it is checked and never met. */
const COST_LIMIT_USD = 1_000;
const PRICE = { input: 1_000_000, output: 1_000_000 }; // micro-USD for a million tokens

interface Playing {
  readonly turns: number;
  readonly generate: (signal: AbortSignal) => Promise<ModelAnswer>;
  readonly fetchText: () => string;
}

function agentFlow({ turns, generate, fetchText }: Playing) {
  const model: Model = {
    provider: "bench",
    id: "instant",
    price: PRICE,
    generate: (_, { signal }) => generate(signal),
  };
  const fetching = tool({
    name: "fetch",
    description: "Gives a text.",
    input: anything,
    parameters: { type: "object" },
    run: fetchText,
  });
  const caller = agent({ name: "caller", model, prompt: "Call the tool.", tools: [fetching] });
  return flow("bench-agent", { version: "1" })
    .agent("caller", caller, { granular: true, maxTurns: turns + 1 })
    .build();
}

/** Takes every input: what a schema costs is not what is measured. */
const anything = {
  "~standard": { version: 1, vendor: "bench", validate: (value: unknown) => ({ value }) },
} as const;

const USAGE = { inputTokens: 10, outputTokens: 10 };
const call = (turn: number): ModelAnswer => ({
  text: "",
  calls: [{ id: `call-${turn}`, name: "fetch", arguments: { page: turn } }],
  finish: "tool-calls",
  usage: USAGE,
});
const LAST: ModelAnswer = { text: "done", calls: [], finish: "stop", usage: USAGE };

export interface Turns {
  /** Of which each calls the tool; one more says that it is done. */
  readonly turns: number;
  readonly costLimit: boolean;
}

/** An agent whose model and tool answer at once. `run` answers how long (ms) a turn took, without what they took themselves. */
export async function openAgent(place: Place, { turns, costLimit }: Turns) {
  let turn = 0;
  let outsideMs = 0;
  const timed = <T>(work: () => T): T => {
    const startedAt = performance.now();
    const result = work();
    outsideMs += performance.now() - startedAt;
    return result;
  };
  const definition = agentFlow({
    turns,
    generate: async () => timed(() => (++turn > turns ? LAST : call(turn))),
    fetchText: () => timed(() => `page ${turn}`),
  });
  const store = await openStore(place);
  const flujo = new Flujo({ store, flows: [definition], worker: { concurrency: 1 } });
  const limits = costLimit ? { limits: { costUsd: COST_LIMIT_USD } } : {};
  return {
    run: async (): Promise<number> => {
      turn = 0;
      outsideMs = 0;
      const startedAt = performance.now();
      const result = await flujo.run(definition, "", limits);
      const ms = performance.now() - startedAt;
      if (result.status !== "completed" || turn !== turns + 1) throw unexpected(result);
      return (ms - outsideMs) / turns;
    },
    [Symbol.asyncDispose]: () => flujo.close().finally(() => store.close()),
  };
}

export interface LongRun {
  readonly turns: number;
  /** Of what the tool returns in each turn. */
  readonly characters: number;
}

/**
 * Runs an agent until its model is asked for the turn after `turns`, where it gets no answer: the worker closes meanwhile, as it
 * would for a new release, and the run is left for whoever takes it up.
 */
export async function leaveAgent(place: Place, { turns, characters }: LongRun): Promise<void> {
  let turn = 0;
  const asked = awaited<void>();
  const definition = agentFlow({
    turns,
    generate: (signal) => {
      turn += 1;
      if (turn <= turns) return Promise.resolve(call(turn));
      asked.resolve();
      return never(signal);
    },
    fetchText: () => randomText(characters),
  });
  const store = await openStore(place);
  try {
    const flujo = new Flujo({ store, flows: [definition], worker: { concurrency: 1, drain: 0 } });
    const handle = await flujo.start(definition, "");
    await Promise.race([asked.promise, handle.result().then((result) => Promise.reject(unexpected(result)))]);
    await flujo.close();
  } finally {
    await store.close();
  }
}

/** Takes up the run that `leaveAgent` left, and leaves it again. Answers the time (ms) from its claim to the call of the model. */
export async function takeUpAgent(place: Place, turns: number): Promise<number> {
  const asked = awaited<number>();
  const definition = agentFlow({
    turns,
    generate: (signal) => {
      asked.resolve(performance.now());
      return never(signal);
    },
    fetchText: () => {
      throw new Error("the agent was to be asked what it does next");
    },
  });
  const { store, claimedAt } = watched(await openStore(place));
  try {
    const flujo = new Flujo({ store, flows: [definition], worker: { concurrency: 1, drain: 0 } });
    await flujo.open();
    const askedAt = await asked.promise;
    await flujo.close();
    return askedAt - claimedAt();
  } finally {
    await store.close();
  }
}

/** A promise and its end; Node has them together from 22 on. */
function awaited<T>(): { readonly promise: Promise<T>; readonly resolve: (value: T) => void } {
  let resolve: (value: T) => void = () => undefined;
  const promise = new Promise<T>((settle) => (resolve = settle));
  return { promise, resolve };
}

/** A model that answers nothing until it is told to stop. */
const never = (signal: AbortSignal): Promise<never> =>
  new Promise((_, reject) => {
    signal.addEventListener("abort", () => reject(signal.reason as Error));
  });

/** A store, and when it was asked for the work that it first gave. */
function watched(store: Store): { readonly store: Store; readonly claimedAt: () => number } {
  let at: number | undefined;
  const claim: Store["claim"] = async (request) => {
    const askedAt = performance.now();
    const rows = await store.claim(request);
    if (rows.length > 0) at ??= askedAt;
    return rows;
  };
  return {
    store: new Proxy(store, {
      get: (target, name) => {
        if (name === "claim") return claim;
        const value: unknown = Reflect.get(target, name, target);
        return typeof value === "function" ? value.bind(target) : value;
      },
    }),
    claimedAt: () => at ?? Number.NaN,
  };
}
