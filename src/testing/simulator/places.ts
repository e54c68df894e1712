import { NO_LANE, type QueueRules, type Rate } from "../../ports/queue-rules.ts";
import type { FiberRow } from "../../stores/memory/rows.ts";
import type { Tables } from "../../stores/memory/tables.ts";
import { Violation } from "./trace.ts";

interface Leased {
  readonly row: FiberRow;
  readonly queue: string;
  readonly lane: string;
}

/** A queue, or a lane of one, whose limits are held against what the store does. */
interface Limited {
  readonly name: string;
  readonly concurrency: number | undefined;
  readonly rate: Rate | undefined;
  readonly has: (leased: Leased) => boolean;
}

/**
 * The rules of queues, counted a second time and in the plainest way: which rows are leased where, and when each was claimed.
 * Only a claim may lease a row in a governed queue. Rows that shall stop are outside the rules; what was leased before rules
 * came, or shrank, may stay; nothing may be added to it.
 */
export class Places {
  readonly #tables: Tables;
  readonly #now: () => number;
  readonly #rules = new Map<string, QueueRules>();
  #leased = new Map<FiberRow, Leased>();
  /** Instants of claims, by queue or lane. */
  readonly #claims = new Map<string, number[]>();
  /** Rows that a claim got under a rule. */
  admitted = 0;

  constructor(tables: Tables, now: () => number) {
    this.#tables = tables;
    this.#now = now;
  }

  /** The rules have just been put into the store. */
  put(rules: QueueRules): void {
    const before = this.#rules.get(rules.queue);
    this.#rules.set(rules.queue, rules);
    this.#leased = this.#seen();
    const isOther = (a: Rate | undefined, b: Rate | undefined): boolean => a?.perMs !== b?.perMs;
    if (isOther(before?.rate, rules.rate)) this.#claims.delete(rules.queue);
    if (!isOther(before?.lane?.rate, rules.lane?.rate)) return;
    for (const name of [...this.#claims.keys()]) if (name.startsWith(`${rules.queue}/`)) this.#claims.delete(name);
  }

  /** Looks at who holds what after an operation. */
  check(operation: string): void {
    if (this.#rules.size === 0) return;
    const before = this.#leased;
    this.#leased = this.#seen();
    const come = [...this.#leased.values()].filter((one) => !isSame(before.get(one.row), one));
    if (come.length === 0) return;
    if (operation !== "claim")
      throw new Violation(`${operation} leased ${nameOf(come[0])} past the rules of its queue`);
    const working = come.filter(({ row }) => row.cancel === undefined);
    this.admitted += working.length;
    for (const limited of this.#limitsOf(working)) {
      this.#checkPlaces(limited, come);
      this.#checkRate(limited, working.filter(limited.has).length);
    }
  }

  #checkPlaces({ name, concurrency, has }: Limited, come: readonly Leased[]): void {
    if (concurrency === undefined) return;
    const stopping = come.filter((one) => has(one) && one.row.cancel !== undefined).length;
    const held = [...this.#leased.values()].filter(has).length;
    if (held - stopping > concurrency)
      throw new Violation(`${held} fibers are leased in ${name}, which admits ${concurrency} (governed queues)`);
  }

  #checkRate({ name, rate }: Limited, claims: number): void {
    if (rate === undefined) return;
    const now = this.#now();
    const recent = (this.#claims.get(name) ?? []).filter((at) => at > now - rate.perMs);
    for (let i = 0; i < claims; i++) recent.push(now);
    this.#claims.set(name, recent);
    if (recent.length > rate.count)
      throw new Violation(`${recent.length} claims of ${name} within ${rate.perMs} ms, at most ${rate.count} (rates)`);
  }

  #limitsOf(come: readonly Leased[]): readonly Limited[] {
    const limits = new Map<string, Limited>();
    for (const { queue, lane } of come) {
      const { concurrency, rate, lane: lanes = {} } = this.#rules.get(queue) ?? {};
      limits.set(queue, { name: queue, concurrency, rate, has: (one) => one.queue === queue });
      limits.set(`${queue}/${lane}`, {
        name: `${queue}/${lane}`,
        concurrency: lanes.concurrency,
        rate: lanes.rate,
        has: (one) => one.queue === queue && one.lane === lane,
      });
    }
    return [...limits.values()];
  }

  #seen(): Map<FiberRow, Leased> {
    const seen = new Map<FiberRow, Leased>();
    for (const { held } of this.#tables.workers.values()) {
      for (const row of held) {
        const { queue, lane = NO_LANE } = row;
        const { concurrency, rate, lane: lanes } = this.#rules.get(queue) ?? {};
        if (concurrency === undefined && rate === undefined && lanes === undefined) continue;
        seen.set(row, { row, queue, lane });
      }
    }
    return seen;
  }
}

const isSame = (a: Leased | undefined, b: Leased): boolean => a?.queue === b.queue && a.lane === b.lane;

const nameOf = (leased: Leased | undefined): string => `${leased?.row.run.id}/${leased?.row.key}`;
