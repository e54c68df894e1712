import { didYouMean } from "../domain/suggest.ts";
import type { Findings } from "./queues.ts";

/** What 1,000 tokens of a model cost, in USD. */
export interface PriceSection {
  readonly promptTokensPer1k: number;
  readonly completionTokensPer1k: number;
  readonly cacheReadTokensPer1k?: number;
  readonly cacheWriteTokensPer1k?: number;
}

/** What a call of a model is expected to take at most. */
export interface EstimatorSection {
  readonly expectedCostUsd?: number;
  readonly expectedTokens?: number;
}

type ByModel<T> = Readonly<Record<string, Readonly<Record<string, T>>>>;

/** What flujo.toml says about money. */
export interface CostTables {
  readonly providers: ByModel<PriceSection>;
  readonly estimators: ByModel<EstimatorSection>;
}

export interface CostSection extends CostTables {
  /** Only these prices count, and one that is missing is an error. */
  readonly strict: boolean;
}

export const NO_COST_TABLES: CostTables = Object.freeze({ providers: {}, estimators: {} });

const PRICES = [
  "prompt_tokens_per_1k",
  "completion_tokens_per_1k",
  "cache_read_tokens_per_1k",
  "cache_write_tokens_per_1k",
] as const;
const ESTIMATES = ["expected_cost_usd", "expected_tokens"] as const;

/**
 *   [cost]
 *   strict = true                          # see CostSection
 *   [cost.providers.openai."gpt-4.1"]      # quoted, for a dot divides names
 *   prompt_tokens_per_1k = 0.002           # USD
 *   completion_tokens_per_1k = 0.008
 *   [cost.estimators.openai."gpt-4.1"]
 *   expected_tokens = 2000
 *
 * Source: Flujo, cost and pricing.
 */
export function costFrom(
  { providers, estimators }: { readonly providers?: unknown; readonly estimators?: unknown },
  findings: Findings,
): CostTables {
  const reader = new Reader(findings);
  return {
    providers: reader.byModel("cost.providers", providers, (path, table) => reader.price(path, table)),
    estimators: reader.byModel("cost.estimators", estimators, (path, table) => reader.estimator(path, table)),
  };
}

type Table = Readonly<Record<string, unknown>>;

class Reader {
  readonly #findings: Findings;

  constructor(findings: Findings) {
    this.#findings = findings;
  }

  byModel<T>(path: string, value: unknown, read: (path: string, table: Table) => T): ByModel<T> {
    return this.#each(path, value ?? {}, (provider, models) =>
      this.#each(provider, models, (model, row) => read(model, this.#table(model, row))),
    );
  }

  price(path: string, table: Table): PriceSection {
    const found = this.#numbers(path, table, PRICES);
    const { prompt_tokens_per_1k: prompt, completion_tokens_per_1k: completion } = found;
    const { cache_read_tokens_per_1k: cacheRead, cache_write_tokens_per_1k: cacheWrite } = found;
    for (const key of PRICES.slice(0, 2)) {
      if (table[key] === undefined && !isSplit(table)) this.#problem(path, `expected ${key}, in USD`);
    }
    return {
      promptTokensPer1k: prompt ?? 0,
      completionTokensPer1k: completion ?? 0,
      ...(cacheRead !== undefined && { cacheReadTokensPer1k: cacheRead }),
      ...(cacheWrite !== undefined && { cacheWriteTokensPer1k: cacheWrite }),
    };
  }

  estimator(path: string, table: Table): EstimatorSection {
    const { expected_cost_usd: cost, expected_tokens: tokens } = this.#numbers(path, table, ESTIMATES);
    return {
      ...(cost !== undefined && { expectedCostUsd: cost }),
      ...(tokens !== undefined && { expectedTokens: tokens }),
    };
  }

  /** Reads what stands under each name of a table, and says where that is. */
  #each<T>(path: string, value: unknown, read: (path: string, value: unknown) => T): Readonly<Record<string, T>> {
    const entries = Object.entries(this.#table(path, value));
    return Object.fromEntries(entries.map(([name, inner]) => [name, read(`${path}.${name}`, inner)]));
  }

  #table(path: string, value: unknown): Table {
    if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Table;
    this.#problem(path, `expected a table: [${path}]`);
    return {};
  }

  #numbers<K extends string>(path: string, table: Table, keys: readonly K[]): { readonly [key in K]?: number } {
    const found: { [key in K]?: number } = {};
    if (isSplit(table)) {
      this.#problem(path, "expected numbers; a model with a dot in its name is written in quotes");
      return found;
    }
    const known = (key: string): key is K => (keys as readonly string[]).includes(key);
    for (const [key, value] of Object.entries(table)) {
      const where = `${path}.${key}`;
      if (!known(key)) {
        this.#findings.warnings.push({ path: where, says: `unknown key "${key}"${didYouMean(key, keys)}` });
      } else if (typeof value === "number" && Number.isFinite(value) && value >= 0) found[key] = value;
      else this.#problem(where, "expected a number of at least 0");
    }
    return found;
  }

  #problem(path: string, says: string): void {
    this.#findings.problems.push({ path, says });
  }
}

/** A table where a number belongs: "gpt-4.1" without quotes is a table 1 within gpt-4. */
const isSplit = (table: Table): boolean => Object.values(table).some((value) => typeof value === "object");
