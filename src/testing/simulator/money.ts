import { paidCall } from "../../agents/paid-call.ts";
import type { AgentContext } from "../../agents/agent-context.ts";
import { estimateRequest } from "../../agents/estimate.ts";
import { modelFailure } from "../../agents/models/failures.ts";
import { priceBook } from "../../agents/prices.ts";
import type { RunId } from "../../domain/ids.ts";
import { NOTHING_SPENT } from "../../domain/quota.ts";
import { allowanceOf, type UsageLimits } from "../../domain/usage-limits.ts";
import type { Model, ModelAnswer, ModelRequest, Price } from "../../ports/model.ts";
import type { QuotaLedger } from "../../ports/ledger.ts";
import type { Tables } from "../../stores/memory/tables.ts";
import { agencyHost } from "../../runner/agency.ts";
import { accountsOf, type BudgetOptions, sharedBudgets } from "../../runner/budgets.ts";
import type { AgencyHost } from "../../worker/step-context.ts";
import type { Random } from "../random.ts";
import { Bank } from "./bank.ts";
import type { SimulatedProcess } from "./process.ts";

export interface MoneyDeps {
  readonly tables: Tables;
  readonly random: Random;
  readonly now: () => number;
  /** Runs a callback of the simulation; a violation ends the world. */
  readonly guard: (action: () => void) => void;
}

/** A micro-USD a token, and a few for the request. */
const PRICE: Price = { input: 1_000_000, output: 2_000_000, request: 3 };
const PRICES = priceBook({});
const FREELY = {
  allowsTool: () => true,
  beforeModel: ({ messages }: { readonly messages: ModelRequest["messages"] }) =>
    Promise.resolve({ messages, restore: <T>(wire: T) => wire }),
};
const nobody = (name: string): Promise<never> => Promise.reject(new Error(`nobody knows ${name}`));

/** A world in which steps pay: models that charge, limits of runs, and accounts that runs share. */
export class Money {
  readonly bank: Bank;
  readonly #random: Random;
  readonly #guard: MoneyDeps["guard"];
  readonly #budgets: BudgetOptions;
  /** How many calls a run makes within its limits, and a step at most. */
  readonly #scale: number;
  readonly #thirst: number;

  constructor({ tables, random, now, guard }: MoneyDeps) {
    this.#random = random;
    this.#guard = guard;
    this.#thirst = random.pick([4, 40, 200, 300]) ?? 4;
    this.#scale = this.#thirst * (random.chance(0.75) ? random.int(30, 300) : random.int(1, 10));
    this.#budgets = this.#drawBudgets();
    const paying = (run: { readonly flow: string; readonly key: string | undefined }): ReturnType<typeof accountsOf> =>
      accountsOf(this.#budgets, { ...run, now: now() });
    this.bank = new Bank({ tables, accountsOf: paying });
  }

  /** For about so many calls. Some units are not limited. */
  #drawLimits(calls: number): UsageLimits {
    const random = this.#random;
    const about = (each: number): number => Math.ceil(calls * each * (0.3 + random.next()));
    return {
      ...(random.chance(0.7) && { costUsd: about(250) / 1_000_000 }),
      ...(random.chance(0.3) && { totalTokens: about(160) }),
      ...(random.chance(0.2) && { outputTokens: about(120) }),
      ...(random.chance(0.5) && { requests: about(1.2) }),
      ...(random.chance(0.3) && { toolCalls: about(0.4) }),
    };
  }

  #drawBudgets(): BudgetOptions {
    const random = this.#random;
    return {
      ...(random.chance(0.5) && { flows: { "*": this.#drawLimits(this.#scale * 3) } }),
      ...(random.chance(0.4) && {
        keys: { "*": this.#drawLimits(this.#scale * 3), red: this.#drawLimits(this.#scale) },
      }),
      ...(random.chance(0.5) && { day: this.#drawLimits(this.#scale * 6) }),
      ...(random.chance(0.2) && { keyDay: this.#drawLimits(this.#scale * 2) }),
    };
  }

  /** What a run may use; some may use anything. */
  limits(): UsageLimits | undefined {
    const limits = this.#random.chance(0.85) ? this.#drawLimits(this.#scale) : undefined;
    return allowanceOf(limits) === undefined ? undefined : limits;
  }

  /** What the worker of a process has for steps that pay. */
  agency(process: SimulatedProcess, ledger: QuotaLedger): AgencyHost {
    const shared = sharedBudgets(this.#budgets, { ledger, ambient: process.ambient });
    return agencyHost({ governor: FREELY, shared, resolve: nobody, resolveEmbedder: nobody, strictPricing: true });
  }

  /** What a step does that pays: a few calls of models and tools, one after another or at once. Some do not mind failures. */
  async pay(ctx: AgentContext, process: SimulatedProcess): Promise<void> {
    const random = this.#random;
    const model = this.#model(ctx.run.id as RunId, process);
    const calls = Array.from({ length: random.int(0, this.#thirst) }, () => random.int(0, 3));
    const call = async (words: number, i: number): Promise<void> => {
      if (random.chance(0.2)) await this.#callTool(ctx);
      const request: ModelRequest = {
        messages: [{ role: "user", text: "word ".repeat(words * 8) }],
        settings: { maxOutputTokens: random.int(20, 100) },
      };
      const paid = paidCall(ctx, { model, request, idempotencyKey: `${ctx.idempotencyKey}-${i}` });
      await (random.chance(0.5) ? paid : paid.catch(() => undefined));
    };
    if (random.chance(0.25)) await Promise.all(calls.map(call));
    else for (const [i, words] of calls.entries()) await call(words, i);
  }

  async #callTool({ agency, run }: AgentContext): Promise<void> {
    const amount = { ...NOTHING_SPENT, toolCalls: 1 };
    const reservation = await agency.spend.reserve(amount);
    this.#guard(() => this.bank.charge(run.id as RunId, amount));
    if (this.#random.chance(0.9)) reservation.settle(amount); // some forget it
  }

  /** What it charges is charged when it is asked, also when nobody is there any more to hear the answer. */
  #model(run: RunId, process: SimulatedProcess): Model {
    const random = this.#random;
    const named = { provider: "simulated", id: "model", price: PRICE };
    const model: Model = {
      ...named,
      generate: (request, { signal }) => {
        const { inputTokens: most, outputTokens: all } = estimateRequest(model, request, { prices: PRICES });
        const usage = { inputTokens: random.int(0, most), outputTokens: random.int(0, all) };
        const kind = random.next();
        const refused = kind < 0.06;
        const costMicroUsd = PRICES.costMicroUsd(named, usage) ?? 0;
        const spent = { ...NOTHING_SPENT, requests: 1, ...(!refused && { ...usage, costMicroUsd }) };
        this.#guard(() => this.bank.charge(run, spent));
        const ms = random.chance(0.95) ? random.int(0, 20) : random.int(100, 3_000);
        const heeds = random.chance(0.7);
        return new Promise<ModelAnswer>((resolve, reject) => {
          const stop = (): void => {
            cancel();
            reject(signal.reason as Error);
          };
          const cancel = process.deliver(ms, () => {
            signal.removeEventListener("abort", stop);
            if (refused) reject(modelFailure({ status: 429, message: "slowly" }, { model: named }));
            else if (kind < 0.1) reject(modelFailure({ status: 503, message: "broken" }, { model: named }));
            else if (kind < 0.14) reject(modelFailure({ status: 503, message: "half" }, { model: named, usage }));
            else resolve({ text: "", calls: [], finish: "stop", usage });
          });
          if (heeds) signal.addEventListener("abort", stop);
        });
      },
    };
    return model;
  }
}
