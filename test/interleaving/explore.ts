import type pg from "pg";
import type { Store } from "../../src/ports/store.ts";
import type { GatedPool } from "./gated-pool.ts";
import { answer } from "./picture.ts";
import type { Operation } from "./scenes.ts";

/*
 * Two operations, each on a connection of its own that stops at gates. All orders in which they can pass their gates are tried,
 * depth first: the same choices come to the same place, so the next schedule takes the last choice that has an alternative.
 *
 * With gates at commits that is every order. With gates at each statement there are too many (two operations of ten statements
 * have 184,756), so the number of times that one is interrupted although it could go on is bounded; nearly all races known
 * from practice need one or two such interruptions.
 */

export interface Side {
  readonly store: Store;
  readonly pool: GatedPool;
  readonly pid: number;
}

export interface Pair {
  readonly a: Operation;
  readonly b: Operation;
}

/** What one schedule came to. */
export interface Run {
  /** Whose turn it was, step by step: "aabb". */
  readonly schedule: string;
  readonly answers: readonly [string, string];
}

type Name = "a" | "b";

class Actor {
  readonly name: Name;
  readonly #side: Side;
  readonly #operation: Operation;
  #running: Promise<void> | undefined;
  ended = false;
  said = "";

  constructor(name: Name, side: Side, operation: Operation) {
    this.name = name;
    this.#side = side;
    this.#operation = operation;
    side.pool.close();
  }

  get pid(): number {
    return this.#side.pid;
  }

  /** Not started, or waiting before a commit. */
  get canMove(): boolean {
    return !this.ended && (this.#running === undefined || this.#side.pool.waits);
  }

  get isUnderWay(): boolean {
    return this.#running !== undefined && !this.ended && !this.#side.pool.waits;
  }

  move(): void {
    if (this.#running !== undefined) return this.#side.pool.passOne();
    this.#running = this.#operation
      .run(this.#side.store)
      .then(answer, (error: unknown) => `threw ${error instanceof Error ? error.message : String(error)}`)
      .then((said) => {
        this.said = said;
        this.ended = true;
      });
  }

  /** Resolves when it stops before a commit or ends. */
  async pause(): Promise<void> {
    await Promise.race([this.#running, this.#side.pool.stops()]);
  }

  async finish(): Promise<void> {
    this.#side.pool.openAll();
    await this.#running;
  }
}

const PATIENCE_MS = 60_000;

/** Resolves when nobody moves any more: each has ended, waits before a commit, or waits for a lock. */
async function settle(admin: pg.Client, actors: readonly Actor[]): Promise<void> {
  const until = Date.now() + PATIENCE_MS;
  for (;;) {
    const moving = actors.filter((actor) => actor.isUnderWay);
    if (moving.length === 0) return;
    await Promise.race([...moving.map((actor) => actor.pause()), nextTurn()]);
    const still = moving.filter((actor) => actor.isUnderWay);
    if (still.length === moving.length && (await allBlocked(admin, still))) return;
    if (Date.now() > until) throw new Error(`${still.map(({ name }) => name).join(", ")}: neither moves nor waits`);
  }
}

const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

const BLOCKED = `SELECT count(*)::int AS n FROM unnest($1::int[]) AS pid WHERE cardinality(pg_blocking_pids(pid)) > 0`;

async function allBlocked(admin: pg.Client, actors: readonly Actor[]): Promise<boolean> {
  const { rows } = await admin.query(BLOCKED, [actors.map(({ pid }) => pid)]);
  return (rows[0] as { n: number }).n === actors.length;
}

export interface Bench {
  readonly a: Side;
  readonly b: Side;
  readonly admin: pg.Client;
  /** A fresh copy of the situation; answers its operations. */
  readonly prepare: () => Promise<Pair>;
  /** How often an operation that could go on may be interrupted by the other one. */
  readonly interruptions: number;
  /** Told after each schedule, when both have ended. */
  readonly check: (run: Run) => Promise<void>;
}

/** Tries all schedules of a pair. Answers how many there were. */
export async function explore(bench: Bench): Promise<number> {
  let choices: number[] = [];
  for (let count = 1; ; count++) {
    const taken = await follow(bench, choices);
    choices = taken.map(({ choice }) => choice);
    while (choices.length > 0 && (choices.at(-1) ?? 0) + 1 >= (taken[choices.length - 1]?.of ?? 0)) choices.pop();
    if (choices.length === 0) return count;
    choices[choices.length - 1] = (choices.at(-1) ?? 0) + 1;
  }
}

async function follow(
  { a, b, admin, interruptions, prepare, check }: Bench,
  choices: readonly number[],
): Promise<readonly { readonly choice: number; readonly of: number }[]> {
  const pair = await prepare();
  const actors = [new Actor("a", a, pair.a), new Actor("b", b, pair.b)] as const;
  const taken: { choice: number; of: number }[] = [];
  let schedule = "";
  let last: Actor | undefined;
  let left = interruptions;
  try {
    for (;;) {
      const movable = actors.filter((actor) => actor.canMove);
      if (movable.length === 0) break;
      const goesOn = last !== undefined && movable.includes(last) ? last : undefined;
      const options =
        goesOn === undefined ? movable : left === 0 ? [goesOn] : [goesOn, ...movable.filter((a) => a !== goesOn)];
      const choice = choices[taken.length] ?? 0;
      const actor = options[choice];
      if (actor === undefined) throw new Error(`the schedule ${schedule} did not come to the same place again`);
      taken.push({ choice, of: options.length });
      if (goesOn !== undefined && actor !== goesOn) left -= 1;
      last = actor;
      schedule += actor.name;
      actor.move();
      await settle(admin, actors);
    }
    if (actors.some((actor) => !actor.ended)) throw new Error(`schedule ${schedule}: both wait for a lock for ever`);
  } finally {
    await Promise.all(actors.map((actor) => actor.finish()));
  }
  await check({ schedule, answers: [actors[0].said, actors[1].said] });
  return taken;
}
