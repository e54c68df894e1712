import type { Definition } from "../../definition/definition.ts";
import type { Reducer } from "../../definition/node.ts";
import { sha256 } from "../../domain/sha256.ts";
import type { Body } from "../../dsl/builder.ts";
import type { OpenContext, StepContext } from "../../dsl/context.ts";
import { flow } from "../../dsl/flow.ts";
import type { Flow } from "../../dsl/flow-type.ts";
import type { MapJoin } from "../../dsl/options.ts";
import type { Tail } from "../../dsl/outcome.ts";
import { type Random, seededRandom } from "../random.ts";

/** What the cluster gives to every step as `ctx.resources`. */
export interface SimulatedHost {
  readonly execute: (ctx: StepContext, input: unknown, purpose: "step" | "undo") => unknown;
}

export const SIGNALS: readonly string[] = ["alpha", "beta", "gamma"];

type Any = Body<unknown, OpenContext>;
type Grow = (body: Any) => Tail<unknown>;
type Piece = (body: Any, id: string) => Any;

const execute =
  (purpose: "step" | "undo") =>
  (input: unknown, ctx: StepContext): unknown =>
    (ctx.resources as unknown as SimulatedHost).execute(ctx, input, purpose);

/** The step of a flow that is written by hand. */
export const pay: (input: unknown, ctx: StepContext) => unknown = execute("step");

/** A number from any value: what predicates look at. */
const numberOf = (value: unknown): number => {
  const text = JSON.stringify(value) ?? "";
  let hash = 7;
  for (let i = 0; i < text.length; i++) hash = (hash * 31 + text.charCodeAt(i)) >>> 0;
  return hash;
};

/** Few keys, so that lanes are shared. */
const keyOf = (value: unknown): string => ["red", "blue", "green"][numberOf(value) % 3] ?? "red";

const COMPOSITES = [
  "if",
  "switch",
  "times",
  "loop",
  "while",
  "parallel",
  "parallel",
  "map",
  "map",
  "map",
  "attempt",
  "attempt",
  "call",
  "callMany",
  "background",
] as const;

/** Grows flows from a seed: every construct, inside every other. */
class Gardener {
  readonly #random: Random;
  readonly #callable: readonly Flow<unknown>[];
  #left: number;

  constructor(random: Random, callable: readonly Flow<unknown>[], size: number) {
    this.#random = random;
    this.#callable = callable;
    this.#left = size;
  }

  sequence(depth: number): Grow {
    const pieces = Array.from({ length: depth === 0 ? this.#random.int(2, 4) : this.#random.int(1, 3) }, () =>
      this.#piece(depth),
    );
    return (body) => pieces.reduce((grown, piece, i) => piece(grown, `n${i}`), body);
  }

  #piece(depth: number): Piece {
    this.#left -= 1;
    const leaf = depth >= 3 || this.#left <= 0;
    const kinds = leaf
      ? (["step", "step", "step", "step", "step", "step", "step", "signal", "sleep", "human"] as const)
      : ([...COMPOSITES, "step", "step", "step", "step", "step", "signal", "any", "human", "sleep"] as const);
    const kind = this.#random.pick<(typeof kinds)[number]>(kinds) ?? "step";
    switch (kind) {
      case "step":
        return this.#step();
      case "if":
      case "switch":
        return this.#branch(depth);
      case "times":
      case "loop":
      case "while":
        return this.#loop(kind, depth);
      case "parallel":
        return this.#parallel(depth);
      case "map":
        return this.#map(depth);
      case "attempt":
        return this.#attempt(depth);
      case "signal":
      case "any":
      case "human":
        return this.#wait(kind);
      case "sleep": {
        const ms = this.#random.int(0, 4_000);
        return (body, id) => body.sleep(id, ms);
      }
      case "call":
      case "callMany":
      case "background":
        return this.#call(kind);
    }
  }

  #step(): Piece {
    const random = this.#random;
    const retry = { attempts: random.int(1, 4), delay: random.int(0, 800), factor: 2 };
    const timeout = random.chance(0.15) ? { timeout: random.int(200, 3_000) } : {};
    const compensate = random.chance(0.3)
      ? { compensate: { run: execute("undo"), retry: { attempts: random.int(1, 3), delay: 100 } } }
      : {};
    const priority = random.chance(0.1) ? { priority: random.int(-3, 3) } : {};
    const queue = random.chance(0.06) ? { queue: "special" } : {};
    const key = random.chance(0.08) ? { key: keyOf } : {};
    const options = { retry, ...timeout, ...compensate, ...priority, ...queue, ...key };
    return (body, id) => body.step(id, execute("step"), options);
  }

  #branch(depth: number): Piece {
    const [one, two] = [this.sequence(depth + 1), this.sequence(depth + 1)];
    const otherwise = this.#random.chance(0.5) ? this.sequence(depth + 1) : undefined;
    if (this.#random.chance(0.5)) {
      const when = (value: unknown): boolean => numberOf(value) % 2 === 0;
      return (body, id) => (otherwise ? body.if(id, when, one, otherwise) : body.if(id, when, one));
    }
    const select = (value: unknown): string => ["one", "two", "three"][numberOf(value) % 3] ?? "one";
    return (body, id) =>
      otherwise ? body.switch(id, select, { one, two }, { default: otherwise }) : body.switch(id, select, { one, two });
  }

  #loop(kind: "times" | "loop" | "while", depth: number): Piece {
    const inner = this.sequence(depth + 1);
    const count = this.#random.int(0, 3);
    const max = this.#random.int(2, 4); // sometimes too few: LOOP_LIMIT is an outcome like any other
    if (kind === "times") return (body, id) => body.times(id, count, inner);
    if (kind === "while")
      return (body, id) =>
        body.while(id, (value, { iteration }) => iteration < count && numberOf(value) % 5 > 0, inner, { max });
    return (body, id) => body.loop(id, inner, { until: (_, { iteration }) => iteration >= count, max });
  }

  #merge():
    | "overwrite"
    | "no-merge"
    | "keep-first"
    | { readonly reducers: Readonly<Record<string, Reducer>> }
    | "context-update" {
    const sum = { reducers: { c0: "sum", c1: "max", c2: "keepFirst" } } as const;
    return (
      this.#random.pick(["overwrite", "no-merge", "keep-first", sum, sum, "context-update"] as const) ?? "overwrite"
    );
  }

  #parallel(depth: number): Piece {
    const random = this.#random;
    const names = ["left", "right", "middle"].slice(0, random.int(1, 3));
    const branches = Object.fromEntries(names.map((name) => [name, this.sequence(depth + 1)]));
    const join =
      random.pick([
        "all",
        "settled",
        "any",
        { atLeast: 1 },
        { atLeast: names.length },
        { critical: ["left"] },
        {
          custom: ({ ended, total, failed }: { ended: number; total: number; failed: number }) =>
            failed > 1 ? ("fail" as const) : ended === total ? ("join" as const) : ("wait" as const),
        },
      ] as const) ?? "all";
    const choose = random.chance(0.3)
      ? {
          choose: (value: unknown) =>
            names.filter((_, i) => (numberOf(value) >> i) % 2 === 0 || names.length < 2 || i === 0),
        }
      : {};
    const options = { join, merge: this.#merge(), concurrency: random.int(1, 3), ...choose };
    return (body, id) => body.parallel(id, branches, options as { readonly join: "all" }) as Any;
  }

  #map(depth: number): Piece {
    const random = this.#random;
    const inner = this.sequence(depth + 1);
    const [least, spread] = [random.int(0, 2), random.int(1, 4)];
    const items = (value: unknown): number[] =>
      Array.from({ length: least + (numberOf(value) % spread) }, (_, i) => numberOf(value) + i);
    const join: MapJoin = random.pick<MapJoin>(["all", "all", "settled", "any", { atLeast: 1 }]) ?? "all";
    const options = { join, merge: this.#merge(), concurrency: random.int(1, 3) };
    return (body, id) => body.map(id, items, inner, options) as Any;
  }

  #attempt(depth: number): Piece {
    const inner = this.sequence(depth + 1);
    const handler = this.sequence(depth + 1);
    const compensate = this.#random.chance(0.5);
    switch (this.#random.int(0, compensate ? 2 : 1)) {
      case 0:
        return (body, id) => body.attempt(id, inner, { fallback: handler, compensate });
      case 1:
        return (body, id) => body.attempt(id, inner, { catch: handler as never, compensate }) as Any;
      default:
        return (body, id) => body.attempt(id, inner, { compensate });
    }
  }

  #wait(kind: "signal" | "any" | "human"): Piece {
    const random = this.#random;
    const deadline = random.chance(0.5) ? { deadline: random.int(0, 9_000) } : {};
    const late = "deadline" in deadline && random.chance(0.6) ? { onTimeout: () => "late" } : {};
    const name = random.pick(SIGNALS) ?? "alpha";
    if (kind === "human")
      return (body, id) => body.human(id, { question: (value) => ({ about: numberOf(value) }), ...deadline, ...late });
    if (kind === "signal") return (body, id) => body.waitForSignal(id, name, { ...deadline, ...late });
    const names = random.shuffle(SIGNALS).slice(0, 2);
    return (body, id) => body.waitForAnySignal(id, names, { ...deadline, ...late }) as Any;
  }

  #call(kind: "call" | "callMany" | "background"): Piece {
    const called = this.#random.pick(this.#callable);
    if (called === undefined) return this.#step();
    const count = this.#random.int(0, 3);
    const wait = this.#random.chance(0.3) ? "any" : "all";
    const input = (value: unknown): unknown => numberOf(value);
    if (kind === "call") return (body, id) => body.call(id, called, { input });
    if (kind === "background") return (body, id) => body.background(id, called, { input }) as Any;
    const inputs = (value: unknown): unknown[] => Array.from({ length: count }, (_, i) => numberOf(value) + i);
    return (body, id) => body.callMany(id, called, { inputs, wait }) as Any;
  }
}

const grown = new Map<number, Definition>();

/** Flows of a number below this call no others. */
const LEAVES = 12;
export const FLOWS = 160;

/** The flow of that number: the same on every machine, made once per process. */
export function simulatedFlow(number: number): Definition {
  const known = grown.get(number);
  if (known !== undefined) return known;
  const random = seededRandom(Number.parseInt(sha256(`flow ${number}`).slice(0, 8), 16));
  const leaf = number < LEAVES;
  const callable = leaf ? [] : [0, 1].map(() => simulatedFlow(random.int(0, LEAVES - 1)) as Flow<unknown>);
  const gardener = new Gardener(random, callable, leaf ? 3 : random.int(5, 16));
  const timeout = random.chance(0.12) ? { timeout: random.int(5_000, 60_000) } : {};
  const start = flow(`flow-${number}`, { version: "1", ...timeout });
  const end = gardener.sequence(leaf ? 2 : 0)(start as unknown as Any) as unknown as typeof start;
  const built = end.build() as Definition;
  grown.set(number, built);
  return built;
}
