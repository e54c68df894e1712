import { type Allowance, exceeded, fullQuota, isLimited, split } from "../domain/quota.ts";
import type { Happened, Planning, Settled } from "./planning.ts";

/** A step pays for its work; see domain/quota.ts. */
export function spend(planning: Planning, { settled, reserve }: Extract<Happened, { type: "spending" }>): void {
  settle(planning, settled);
  if (reserve !== undefined) planning.record({ type: "quota.reserved", amount: reserve });
}

export function settle(planning: Planning, settled: readonly Settled[] = []): void {
  for (const { id, spent } of settled) planning.record({ type: "quota.settled", id, spent });
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
