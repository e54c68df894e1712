import type { Clock } from "../../../domain/ambient.ts";
import { FlujoError } from "../../../domain/errors.ts";
import type { GenerateOptions, Model, ModelAnswer, ModelRequest, Price } from "../../../ports/model.ts";
import { play, REAL_CLOCK } from "./play.ts";
import { lastSaid, resolveStep, type ScriptStep } from "./script.ts";

export interface ScriptedOptions {
  /** Who bills. Default "scripted". */
  readonly provider?: string;
  /** Default "scripted". */
  readonly id?: string;
  /** Begins again after the last step, for demonstrations: then no call is one too many. Default false. */
  readonly cyclic?: boolean;
  /** What each answer costs, unless its step says so. Default: what `price` makes of it. */
  readonly costMicroUsd?: number;
  readonly price?: Price;
  /** For `delayMs`. Default: the system's timers. */
  readonly clock?: Pick<Clock, "after">;
}

export interface ScriptedCall {
  readonly request: ModelRequest;
  readonly idempotencyKey: string;
}

/** A model that says what it was told to, and remembers what it was asked. */
export interface ScriptedModel extends Model {
  readonly calls: readonly ScriptedCall[];
}

/** A script that has to be played to its end. */
export interface StrictModel extends ScriptedModel, Disposable {
  /** Steps that were not played yet. */
  readonly remaining: number;
  /** Throws MODEL_SCRIPT_BROKEN when steps are left, or when there were more calls than steps. `using` calls it, too. */
  assertDone(): void;
}

/**
 * A model for tests and demonstrations: plays its steps in order, without network or key. One call more than there are steps
 * throws MODEL_SCRIPT_BROKEN, one less is an error of `assertDone`.
 *
 *   using model = scriptedModel([
 *     { calls: [{ name: "search", arguments: { query: "flujo" } }] },
 *     { error: { status: 429, retryAfterMs: 1_000 } },
 *     { json: { answer: 42 } },
 *   ]);
 */
export function scriptedModel(steps: readonly ScriptStep[], options: ScriptedOptions = {}): StrictModel {
  const order = new Order(steps, options.cyclic === true);
  const assertDone = (): void => order.assertDone();
  return {
    ...actor((request) => order.next(request), options),
    get remaining() {
      return order.remaining;
    },
    assertDone,
    [Symbol.dispose]: assertDone,
  };
}

/** Steps one after the other. */
export class Order {
  readonly #steps: readonly ScriptStep[];
  readonly #cyclic: boolean;
  #played = 0;
  #tooMany = 0;

  constructor(steps: readonly ScriptStep[], cyclic: boolean) {
    this.#steps = steps;
    this.#cyclic = cyclic && steps.length > 0;
  }

  get remaining(): number {
    return this.#cyclic ? 0 : this.#steps.length - this.#played;
  }

  /** Throws MODEL_SCRIPT_BROKEN after the last. */
  next(request: ModelRequest): ScriptStep {
    const count = this.#steps.length;
    const step = this.#steps[this.#cyclic ? this.#played % count : this.#played];
    if (step === undefined) {
      this.#tooMany += 1;
      throw broken(`the script has ${count} steps and was called once more, with: ${quoted(lastSaid(request))}`);
    }
    this.#played += 1;
    return step;
  }

  assertDone(): void {
    const count = this.#steps.length;
    const calls = this.#played + this.#tooMany;
    if (this.#tooMany > 0) throw broken(`the script has ${count} steps and was called ${calls} times`);
    const { remaining } = this;
    if (remaining > 0)
      throw broken(`the script has ${count} steps, of which the last ${remaining} were never asked for`);
  }
}

/** One part of a conversation that is played by rules: the first whose condition holds answers. */
export interface Rule {
  /** Of the last message: a pattern, a text that occurs in it in any case, or any condition. Default: always. */
  readonly when?: RegExp | string | ((request: ModelRequest) => boolean);
  /** Only after an answer of this tool. A rule with another condition holds only when no tool has answered. */
  readonly after?: string;
  /** What to do; of several steps the next one each time, and the first again after the last. */
  readonly say: ScriptStep | readonly ScriptStep[];
}

/**
 * A model for conversations whose order nobody knows, such as demonstrations that people play with. A request for which there is
 * no rule throws MODEL_SCRIPT_BROKEN, so end with a rule without a condition.
 *
 *   const model = rolePlay([{ when: /weather/i, say: { calls: [{ name: "weather" }] } }, { say: "I only know the weather." }]);
 */
export const rolePlay = (rules: readonly Rule[], options: Omit<ScriptedOptions, "cyclic"> = {}): ScriptedModel =>
  actor(byRules(rules), options);

/** The step that the rules give a request. Throws MODEL_SCRIPT_BROKEN. */
export function byRules(rules: readonly Rule[]): (request: ModelRequest) => ScriptStep {
  const turns = new Map<Rule, number>();
  return (request) => {
    const rule = rules.find((one) => holds(one, request));
    if (rule === undefined) throw broken(`no rule fits: ${quoted(lastSaid(request))}`);
    const steps = isList(rule.say) ? rule.say : [rule.say];
    const turn = turns.get(rule) ?? 0;
    turns.set(rule, turn + 1);
    const step = steps[turn % steps.length];
    if (step === undefined) throw broken(`the rule for ${quoted(lastSaid(request))} has no steps`);
    return step;
  };
}

const isList = (say: Rule["say"]): say is readonly ScriptStep[] => Array.isArray(say);

function holds({ when, after }: Rule, request: ModelRequest): boolean {
  if (when === undefined && after === undefined) return true;
  const last = request.messages.at(-1);
  const tools = last?.role === "tool" ? last.answers.map(({ name }) => name) : [];
  if (after === undefined ? tools.length > 0 && typeof when !== "function" : !tools.includes(after)) return false;
  if (when === undefined) return true;
  if (typeof when === "function") return when(request);
  const said = lastSaid(request);
  return typeof when === "string" ? said.toLowerCase().includes(when.toLowerCase()) : said.search(when) >= 0;
}

/** Both kinds: what to do next is all that differs. */
function actor(next: (request: ModelRequest) => ScriptStep, options: ScriptedOptions): ScriptedModel {
  const { provider = "scripted", id = "scripted", price, costMicroUsd, clock = REAL_CLOCK } = options;
  const calls: ScriptedCall[] = [];
  const named = { provider, id, ...(price && { price }) };
  return {
    ...named,
    calls,
    generate: async (request: ModelRequest, asking: GenerateOptions): Promise<ModelAnswer> => {
      calls.push({ request, idempotencyKey: asking.idempotencyKey });
      const number = calls.length;
      const step = resolveStep(next(request), request);
      const answer = await play(step, { request, options: asking }, { model: named, clock, number });
      return { ...(costMicroUsd !== undefined && { costMicroUsd }), ...answer };
    },
  };
}

const broken = (what: string): FlujoError => new FlujoError("MODEL_SCRIPT_BROKEN", what);

const MAX_QUOTED_CHARACTERS = 120;
const quoted = (text: string): string =>
  JSON.stringify(text.length > MAX_QUOTED_CHARACTERS ? `${text.slice(0, MAX_QUOTED_CHARACTERS)}…` : text);
