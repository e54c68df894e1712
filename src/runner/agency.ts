import { FlujoError } from "../domain/errors.ts";
import { didYouMean } from "../domain/suggest.ts";
import { estimateRequest, type EstimatorTable } from "../agents/estimate.ts";
import { type PriceTable, priceBook, publicPrices } from "../agents/prices.ts";
import type { AnswerDefaults, Governor } from "../ports/agency.ts";
import type { Embedder, Model, PriceBook } from "../ports/model.ts";
import type { SharedBudgets } from "../worker/spending.ts";
import type { AgencyHost } from "../worker/step-context.ts";

/** How models are found and paid for. */
export interface ModelOptions {
  /** Names of your own: an agent whose model is "smart" gets what this says. Source: Graflow, LLMRegistry. */
  readonly models?: Readonly<Record<string, string | Model>>;
  readonly embedders?: Readonly<Record<string, string | Embedder>>;
  /** Prices of your own, before those that providers publish. Micro-USD for a million tokens. */
  readonly prices?: PriceTable;
  /** A price that is missing in `prices` is an error, also without a cost limit. Default false. */
  readonly strictPricing?: boolean;
  /** What calls are expected to take, by provider and model: reserved instead of the worst case. */
  readonly estimates?: EstimatorTable;
  /** What of an agent must be as it was when its run began. Default "strict". */
  readonly fingerprint?: "strict" | "compat";
}

export interface AgencyDeps extends ModelOptions {
  readonly answers?: AnswerDefaults;
  readonly governor: Governor;
  readonly shared: SharedBudgets | undefined;
  /** Finds what a string such as "openai:gpt-4o" names. */
  readonly resolve: (name: string) => Promise<Model>;
  readonly resolveEmbedder: (name: string) => Promise<Embedder>;
}

/** What the agents of this process share. Nothing is loaded before the first of them asks. */
export function agencyHost(deps: AgencyDeps): AgencyHost {
  const { models = {}, embedders = {}, estimates, governor, shared, answers = {}, fingerprint = "strict" } = deps;
  const table = deps.prices ?? {};
  let prices: PriceBook = priceBook({ table, strict: deps.strictPricing ?? false });
  let loading: Promise<void> | undefined;
  const load = async (): Promise<void> => {
    prices = priceBook({ table, fallback: await publicPrices() });
  };
  /** The public list is large (30 ms to load): only for who has no price of its own. */
  const priced = async <T extends Model | Embedder>(found: T): Promise<T> => {
    const known = "price" in found || prices.costMicroUsd(found, NO_USAGE) !== undefined;
    if (!known) await (loading ??= load());
    return found;
  };
  return {
    model: async (choice) => priced(await find(models, choice, deps.resolve)),
    embedder: async (choice) => priced(await find(embedders, choice, deps.resolveEmbedder)),
    prices: { costMicroUsd: (model, usage) => prices.costMicroUsd(model, usage) },
    estimate: (model, request, hints) =>
      estimateRequest(model, request, { prices, ...(hints && { hints }), ...(estimates && { table: estimates }) }),
    governor,
    fingerprint,
    answers,
    ...(shared && { shared }),
  };
}

const NO_USAGE = Object.freeze({ inputTokens: 0, outputTokens: 0 });

const MAX_NAMES = 10; // a name may stand for another; a circle of them would never end

async function find<T extends Model | Embedder>(
  named: Readonly<Record<string, string | T>>,
  choice: string | T,
  resolve: (name: string) => Promise<T>,
): Promise<T> {
  let found: string | T = choice;
  for (let i = 0; typeof found === "string"; i++) {
    if (!Object.hasOwn(named, found)) return resolve(found).catch(orOneOf(Object.keys(named), found));
    if (i === MAX_NAMES) throw new FlujoError("MODEL_UNKNOWN", `the name "${found}" leads to itself`);
    found = named[found] as string | T;
  }
  return found;
}

/** Who misspells a name of his own is not helped by the providers that there are. */
const orOneOf =
  (own: readonly string[], choice: string) =>
  (error: unknown): never => {
    if (!(error instanceof FlujoError) || error.code !== "MODEL_UNKNOWN" || own.length === 0) throw error;
    const message = `${error.message}; names of this runner: ${own.join(", ")}${didYouMean(choice, own)}`;
    throw new FlujoError("MODEL_UNKNOWN", message, { cause: error });
  };
