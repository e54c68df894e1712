import type { Execution } from "./execution-log.ts";
import type { FinishedStep } from "./watch.ts";
import { slotOf, stepOf } from "./watch.ts";

/** What the demo knows at the moment its worker was killed. */
export interface Kill {
  readonly pid: number;
  readonly finished: readonly FinishedStep[];
}

/** One line of the closing table: all items and iterations of one step together. */
export interface StepRow {
  readonly step: string;
  /** Different items and iterations. */
  readonly slots: number;
  /** How often it was begun, in all processes together. */
  readonly executions: number;
  /** Most attempts that one of them took. */
  readonly attempts: number;
  /** From start to finish, as the steps themselves saw it; executions that were killed have no finish. */
  readonly milliseconds: number;
}

/** The history of the engine and the log of the steps, compared. Lists name steps; empty lists are good news. */
export interface Proof {
  readonly rows: readonly StepRow[];
  /** Results that were stored before the kill and whose step began again after it. */
  readonly repeated: readonly string[];
  /** Begun before the kill without a stored result: these must run again. */
  readonly interrupted: readonly string[];
  /** Stored results that the log knows no finished execution of: the log cannot vouch for them. */
  readonly unseen: readonly string[];
  /** Ran more than once without an interruption or a retry that explains it. */
  readonly unexplained: readonly string[];
}

/** Compares what the engine stored with what the steps wrote themselves. */
export function prove(finished: readonly FinishedStep[], executions: readonly Execution[], kill?: Kill): Proof {
  const starts = bySlot(executions.filter(({ phase }) => phase === "start"));
  const finishes = bySlot(executions.filter(({ phase }) => phase === "finish"));
  const storedBeforeKill = new Set(kill?.finished.map(slotOf));
  const interrupted = [...starts]
    .filter(([slot, begun]) => begun.some(({ pid }) => pid === kill?.pid) && !storedBeforeKill.has(slot))
    .map(([slot]) => slot);
  const explained = new Map(finished.map((step) => [slotOf(step), step.attempt]));
  for (const slot of interrupted) explained.set(slot, (explained.get(slot) ?? 1) + 1);

  return {
    rows: rowsOf(finished, executions),
    repeated: [...starts]
      .filter(([slot, begun]) => storedBeforeKill.has(slot) && begun.some(({ pid }) => pid !== kill?.pid))
      .map(([slot]) => slot),
    interrupted,
    unseen: finished.map(slotOf).filter((slot) => !finishes.has(slot)),
    unexplained: [...starts].filter(([slot, begun]) => begun.length > (explained.get(slot) ?? 1)).map(([slot]) => slot),
  };
}

/** Whether the comparison shows that no finished step ran again, and that it could have shown it. */
export function holds({ repeated, unseen, unexplained }: Proof): boolean {
  return repeated.length === 0 && unseen.length === 0 && unexplained.length === 0;
}

function bySlot(executions: readonly Execution[]): Map<string, Execution[]> {
  const slots = new Map<string, Execution[]>();
  for (const execution of executions) {
    const slot = slotOf(execution);
    slots.set(slot, [...(slots.get(slot) ?? []), execution]);
  }
  return slots;
}

function rowsOf(finished: readonly FinishedStep[], executions: readonly Execution[]): StepRow[] {
  const rows = new Map<string, StepRow>();
  const change = (path: string, by: (row: StepRow) => Partial<StepRow>): void => {
    const step = stepOf(path);
    const row = rows.get(step) ?? { step, slots: 0, executions: 0, attempts: 0, milliseconds: 0 };
    rows.set(step, { ...row, ...by(row) });
  };
  for (const { path, attempt } of finished) {
    change(path, ({ slots, attempts }) => ({ slots: slots + 1, attempts: Math.max(attempts, attempt) }));
  }
  const begun = new Map<string, number>();
  for (const { phase, path, visit, pid, attempt, at } of executions) {
    const execution = `${pid} ${attempt} ${slotOf({ path, visit })}`;
    if (phase === "start") {
      begun.set(execution, at);
      change(path, (row) => ({ executions: row.executions + 1 }));
    } else {
      const took = at - (begun.get(execution) ?? at);
      change(path, ({ milliseconds }) => ({ milliseconds: milliseconds + took }));
    }
  }
  return [...rows.values()];
}
