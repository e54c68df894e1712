import type { Spending } from "../../domain/quota.ts";
import type { Row } from "./driver.ts";
import type { ParamTypes } from "./insert-steps.ts";
import { numberIn } from "./rows.ts";

/** Columns of a `Spending`. */
export const AMOUNTS = ["cost_micro_usd", "input_tokens", "output_tokens", "requests", "tool_calls"] as const;

export const AMOUNT_PARAMS: ParamTypes = Object.fromEntries(AMOUNTS.map((name) => [name, "int8[]"]));

/** In the order of the columns. */
export const amountCells = (amount: Spending): readonly number[] => [
  amount.costMicroUsd,
  amount.inputTokens,
  amount.outputTokens,
  amount.requests,
  amount.toolCalls,
];

export const amountIn = (row: Row, prefix: "spent" | "held"): Spending => ({
  costMicroUsd: numberIn(row, `${prefix}_cost_micro_usd`),
  inputTokens: numberIn(row, `${prefix}_input_tokens`),
  outputTokens: numberIn(row, `${prefix}_output_tokens`),
  requests: numberIn(row, `${prefix}_requests`),
  toolCalls: numberIn(row, `${prefix}_tool_calls`),
});

/** `one, two, three`: what the template makes of each column. */
export const forAmounts = (template: (name: string) => string): string => AMOUNTS.map(template).join(", ");
