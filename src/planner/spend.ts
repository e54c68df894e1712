import { type Allowance, exceeded, fullQuota, isLimited, spendingOf, split } from "../domain/quota.ts";
import type { Happened, Planning, Settled } from "./planning.ts";

/** A step pays for its work; see domain/quota.ts. */
export function spend(planning: Planning, { settled, reserve }: Extract<Happened, { type: "spending" }>): void {
  settle(planning, settled);
  if (reserve !== undefined) planning.record({ type: "quota.reserved", amount: reserve });
}

export function settle(planning: Planning, settled: readonly Settled[] = []): void {
  for (const one of settled) planning.record({ type: "quota.settled", ...one });
}

/** What was under way is over, and nobody knows what became of it: what was reserved for it is spent. */
export function forfeit(planning: Planning): void {
  for (const [id, held] of Object.entries(planning.draft.quota?.held ?? {}))
    planning.record({ type: "quota.settled", id, spent: spendingOf(held) });
}

/** More was used than was reserved, and nothing is left to cover it: the step is done, but nothing may follow it. */
export function failOverspent(planning: Planning, at: { readonly path: string; readonly visit: string }): void {
  const { quota = fullQuota({}) } = planning.draft;
  if (quota.over !== undefined) planning.fail(at, exceeded(quota, quota.over));
}

/** Slices for children that are about to begin, `among` so many that share; none where nothing is limited. */
export function slicesFor(
  { draft: { quota } }: Planning,
  children: number,
  among: number = children,
): { readonly slices?: readonly Allowance[] } {
  return quota === undefined || !isLimited(quota.left) ? {} : { slices: split(quota, children, among) };
}
