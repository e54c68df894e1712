import type { Fingerprint } from "../../domain/ids.ts";
import type { Definition } from "../../definition/definition.ts";
import type { CommitOutcome, Transition } from "../../ports/store.ts";
import { type FiberRow, leaseOf, type RunRow, statusOf } from "../../stores/memory/rows.ts";
import type { Tables } from "../../stores/memory/tables.ts";
import { Shadow } from "./shadow.ts";
import { Violation } from "./trace.ts";

/** Looks at the tables after every action and throws a Violation when an invariant does not hold. */
export class Oracle {
  readonly #tables: Tables;
  readonly #definitions: ReadonlyMap<Fingerprint, Definition>;
  readonly #now: () => number;
  readonly #shadows = new Map<RunRow, Shadow>();
  /** Ended runs that have been looked at for the last time. */
  readonly #closed = new Set<RunRow>();

  constructor(tables: Tables, definitions: ReadonlyMap<Fingerprint, Definition>, now: () => number) {
    this.#tables = tables;
    this.#definitions = definitions;
    this.#now = now;
  }

  shadow(run: RunRow): Shadow {
    let shadow = this.#shadows.get(run);
    if (shadow === undefined) {
      const definition = this.#definitions.get(run.fingerprint);
      if (definition === undefined) throw new Violation(`run ${run.id} is of a flow that nobody knows`);
      this.#shadows.set(run, (shadow = new Shadow(definition, run, this.#tables.blobs)));
    }
    return shadow;
  }

  check(): void {
    for (const run of this.#tables.runs.values()) {
      if (this.#closed.has(run)) {
        if (run.endedAt !== undefined) continue;
        this.#closed.delete(run); // it was retried
      }
      this.shadow(run).check();
      if (run.endedAt === undefined) this.#checkStanding(run);
      else this.#closed.add(run);
    }
  }

  /** At the end, once more what was thought to be over. */
  checkAll(): void {
    for (const run of this.#tables.runs.values()) this.shadow(run).check();
  }

  #checkStanding(run: RunRow): void {
    const now = this.#now();
    const fail = (row: FiberRow, what: string): never => {
      throw new Violation(`run ${run.id}: fiber ${row.key} ${what}`);
    };
    let open = 0;
    for (const row of run.fibers.values()) {
      if (row.ended !== undefined) continue;
      open += 1;
      if (row.owner !== undefined) {
        const worker = this.#tables.workers.get(row.owner.id);
        if (worker !== row.owner || !worker.held.has(row))
          fail(row, `is owned by ${row.owner.id}, which is no more (I11)`);
        continue;
      }
      if (row.readyAt !== undefined && row.readyAt <= now) continue;
      if (row.wait === undefined && row.readyAt === undefined) fail(row, "has no owner, no due time and no wait (I11)");
      if (row.readyAt === undefined && row.names.length === 0) fail(row, "is parked for ever (I11)");
      if (row.cancel !== undefined && row.wait !== undefined) fail(row, `sleeps although it shall stop: ${row.cancel}`);
      const message = run.messages.find(({ name }) => row.names.includes(name));
      if (message !== undefined) fail(row, `sleeps although message ${message.name} is there (I5)`);
      if (row.readyAt === undefined) this.#checkReply(run, row, fail);
    }
    if (open === 0) throw new Violation(`run ${run.id} is ${statusOf(run, now)} and has no open fiber (I11)`);
  }

  /** A join needs a child that can still end, a call a child run that can still reply. */
  #checkReply(run: RunRow, row: FiberRow, fail: (row: FiberRow, what: string) => never): void {
    if (row.wait?.kind === "join") {
      for (const child of run.fibers.values()) if (child.parent === row.key && child.ended === undefined) return;
      fail(row, "waits for children that are no more (I11)");
    }
    if (row.wait?.kind === "call") {
      const replies = row.names;
      for (const { parent, endedAt } of this.#tables.runs.values()) {
        const awaited = parent?.run === run.id && replies.some((name) => parent.reply.startsWith(`${name}#`));
        if (endedAt === undefined && awaited) return;
      }
      fail(row, "waits for child runs that are no more (I11)");
    }
  }

  /** I2, around a commit: whoever does not hold the fiber changes nothing. */
  async commit(
    batch: readonly Transition[],
    apply: () => Promise<readonly CommitOutcome[]>,
  ): Promise<readonly CommitOutcome[]> {
    const before = batch.map((one) => ({ fenced: this.#fenced(one), picture: this.#picture(one) }));
    const applying = apply();
    const after = batch.map((one) => this.#picture(one));
    const outcomes = await applying;
    for (const [i, outcome] of outcomes.entries()) {
      const transition = batch[i] as Transition;
      const { fenced, picture } = before[i] ?? { fenced: true, picture: "" };
      const what = `of ${transition.lease.worker} in epoch ${transition.lease.epoch} for ${transition.run}/${transition.fiber}`;
      if (outcome.status === "committed" && fenced) throw new Violation(`a stale commit ${what} was accepted (I2)`);
      if (outcome.status !== "committed" && batch.length === 1 && picture !== after[i])
        throw new Violation(`a commit ${what} was ${outcome.status} and still changed something (I1, I2)`);
    }
    return outcomes;
  }

  #row({ run, fiber }: Transition): FiberRow | undefined {
    return this.#tables.runs.get(run)?.fibers.get(fiber);
  }

  #fenced(transition: Transition): boolean {
    const row = this.#row(transition);
    const owner = row?.owner && leaseOf(row.owner);
    const { worker, epoch } = transition.lease;
    return owner?.worker !== worker || owner.epoch !== epoch || row?.seq !== transition.expectedSeq;
  }

  #picture(transition: Transition): string {
    const run = this.#tables.runs.get(transition.run);
    const row = this.#row(transition);
    const fiber = row && [
      row.seq,
      row.readyAt,
      row.owner?.epoch,
      row.ended,
      row.names.length,
      row.deliveries,
      row.cancel,
    ];
    return JSON.stringify([run?.status, run?.events.length, run?.messages.length, run?.fibers.size, fiber]);
  }
}
