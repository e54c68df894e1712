import { Commit } from "../../src/stores/memory/commit.ts";
import type { Tables } from "../../src/stores/memory/tables.ts";
import type { Random } from "../../src/testing/random.ts";

/** I2 broken: whoever commits is believed, whatever lease it has. */
export class BrokenFence extends Commit {
  protected override fenceHolds(): boolean {
    return true;
  }
}

/** I5 broken: parking does not look into the mailbox. */
export class LostWakeUp extends Commit {
  protected override mailboxHolds(): boolean {
    return false;
  }
}

/** Governed queues broken: now and then a place is counted as free that is not. */
export class LostCount extends Commit {
  readonly #random: Random;

  constructor(tables: Tables, random: Random) {
    super(tables);
    this.#random = random;
  }

  protected override applyEffects(...args: Parameters<Commit["applyEffects"]>): void {
    super.applyEffects(...args);
    if (this.#random.chance(0.1)) this.tables.ready.free(args[0]);
  }
}

/** Rates broken: now and then they forget what was claimed. */
export class LostRates extends Commit {
  readonly #random: Random;

  constructor(tables: Tables, random: Random) {
    super(tables);
    this.#random = random;
  }

  protected override applyEffects(...args: Parameters<Commit["applyEffects"]>): void {
    super.applyEffects(...args);
    const now = args[3];
    if (!this.#random.chance(0.1)) return;
    for (const rules of this.tables.ready.rules()) this.tables.govern([{ queue: rules.queue }, rules], now);
  }
}

/** I1 broken: the process dies in the middle of a commit, which was written in two steps. */
export class TornCommit extends Commit {
  readonly #random: Random;

  constructor(tables: Tables, random: Random) {
    super(tables);
    this.#random = random;
  }

  protected override applyEffects(...args: Parameters<Commit["applyEffects"]>): void {
    if (!this.#random.chance(0.02)) super.applyEffects(...args);
  }
}
