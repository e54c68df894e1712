import pg from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Clock } from "../../src/domain/ambient.ts";
import { checkInvariants } from "../../src/engine/invariants.ts";
import type { Store } from "../../src/ports/store.ts";
import { postgresStore } from "../../src/postgres.ts";
import { Database } from "../../src/stores/postgres/database.ts";
import type { PgPool } from "../../src/stores/postgres/driver.ts";
import { type Flags, PROFILES } from "../../src/stores/postgres/flags.ts";
import { PostgresStore } from "../../src/stores/postgres/store.ts";
import { ManualClock } from "../../src/testing/conformance/clock.ts";
import { Scene } from "../../src/testing/conformance/scene.ts";
import { freshSchema, sharedServer, titled } from "../setup/servers.ts";
import { emptying } from "../stores/postgres-cases.ts";
import { type Bench, explore, type Pair, type Run, type Side } from "./explore.ts";
import { GatedPool } from "./gated-pool.ts";
import { answer, picture } from "./picture.ts";
import { type Operation, type Situation, SITUATIONS } from "./scenes.ts";

/*
 * Every ordered pair of critical operations, in every order of their commits; and once more statement by statement, where the
 * same programs run in a transaction each under READ COMMITTED. What comes out must be what some serial order gives. Operations
 * that come again by themselves (claim, sweep, prune) may also have done nothing.
 *
 * Inside of a function of the server each statement has a snapshot of its own, so what the second mode finds are races of the
 * store as it runs. All of its pairs take minutes: FLUJO_TEST_INTERLEAVINGS=all tries them, otherwise the closest are tried.
 */

const ALL = process.env["FLUJO_TEST_INTERLEAVINGS"] === "all";

const postgres = await sharedServer("postgres");

const MODES = [
  { each: "commit", interruptions: Number.POSITIVE_INFINITY, flags: PROFILES.postgres },
  { each: "statement", interruptions: 1, flags: { ...PROFILES.postgres, noFunctions: true } },
] as const;
type Mode = (typeof MODES)[number]["each"];

describe.skipIf(!postgres.run)(titled("two operations on Postgres", postgres), () => {
  for (const { each, interruptions, flags } of MODES) {
    describe(`interleaved at each ${each}`, () => {
      for (const situation of SITUATIONS) {
        describe(situation.name, () => {
          const world = new World(each, { ...flags, noListen: true });
          beforeAll(() => world.open());
          afterAll(() => world.close());
          test("come to what one after the other would", { timeout: ALL ? 1_800_000 : 300_000 }, async () => {
            const { schedules, wrong } = await world.exploreAll(situation, interruptions);
            expect(wrong.slice(0, 5)).toEqual([]);
            expect(schedules).toBeGreaterThan(leastOf(each, situation));
          });
        });
      }
    });
  }
});

const isWhole = (each: Mode): boolean => ALL || each === "commit";

/** An operation of several statements is interrupted in several places. */
const leastOf = (each: Mode, { leastSchedules, closest }: Situation): number =>
  isWhole(each) ? leastSchedules : 8 * closest.length;

/** A clock that begins anew with each schedule. */
class Restarting implements Clock {
  current: ManualClock = new ManualClock();
  now(): number {
    return this.current.now();
  }
  monotonic(): number {
    return this.current.monotonic();
  }
  after(delayMs: number, callback: () => void): () => void {
    return this.current.after(delayMs, callback);
  }
}

interface GatedParts {
  readonly pool: GatedPool;
  readonly pid: number;
  readonly schema: string;
  readonly flags: Flags;
  readonly clock: Clock;
}

/** One connection, and a store that is new in each schedule: what it learnt of queues would change the next one. */
class GatedSide implements Side {
  readonly pool: GatedPool;
  readonly pid: number;
  readonly #parts: GatedParts;
  store: PostgresStore;

  constructor(parts: GatedParts) {
    this.pool = parts.pool;
    this.pid = parts.pid;
    this.#parts = parts;
    this.store = this.#made();
  }

  async begin({ learn }: Situation): Promise<void> {
    await this.store.close();
    this.store = this.#made();
    await learn?.(this.store);
  }

  #made(): PostgresStore {
    const { pool, schema, flags, clock } = this.#parts;
    const db = new Database({
      pool: pool as unknown as PgPool,
      owned: false,
      schema,
      flags,
      statementTimeoutMs: 20_000,
      where: "a gated connection",
    });
    return new PostgresStore({ db, clock, guard: undefined });
  }
}

/** One schema, a store for each of the two, and one for looking. */
class World {
  readonly #schema = postgres.run ? freshSchema(postgres) : undefined;
  readonly #clock = new Restarting();
  readonly #each: Mode;
  readonly #flags: Flags;
  #admin: pg.Client | undefined;
  #looker: GatedPool | undefined;
  #observer: Store | undefined;
  #sides: readonly GatedSide[] = [];

  constructor(each: Mode, flags: Flags) {
    this.#each = each;
    this.#flags = flags;
  }

  async open(): Promise<void> {
    const { url, schema } = this.#schema ?? { url: "", schema: "" };
    this.#admin = new pg.Client({ connectionString: url });
    await this.#admin.connect();
    this.#looker = new GatedPool(url, this.#each);
    await this.#looker.client.connect();
    const pool = this.#looker as unknown as PgPool;
    this.#observer = await postgresStore({ pool, schema, pooler: true, clock: this.#clock });
    this.#sides = await Promise.all([this.#side(url, schema), this.#side(url, schema)]);
  }

  async #side(url: string, schema: string): Promise<GatedSide> {
    const pool = new GatedPool(url, this.#each);
    await pool.client.connect();
    const { rows } = await pool.client.query("SELECT pg_backend_pid() AS pid");
    const { pid } = rows[0] as { pid: number };
    return new GatedSide({ pool, pid, schema, flags: this.#flags, clock: this.#clock });
  }

  async close(): Promise<void> {
    for (const { store, pool } of this.#sides) {
      await store.close();
      await pool.end();
    }
    await this.#observer?.close();
    await this.#looker?.end();
    await this.#admin?.end();
    await this.#schema?.[Symbol.asyncDispose]();
  }

  async exploreAll(
    situation: Situation,
    interruptions: number,
  ): Promise<{ readonly schedules: number; readonly wrong: readonly string[] }> {
    const wrong: string[] = [];
    const names = (await this.#prepare(situation)).map(({ name }) => name);
    const all = names.flatMap((first, i) => names.slice(i).map((second) => [first, second] as const));
    let schedules = 0;
    for (const [a, b] of isWhole(this.#each) ? all : situation.closest) {
      const expected = await this.#expected(situation, { a, b });
      schedules += await explore(this.#bench(situation, { a, b }, { expected, wrong, interruptions }));
    }
    return { schedules, wrong };
  }

  #bench(
    situation: Situation,
    names: { readonly a: string; readonly b: string },
    {
      expected,
      wrong,
      interruptions,
    }: { readonly expected: ReadonlySet<string>; readonly wrong: string[]; readonly interruptions: number },
  ): Bench {
    const [a, b] = this.#sides;
    if (a === undefined || b === undefined || this.#admin === undefined) throw new Error("the world is not open");
    const prepare = async (): Promise<Pair> => {
      const operations = await this.#prepare(situation);
      for (const side of [a, b]) await side.begin(situation);
      return named(operations, names);
    };
    return {
      a,
      b,
      admin: this.#admin,
      interruptions,
      prepare,
      check: (run) => this.#check(names, run, { expected, wrong }),
    };
  }

  async #prepare(situation: Situation): Promise<readonly Operation[]> {
    const { schema } = this.#schema ?? { schema: "" };
    await this.#admin?.query(emptying(schema));
    this.#clock.current = new ManualClock();
    return situation.prepare(new Scene(this.#looking, this.#clock.current, expect));
  }

  get #looking(): Store {
    if (this.#observer === undefined) throw new Error("the world is not open");
    return this.#observer;
  }

  /** Where one after the other leads, in both orders, also without those that may do less. */
  async #expected(
    situation: Situation,
    names: { readonly a: string; readonly b: string },
  ): Promise<ReadonlySet<string>> {
    const ends = new Set<string>();
    for (const order of ["ab", "ba", "a", "b"] as const) {
      const { a, b } = named(await this.#prepare(situation), names);
      if (order === "a" && b.mayDoLess !== true) continue;
      if (order === "b" && a.mayDoLess !== true) continue;
      const said: Record<string, string> = {};
      for (const who of order) {
        const operation = who === "a" ? a : b;
        said[who] = await operation.run(this.#looking).then(answer, (error: unknown) => `threw ${String(error)}`);
      }
      const seen = await picture(this.#looking);
      ends.add(`${said["a"] ?? "-"} ${said["b"] ?? "-"} ${seen}`);
      if (order.length === 1) ends.add(seen);
    }
    return ends;
  }

  async #check(
    names: { readonly a: string; readonly b: string },
    { schedule, answers: [a, b] }: Run,
    { expected, wrong }: { readonly expected: ReadonlySet<string>; readonly wrong: string[] },
  ): Promise<void> {
    const where = `${names.a} × ${names.b} (${schedule})`;
    const seen = await picture(this.#looking);
    if (!expected.has(`${a} ${b} ${seen}`) && !expected.has(seen))
      wrong.push(`${where}: no serial order comes to ${a} ${b} ${seen}`);
    const broken = await checkInvariants(this.#looking, { now: this.#clock.now() });
    if (broken.length > 0) wrong.push(`${where}: ${broken.join("; ")}`);
  }
}

function named(operations: readonly Operation[], names: { readonly a: string; readonly b: string }): Pair {
  const find = (name: string): Operation => {
    const found = operations.find((operation) => operation.name === name);
    if (found === undefined) throw new Error(`expected the operation ${name}`);
    return found;
  };
  return { a: find(names.a), b: find(names.b) };
}
