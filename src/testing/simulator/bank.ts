import type { Fact } from "../../domain/event.ts";
import type { FiberKey, RunId } from "../../domain/ids.ts";
import { type Allowance, amountOf, NOTHING_SPENT, plus, type Quota, type Spending, UNITS } from "../../domain/quota.ts";
import type { Row } from "../../engine/rebuild.ts";
import type { Balance } from "../../ports/ledger.ts";
import type { RunRow } from "../../stores/memory/rows.ts";
import type { Tables } from "../../stores/memory/tables.ts";
import { Violation } from "./trace.ts";

type Started = Extract<Fact, { type: "run.started" }>;

export interface Account {
  readonly account: string;
  readonly limits: Allowance;
}

export interface BankDeps {
  readonly tables: Tables;
  /** The accounts that pay for what a run does. */
  readonly accountsOf: (run: { readonly flow: string; readonly key: string | undefined }) => readonly Account[];
}

/** One run as it is at its end: its history without what retries have put aside, and what its first fiber has left. */
export interface Closing {
  readonly run: RunRow;
  readonly rows: readonly Row[];
  readonly root: Quota | undefined;
}

/**
 * What the world outside was really asked to do and charges for, call by call, whoever asked and whatever became of the answer;
 * and what must hold between that and what runs and accounts believe (I10).
 */
export class Bank {
  readonly #deps: BankDeps;
  readonly #spent = new Map<string, Spending>();
  calls = 0;
  toolCalls = 0;

  constructor(deps: BankDeps) {
    this.#deps = deps;
  }

  /** Somebody does something that is charged for. */
  charge(id: RunId, spent: Spending): void {
    if (spent.toolCalls > 0) this.toolCalls += 1;
    else this.calls += 1;
    const family = this.#family(id);
    const run = this.#row(id);
    const started = startOf(run);
    this.#add(`run ${family.id}`, startOf(family)?.limits ?? {}, spent);
    for (const { account, limits } of this.#deps.accountsOf({ flow: run.flow, key: started?.lane }))
      this.#add(account, limits, spent);
  }

  #add(name: string, limits: Allowance, spent: Spending): void {
    const sum = plus(this.#spent.get(name) ?? NOTHING_SPENT, spent);
    this.#spent.set(name, sum);
    for (const unit of UNITS) {
      const limit = limits[unit];
      if (limit !== undefined && amountOf(sum, unit) > limit)
        throw new Violation(`${name} has really used ${amountOf(sum, unit)} of ${unit}, its limit is ${limit} (I10)`);
    }
  }

  #row(id: RunId): RunRow {
    const row = this.#deps.tables.runs.get(id);
    if (row === undefined) throw new Violation(`${id} spends and is no run`);
    return row;
  }

  /** The run whose limits a run spends of: what was given a slice spends of its caller's. */
  #family(id: RunId): RunRow {
    const row = this.#row(id);
    return startOf(row)?.slice === undefined || row.parent === undefined ? row : this.#family(row.parent.run);
  }

  /** At the end: every reservation was settled once, every slice came back or is known to be lost, and no account holds anything. */
  close(closings: readonly Closing[], balances: readonly Balance[]): void {
    const settled = new Map<string, Spending>();
    for (const closing of closings) {
      checkReservations(closing);
      checkSlices(closing);
      const family = `run ${this.#family(closing.run.id).id}`;
      settled.set(family, plus(settled.get(family) ?? NOTHING_SPENT, settledIn(closing.run)));
    }
    for (const { run } of closings) {
      const name = `run ${run.id}`;
      this.#checkCovered(name, startOf(run)?.limits ?? {}, settled.get(name) ?? NOTHING_SPENT);
    }
    for (const { account, spent, held } of balances) {
      const limits = closings.flatMap(({ run }) =>
        this.#deps
          .accountsOf({ flow: run.flow, key: startOf(run)?.lane })
          .flatMap((one) => (one.account === account ? [one.limits] : [])),
      );
      this.#checkCovered(account, limits[0] ?? {}, spent);
      for (const unit of UNITS) {
        if (amountOf(held, unit) !== 0)
          throw new Violation(`${account} still holds ${amountOf(held, unit)} of ${unit}`);
        const limit = limits[0]?.[unit];
        if (limit !== undefined && amountOf(spent, unit) > limit)
          throw new Violation(`${account} has booked ${amountOf(spent, unit)} of ${unit}, its limit is ${limit} (I10)`);
      }
    }
  }

  /** Nothing was done that was not booked, of what is limited. */
  #checkCovered(name: string, limits: Allowance, booked: Spending): void {
    const real = this.#spent.get(name) ?? NOTHING_SPENT;
    for (const unit of UNITS) {
      if (limits[unit] !== undefined && amountOf(real, unit) > amountOf(booked, unit))
        throw new Violation(
          `${name} has really used ${amountOf(real, unit)} of ${unit}, and booked ${amountOf(booked, unit)} (I10)`,
        );
    }
  }
}

const factsOf = (run: RunRow): readonly Fact[] =>
  run.events.flatMap(({ facts }) => facts as unknown as readonly Fact[]);

const startOf = ({ events }: RunRow): Started | undefined => {
  const [first] = (events[0]?.facts ?? []) as unknown as readonly Fact[];
  return first?.type === "run.started" ? first : undefined;
};

const settledIn = (run: RunRow): Spending =>
  factsOf(run).reduce((sum, fact) => (fact.type === "quota.settled" ? plus(sum, fact.spent) : sum), NOTHING_SPENT);

/** Reserved = spent + refunded, exactly: each number is reserved before it is settled, and settled once. */
function checkReservations({ run, rows }: Closing): void {
  const open = new Map<FiberKey, Set<string>>();
  const counts = new Map<FiberKey, number>();
  for (const { fiber, facts } of rows) {
    const ids = open.get(fiber) ?? new Set();
    open.set(fiber, ids);
    for (const fact of facts) {
      const count = counts.get(fiber) ?? 0;
      if (fact.type === "quota.reserved") {
        ids.add(`${count}`);
        counts.set(fiber, count + 1);
      } else if (fact.type === "quota.settled" && fact.id !== "-" && !ids.delete(fact.id))
        throw new Violation(`run ${run.id}: fiber ${fiber} settles ${fact.id}, which is not open (I10)`);
    }
  }
  for (const [fiber, ids] of open)
    if (ids.size > 0) throw new Violation(`run ${run.id}: fiber ${fiber} ended with ${[...ids].join(", ")} open (I10)`);
}

/** What is left and what was spent is what was given; what child runs took with them that nobody waited for is not here. */
function checkSlices({ run, rows, root }: Closing): void {
  const started = startOf(run);
  const given = started?.slice ?? started?.limits;
  if (given === undefined || root === undefined) return;
  const away = outstanding(rows);
  for (const unit of UNITS) {
    const limit = given[unit];
    if (limit === undefined) continue;
    const found = (root.left[unit] ?? 0) + amountOf(root.spent, unit) + (away[unit] ?? 0);
    if (found !== limit)
      throw new Violation(
        `run ${run.id}: ${root.left[unit]} left, ${amountOf(root.spent, unit)} spent and ${away[unit] ?? 0} away of ${unit} are not ${limit} (I10)`,
      );
  }
}

/** Slices of child runs that were never heard of again: detached ones, and those that were cancelled when a call was decided. */
function outstanding(rows: readonly Row[]): Allowance {
  const away = new Map<string, Allowance>();
  for (const { fiber, facts } of rows) {
    for (const fact of facts) {
      if (fact.type === "call.started")
        for (const [i, slice] of (fact.slices ?? []).entries()) away.set(`${fiber}/${fact.call}/${i}`, slice);
      if (fact.type === "call.child_ended") {
        const place = `${fiber}/${fact.call}/${fact.ordinal}`;
        if (away.has(place) && fact.quota === undefined)
          throw new Violation(`the slice of ${place} did not come back (I10)`);
        away.delete(place);
      }
    }
  }
  const sum: { [unit: string]: number } = {};
  for (const slice of away.values()) for (const unit of UNITS) sum[unit] = (sum[unit] ?? 0) + (slice[unit] ?? 0);
  return sum;
}
