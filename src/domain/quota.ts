import { type Failure, failure } from "./failure.ts";

/**
 * What may still be spent. Pure arithmetic on integers: money is micro-USD, so that sums are exact.
 *
 * A fiber owns a slice of its run's quota. Work is paid for in three moves: `reserve` takes the worst case out of what is left
 * and is committed before the work begins; `settle` puts back what was not used and is committed with the work's outcome; what
 * a crash leaves reserved counts as spent, because nobody knows. Forks `split` what is left among the children that may run at
 * once, and `refund` takes in what a child leaves, however it ended. So the sum of all slices, reservations and spendings never
 * exceeds the limit (I10), and `reserved = spent + refunded` holds exactly at the end. Source: Flujo, quota enforcement.
 */

/** Units that can be limited. Totals of tokens are input plus output. */
export const UNITS = ["costMicroUsd", "inputTokens", "outputTokens", "totalTokens", "requests", "toolCalls"] as const;
export type Unit = (typeof UNITS)[number];

/** What work used, or may use at most. */
export interface Spending {
  readonly costMicroUsd: number;
  readonly inputTokens: number;
  readonly outputTokens: number;
  readonly requests: number;
  readonly toolCalls: number;
}

/** What may be spent of each unit; absent = unlimited. */
export type Allowance = { readonly [U in Unit]?: number };

export const NOTHING_SPENT: Spending = Object.freeze({
  costMicroUsd: 0,
  inputTokens: 0,
  outputTokens: 0,
  requests: 0,
  toolCalls: 0,
});

/** What is reserved, and which accounts that runs share hold it, too. */
export interface Held extends Spending {
  readonly accounts?: readonly string[];
}

/** The slice of one fiber. */
export interface Quota {
  /** What the whole run may spend, for messages. */
  readonly limits: Allowance;
  /** What this fiber may still reserve. */
  readonly left: Allowance;
  /** Spent in this fiber and in those that came back to it. */
  readonly spent: Spending;
  /** Reserved and not settled, by the number of the reservation. */
  readonly held: { readonly [id: string]: Held };
  /** Reservations so far: numbers are never used twice. */
  readonly count: number;
  /** A unit of which more was used than reserved, and nothing was left to cover it. */
  readonly over?: Unit;
  /** Workers in a row that were lost in the middle of paid work, without any outcome of it. */
  readonly lost?: number;
}

const UNLIMITED: Allowance = Object.freeze({});

export const NO_QUOTA: Quota = Object.freeze({
  limits: UNLIMITED,
  left: UNLIMITED,
  spent: NOTHING_SPENT,
  held: Object.freeze({}),
  count: 0,
});

export const amountOf = (spending: Spending, unit: Unit): number =>
  unit === "totalTokens" ? spending.inputTokens + spending.outputTokens : spending[unit];

export const plus = (a: Spending, b: Spending): Spending => ({
  costMicroUsd: a.costMicroUsd + b.costMicroUsd,
  inputTokens: a.inputTokens + b.inputTokens,
  outputTokens: a.outputTokens + b.outputTokens,
  requests: a.requests + b.requests,
  toolCalls: a.toolCalls + b.toolCalls,
});

const limited = (allowance: Allowance): readonly Unit[] => UNITS.filter((unit) => allowance[unit] !== undefined);

export const isLimited = (allowance: Allowance): boolean => limited(allowance).length > 0;

function mapAllowance(allowance: Allowance, change: (amount: number, unit: Unit) => number): Allowance {
  const changed: { [U in Unit]?: number } = {};
  for (const unit of limited(allowance)) changed[unit] = change(allowance[unit] ?? 0, unit);
  return changed;
}

/** The first unit of which not enough is left; cost first, as the seeds' messages prefer it. */
export const missing = ({ left }: Quota, wanted: Spending): Unit | undefined =>
  limited(left).find((unit) => amountOf(wanted, unit) > (left[unit] ?? 0));

/** The caller has asked `missing`. */
export function reserve(quota: Quota, wanted: Held): Quota {
  const id = `${quota.count}`;
  return {
    ...quota,
    left: mapAllowance(quota.left, (amount, unit) => amount - amountOf(wanted, unit)),
    held: { ...quota.held, [id]: wanted },
    count: quota.count + 1,
  };
}

/**
 * Ends a reservation with what was really spent. What was reserved too much goes back; what was reserved too little is taken
 * from what is left, and where nothing is left `over` names the unit: the work is done, but nothing may follow it.
 * Without a reservation of that number it only counts.
 */
export function settle(quota: Quota, id: string, spent: Spending): Quota {
  const { [id]: reserved = NOTHING_SPENT, ...held } = quota.held;
  let over = quota.over;
  const left = mapAllowance(quota.left, (amount, unit) => {
    const after = amount + amountOf(reserved, unit) - amountOf(spent, unit);
    if (after < 0) over ??= unit;
    return Math.max(0, after);
  });
  return { ...quota, left, held, spent: plus(quota.spent, spent), ...(over !== undefined && { over }) };
}

export const spendingOf = ({ costMicroUsd, inputTokens, outputTokens, requests, toolCalls }: Held): Spending => ({
  costMicroUsd,
  inputTokens,
  outputTokens,
  requests,
  toolCalls,
});

/** Nobody knows what became of work that was under way: what was reserved for it counts as spent. */
export const forfeit = (quota: Quota): Quota =>
  Object.entries(quota.held).reduce((rest, [id, amount]) => settle(rest, id, amount), quota);

/** One more worker was lost. */
export const bereaved = (quota: Quota): Quota => ({ ...quota, lost: (quota.lost ?? 0) + 1 });

/** There is an outcome: who dies from now on dies of something else. */
export function progressed(quota: Quota): Quota {
  if (quota.lost === undefined) return quota;
  const { lost: _, ...rest } = quota;
  return rest;
}

/** The failure of who wants more than is left. Messages and codes as Flujo's users know them. */
export function exceeded({ limits }: Pick<Quota, "limits">, unit: Unit, wanted?: Spending): Failure {
  const limit = limits[unit] ?? 0;
  const details = { unit, limit, ...(wanted !== undefined && { wanted: amountOf(wanted, unit) }) };
  switch (unit) {
    case "costMicroUsd":
      return failure("COST_LIMIT_EXCEEDED", `Cost limit of $${usdText(limit)} exceeded`, { details });
    case "totalTokens":
      return failure("TOKEN_LIMIT_EXCEEDED", `Token limit of ${limit} exceeded`, { details });
    case "inputTokens":
      return failure("TOKEN_LIMIT_EXCEEDED", `Input token limit of ${limit} exceeded`, { details });
    case "outputTokens":
      return failure("TOKEN_LIMIT_EXCEEDED", `Output token limit of ${limit} exceeded`, { details });
    case "requests":
      return failure("QUOTA_EXCEEDED", `Request limit of ${limit} exceeded`, { details });
    case "toolCalls":
      return failure("QUOTA_EXCEEDED", `Tool call limit of ${limit} exceeded`, { details });
  }
}

/** Micro-USD as dollars, without trailing zeros: 500000 is "0.5". */
export const usdText = (microUsd: number): string => (microUsd / 1_000_000).toFixed(6).replace(/\.?0+$/, "");

/** A quota that nothing has been taken from. */
export const fullQuota = (limits: Allowance): Quota => ({ ...NO_QUOTA, limits, left: limits });

/** A slice: the quota of a child that may spend so much of the same run's budget. */
export const sliceOf = ({ limits }: Pick<Quota, "limits">, left: Allowance): Quota => ({ ...NO_QUOTA, limits, left });

/** Equal shares for so many children, of `among` that take part: the first get the remainder. */
export function split(quota: Quota, children: number, among: number = children): readonly Allowance[] {
  let { left } = quota;
  return Array.from({ length: children }, (_, i) => {
    const given = mapAllowance(left, (amount) => Math.ceil(amount / (among - i)));
    left = mapAllowance(left, (amount, unit) => amount - (given[unit] ?? 0));
    return given;
  });
}

/** Slices that were given away. */
export const without = (quota: Quota, slices: readonly Allowance[]): Quota => ({
  ...quota,
  left: mapAllowance(quota.left, (amount, unit) => slices.reduce((rest, slice) => rest - (slice[unit] ?? 0), amount)),
});

/** What a fiber leaves behind when it ends. */
export type Leaving = Pick<Quota, "left" | "spent" | "over">;

export function leaving(quota: Quota): Leaving {
  const { left, spent, over } = forfeit(quota);
  return { left, spent, ...(over !== undefined && { over }) };
}

/** Takes in what a child leaves: what it did not spend may be spent again. */
export const refund = (quota: Quota, child: Leaving): Quota => ({
  ...quota,
  left: mapAllowance(quota.left, (amount, unit) => amount + (child.left[unit] ?? 0)),
  spent: plus(quota.spent, child.spent),
  ...(quota.over === undefined && child.over !== undefined && { over: child.over }),
});
