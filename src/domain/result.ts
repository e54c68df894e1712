/** Something expected that can go wrong is returned, not thrown. */
export type Result<T, P> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly problem: P };

export const ok = <T>(value: T): { readonly ok: true; readonly value: T } => ({ ok: true, value });
export const problem = <P>(what: P): { readonly ok: false; readonly problem: P } => ({ ok: false, problem: what });

/** States what cannot be false. A broken invariant is a defect of flujo, never of its user. */
export function invariant(condition: boolean, claim: string): asserts condition {
  if (!condition) throw new Error(`flujo invariant broken: ${claim}. Please report this.`);
}
