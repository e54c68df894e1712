import type { Fact } from "../domain/event.ts";
import { ROOT_FIBER } from "../domain/ids.ts";
import type { Metadata } from "../domain/run.ts";
import { decode, type Wire } from "../domain/wire.ts";
import type { Definition } from "../definition/definition.ts";
import { type Evaluation, evaluationOf } from "./evaluations.ts";
import { isSampled, type ShadowSample, WHOLE_RUN } from "./sample.ts";
import type { ShadowVerdict } from "./verdict.ts";

export interface ShadowRules {
  readonly sampleRate: number;
  /** Failures are judged, too. */
  readonly evaluateOnFailure: boolean;
  /** The run as a whole is judged when it has ended. */
  readonly runLevel: boolean;
  /** Which steps are judged, by path or id. Undefined: all where the run as a whole is not. */
  readonly steps?: readonly string[] | undefined;
}

/** A transition that is committed, of a fiber as it is since. */
export interface Committed {
  readonly run: string;
  readonly key: string;
  readonly metadata: Metadata;
  readonly definition: Pick<Definition, "name" | "nodes">;
  readonly fiber: { readonly value: Wire };
}

export interface ShadowDeps extends ShadowRules {
  readonly judge: (sample: ShadowSample) => Promise<ShadowVerdict>;
  readonly keep: (evaluation: Evaluation) => void | Promise<void>;
  /** Of a run that has ended. */
  readonly stepsOf: (run: string) => Promise<NonNullable<ShadowSample["steps"]>>;
  /** Judges are not asked any more: who is still at it, stops. */
  readonly stop: () => Promise<void>;
  readonly now: () => number;
  readonly warn: (message: string, fields: Readonly<Record<string, unknown>>) => void;
  readonly after: (ms: number, callback: () => void) => () => void;
}

export interface ShadowCounts {
  readonly evaluated: number;
  /** The judge, or keeping what it said, failed. */
  readonly failed: number;
  /** More was sampled than could be judged. */
  readonly dropped: number;
}

const MAX_QUEUED = 1_000; // each holds an output in memory
const AT_ONCE = 2; // judges share the process with the work that they judge
const DRAIN_MS = 5_000;

/**
 * Judges a sample of what is done, beside it: told of what is committed, it never makes it wait, and whatever goes wrong with a
 * judge is counted, logged, and nothing else. What waits to be judged goes with the process. Source: Flujo, shadow evaluation.
 */
export class ShadowEvaluator {
  readonly #deps: ShadowDeps;
  readonly #queue: ShadowSample[] = [];
  readonly #working = new Set<Promise<void>>();
  #closed = false;
  #evaluated = 0;
  #failed = 0;
  #dropped = 0;

  constructor(deps: ShadowDeps) {
    this.#deps = deps;
  }

  get counts(): ShadowCounts {
    return { evaluated: this.#evaluated, failed: this.#failed, dropped: this.#dropped };
  }

  /** Never throws. What is not judged costs no more than a look at its kind, and then at the id of its run. */
  tell(committed: Committed, facts: readonly Fact[]): void {
    try {
      const told = facts.filter((fact) => this.#isJudged(committed, fact));
      if (told.length === 0 || !isSampled(committed.run, this.#deps.sampleRate)) return;
      for (const fact of told) this.#push(sampleOf(committed, fact));
    } catch (error) {
      this.#lose(committed.run, error);
    }
  }

  /** Lets what is queued be judged, for a moment; the rest is dropped. */
  async close(): Promise<void> {
    this.#closed = true;
    let cancel = (): void => undefined;
    const patience = new Promise<void>((resolve) => {
      cancel = this.#deps.after(DRAIN_MS, resolve);
    });
    await Promise.race([this.#drained(), patience]);
    cancel();
    this.#dropped += this.#queue.length;
    this.#queue.length = 0;
    await this.#deps.stop();
    await this.#drained();
  }

  async #drained(): Promise<void> {
    while (this.#working.size > 0) await Promise.all(this.#working);
  }

  #isJudged({ key, definition }: Committed, fact: Fact): fact is Judged {
    const { runLevel, evaluateOnFailure } = this.#deps;
    if (fact.type === "step.completed") return this.#isJudgedStep(stepAt(definition, fact.path));
    if (fact.type === "step.failed")
      return evaluateOnFailure && fact.retryAt === undefined && this.#isJudgedStep(stepAt(definition, fact.path));
    if (fact.type !== "fiber.ended" || !runLevel || key !== ROOT_FIBER) return false;
    return fact.outcome === "completed" || evaluateOnFailure;
  }

  #isJudgedStep(step: string | undefined): boolean {
    const { steps, runLevel } = this.#deps;
    if (step === undefined) return false;
    if (steps === undefined) return !runLevel;
    return steps.includes(step) || steps.includes(step.slice(step.lastIndexOf("/") + 1));
  }

  #push(sample: ShadowSample): void {
    if (this.#closed || this.#queue.length >= MAX_QUEUED) {
      this.#dropped += 1;
      return;
    }
    this.#queue.push(sample);
    if (this.#working.size >= AT_ONCE) return;
    const work = this.#work().finally(() => this.#working.delete(work));
    this.#working.add(work);
  }

  async #work(): Promise<void> {
    await nextTurn(); // never in the turn of the work that is judged
    for (let sample = this.#queue.shift(); sample !== undefined; sample = this.#queue.shift())
      await this.#evaluate(sample);
  }

  async #evaluate(sample: ShadowSample): Promise<void> {
    try {
      const whole = sample.step === WHOLE_RUN ? { ...sample, steps: await this.#deps.stepsOf(sample.runId) } : sample;
      const verdict = await this.#deps.judge(whole);
      await this.#deps.keep(evaluationOf(sample, verdict, this.#deps.now()));
      this.#evaluated += 1;
    } catch (error) {
      this.#lose(sample.runId, error, sample.step);
    }
  }

  #lose(run: string, error: unknown, step?: string): void {
    this.#failed += 1;
    const says = error instanceof Error ? error.message : String(error);
    this.#deps.warn("a shadow evaluation failed", { run, ...(step !== undefined && { step }), error: says });
  }
}

type Judged = Extract<Fact, { type: "step.completed" | "step.failed" | "fiber.ended" }>;

/** The step that a fact is about. The last step of a granular agent speaks for the agent; its turns and tools do not. */
function stepAt({ nodes }: Committed["definition"], path: string): string | undefined {
  const label = nodes.get(path)?.label ?? "";
  if (label === "agent.close") return path.slice(0, path.lastIndexOf("/"));
  return label.startsWith("agent.") ? undefined : path;
}

function sampleOf({ run, metadata, definition, fiber }: Committed, fact: Judged): ShadowSample {
  const about = { runId: run, flow: definition.name, metadata };
  if (fact.type === "fiber.ended") {
    const whole = { ...about, step: WHOLE_RUN, visit: "" };
    if (fact.outcome === "completed") return { ...whole, success: true, output: decode(fiber.value) };
    return { ...whole, success: false, feedback: fact.failure?.message ?? "cancelled" };
  }
  const at = { ...about, step: stepAt(definition, fact.path) ?? fact.path, visit: fact.visit };
  if (fact.type === "step.failed") return { ...at, success: false, feedback: fact.failure.message };
  return { ...at, success: true, output: decode(fact.output) };
}

const nextTurn = (): Promise<void> =>
  new Promise((resolve) => {
    setImmediate(resolve);
  });
