import type { ShadowEvalSection } from "../config/keys.ts";
import type { Definition } from "../definition/definition.ts";
import { durationMs } from "../domain/duration.ts";
import { FlujoError } from "../domain/errors.ts";
import { runId } from "../domain/ids.ts";
import { allowanceOf, type UsageLimits } from "../domain/usage-limits.ts";
import { Payloads } from "../engine/payloads.ts";
import { Registry } from "../engine/registry.ts";
import { keepEvaluation } from "../evaluation/evaluations.ts";
import { defaultJudge, judgeFlow, type ShadowJudge } from "../evaluation/judge.ts";
import type { ShadowSample } from "../evaluation/sample.ts";
import { ShadowEvaluator } from "../evaluation/shadow.ts";
import type { ShadowVerdict } from "../evaluation/verdict.ts";
import type { Store } from "../ports/store.ts";
import { MemoryStore } from "../stores/memory/store.ts";
import { patientLedger } from "../worker/patient-ledger.ts";
import type { SharedBudgets } from "../worker/spending.ts";
import type { AgencyHost, StepHost } from "../worker/step-context.ts";
import { Engine } from "./engine.ts";
import { Reader } from "./reader.ts";
import { stepsOf } from "./task-view.ts";

/** A judge looks at a sample of what flows do, beside them. */
export interface ShadowEvalOptions {
  /** An agent whose answer is `{ score, reasoning, criteria }`, or a function. Default: one with a prompt for any kind of work. */
  readonly judge?: ShadowJudge;
  /** What the default judge asks. Default "openai:gpt-4o-mini". */
  readonly judgeModel?: string;
  /** Share of runs, 0 to 1, chosen by their ids. Default 0. */
  readonly sampleRate?: number;
  /** Failures are judged, too. Default false. */
  readonly evaluateOnFailure?: boolean;
  /** The run as a whole is judged at its end, with its last 100 steps, as the step `__run__`. Default false. */
  readonly runLevel?: boolean;
  /** Which steps are judged, by path or id. Default: all, or with `runLevel` none. */
  readonly steps?: readonly string[];
  /** Of one judgement. Default 30,000. */
  readonly timeoutMs?: number;
  /** What all judgements of a day (UTC) may use together, over all workers of the store. Default: no limit. */
  readonly limits?: Omit<UsageLimits, "wallTime">;
  /** `database`: kept in the store, see `flujo.evaluations`. `telemetry` (default): a line of the log. */
  readonly sink?: "database" | "telemetry";
}

const TIMEOUT_MS = 30_000;
const MODEL = "openai:gpt-4o-mini";
const STEPS_SHOWN = 100;

interface Around {
  readonly store: Store;
  readonly host: StepHost;
}

/**
 * The evaluator that options and configuration ask for, if they do. `FLUJO_SHADOW_EVAL_ENABLED=0` switches it off whatever the code
 * says; what the code leaves open the configuration says. Throws OPTION_INVALID.
 */
export function shadowOf(
  options: ShadowEvalOptions | undefined,
  { enabled, timeoutS, ...config }: ShadowEvalSection,
  { store, host }: Around,
): ShadowEvaluator | undefined {
  if (enabled === false || (options === undefined && enabled !== true)) return undefined;
  const told = { ...config, ...(timeoutS !== undefined && { timeoutMs: timeoutS * 1_000 }), ...options };
  const { sampleRate = 0, evaluateOnFailure = false, runLevel = false, steps, sink = "telemetry" } = told;
  if (!(sampleRate >= 0 && sampleRate <= 1))
    throw new FlujoError("OPTION_INVALID", `shadowEval.sampleRate: expected 0 to 1 but found ${sampleRate}`);
  const { ambient, logger } = host;
  const judges = new Judges(told, { store, host });
  const reader = new Reader(store, new Payloads((hash) => store.blob(hash)));
  return new ShadowEvaluator({
    sampleRate,
    evaluateOnFailure,
    runLevel,
    steps,
    judge: (sample) => judges.ask(sample),
    keep: (evaluation) =>
      sink === "database"
        ? keepEvaluation(store, evaluation)
        : logger.log("info", "shadow evaluation", { ...evaluation }),
    stepsOf: async (run) => stepsOf(await reader.history(runId(run))).slice(-STEPS_SHOWN),
    stop: () => judges.close(),
    now: () => ambient.clock.now(),
    warn: (message, fields) => logger.log("warn", message, fields),
    after: (ms, callback) => ambient.clock.after(ms, callback),
  });
}

/** Judgements are runs in memory, on an engine of their own: nothing of them is in the store but what they spend. */
class Judges {
  readonly #flow: Definition;
  readonly #engine: Engine;
  readonly #memory: MemoryStore;
  #opening: Promise<void> | undefined;

  constructor(options: ShadowEvalOptions, { store, host }: Around) {
    const { judgeModel = MODEL, judge = defaultJudge(judgeModel), timeoutMs = TIMEOUT_MS, limits } = options;
    const { ambient, resources, logger, agency } = host;
    const registry = new Registry();
    this.#flow = judgeFlow(judge, durationMs(timeoutMs, "shadowEval.timeoutMs"));
    registry.register(this.#flow);
    this.#memory = new MemoryStore({ clock: ambient.clock, history: false });
    const { shared: _, ...paying } = agency ?? {};
    const budget = budgetOf(limits, { store, host });
    this.#engine = new Engine({
      store: this.#memory,
      registry,
      ambient,
      host: {
        ambient,
        resources,
        logger,
        emit: () => undefined,
        ...(agency && { agency: { ...(paying as AgencyHost), ...(budget && { shared: budget }) } }),
      },
      observe: undefined,
      worker: { drain: 1 }, // who closes has waited for them
      ephemeral: true,
    });
  }

  async ask(sample: ShadowSample): Promise<ShadowVerdict> {
    await (this.#opening ??= this.#engine.open());
    const { id } = await this.#engine.start(this.#flow, sample, {});
    try {
      const result = await this.#engine.result(id, "end");
      if (result.status === "completed") return result.output as ShadowVerdict; // the flow has checked it
      throw result.status === "failed" ? result.error : new FlujoError("RUN_CANCELLED", "the judgement was cancelled");
    } finally {
      await this.#memory.forgetFamily(id);
    }
  }

  /** Who waits for a judgement hears of it. The memory goes with the last of them. */
  close(): Promise<void> {
    return this.#engine.close();
  }
}

/** One account a day pays for all judges. */
function budgetOf(limits: ShadowEvalOptions["limits"], { store, host }: Around): SharedBudgets | undefined {
  const allowance = allowanceOf(limits, "shadowEval.limits");
  if (allowance === undefined) return undefined;
  const today = (): string => new Date(host.ambient.clock.now()).toISOString().slice(0, 10);
  return {
    ledger: patientLedger(store, host.ambient),
    accountsOf: () => [{ account: `shadow-eval:${today()}`, limits: allowance }],
  };
}
