import { childFiber, ROOT_FIBER, type RunId, runId, type WorkerId, workerId } from "../../domain/ids.ts";
import { type EndStatus, END_STATUSES } from "../../domain/run.ts";
import type { FiberRef } from "../../ports/queue.ts";
import type { Lease, NewMessage, NewRun, Position, Transition } from "../../ports/store.ts";
import type { Random } from "../random.ts";
import type { Model } from "./model.ts";
import { anonymousMessage, newChild, newMessage, newRun, openWait } from "./records.ts";
import { type Held, newEvent, transition } from "./transitions.ts";

export type Command =
  | { readonly kind: "register"; readonly worker: WorkerId }
  | { readonly kind: "create"; readonly runs: readonly NewRun[] }
  | { readonly kind: "claim"; readonly lease: Lease; readonly limit: number }
  | { readonly kind: "commit"; readonly batch: readonly Transition[] }
  | { readonly kind: "signal"; readonly message: NewMessage }
  | { readonly kind: "heartbeat"; readonly lease: Lease }
  | { readonly kind: "advance"; readonly byMs: number }
  | { readonly kind: "sweep" }
  | { readonly kind: "cancel"; readonly run: RunId }
  | { readonly kind: "release"; readonly lease: Lease; readonly only: readonly FiberRef[] | undefined };

export const WORKERS: readonly WorkerId[] = ["ann", "bob", "eve"].map((name) => workerId(name));
const RUNS: readonly RunId[] = ["r1", "r2", "r3", "r4"].map((name) => runId(name));
const STRANGER: RunId = runId("stranger");
const NAMES = ["a", "b", "c"] as const;
/** One reason for all: which of two reasons stands is not part of the contract. */
export const REASON = "stop";
/** Leases last an odd time and the clock moves by even ones, so that none ends at the very instant of a sweep. */
export const MODEL_LEASE_MS = 3_001;

/** What the workers believe to hold and to be; wrong as often as not, which is the point. */
export interface Beliefs {
  readonly leases: Map<WorkerId, Lease>;
  held: Held[];
  /** Numbers of messages that were seen once. */
  readonly seenMessages: number[];
}

const WEIGHTS: readonly (readonly [kind: Command["kind"], weight: number])[] = [
  ["commit", 40],
  ["claim", 14],
  ["signal", 14],
  ["create", 8],
  ["advance", 8],
  ["heartbeat", 6],
  ["sweep", 4],
  ["cancel", 3],
  ["release", 3],
];

/** Makes up commands from chance, guided by the model so that most of them mean something. */
export class CommandGenerator {
  readonly #random: Random;
  readonly #model: Model;
  readonly #beliefs: Beliefs;
  #children = 0;
  #facts = 0;

  constructor(random: Random, model: Model, beliefs: Beliefs) {
    this.#random = random;
    this.#model = model;
    this.#beliefs = beliefs;
  }

  next(): Command {
    const absent = WORKERS.find((worker) => !this.#model.workers.has(worker));
    if (absent !== undefined && this.#random.chance(0.6)) return { kind: "register", worker: absent };
    const kind = this.#random.chance(0.6) ? (this.#missing() ?? this.#kind()) : this.#kind();
    switch (kind) {
      case "create":
        return { kind, runs: Array.from({ length: this.#random.int(1, 2) }, () => this.#run()) };
      case "claim":
        return { kind, lease: this.#lease(), limit: this.#random.int(1, 3) };
      case "commit":
        return { kind, batch: this.#batch() };
      case "signal":
        return { kind, message: this.#message() };
      case "heartbeat":
        return { kind, lease: this.#lease() };
      case "advance":
        return { kind, byMs: 2 * this.#random.int(1, 900) };
      case "sweep":
        return { kind };
      case "cancel":
        return { kind, run: this.#anyRun() };
      case "release":
        return this.#release();
      case "register":
        throw new Error("workers register as they are missed");
    }
  }

  /** Without runs, or without any that is held, most commands would mean nothing; a short sequence has none to spare. */
  #missing(): "create" | "claim" | undefined {
    if (this.#model.runs.size === 0) return "create";
    return this.#beliefs.held.length === 0 ? "claim" : undefined;
  }

  #kind(): Command["kind"] {
    let ticket = this.#random.int(
      1,
      WEIGHTS.reduce((sum, [, weight]) => sum + weight, 0),
    );
    for (const [kind, weight] of WEIGHTS) if ((ticket -= weight) <= 0) return kind;
    return "sweep";
  }

  #anyRun(): RunId {
    const there = this.#random.chance(0.7) ? this.#random.pick([...this.#model.runs.keys()]) : undefined;
    return there ?? (this.#random.chance(0.1) ? STRANGER : (this.#random.pick(RUNS) ?? STRANGER));
  }

  /** A lease that a worker believes in; now and then one that never was. */
  #lease(): Lease {
    const worker = this.#random.pick(WORKERS) ?? workerId("ann");
    const { epoch } = this.#beliefs.leases.get(worker) ?? { epoch: 1 };
    return { worker, epoch: this.#random.chance(0.05) ? epoch + 100 : epoch };
  }

  #run(): NewRun {
    const leased = this.#random.chance(0.5);
    return newRun({
      id: this.#random.pick(RUNS) ?? STRANGER,
      createdAt: this.#model.now,
      root: { leased, priority: this.#random.int(0, 2), readyAt: this.#model.now + this.#later(0.3) },
      ...(leased && { lease: this.#lease() }),
      event: newEvent(["created", this.#facts++]),
    });
  }

  #message(run: RunId = this.#anyRun()): NewMessage {
    const name = this.#random.pick(NAMES) ?? "a";
    const sentAt = this.#model.now;
    if (this.#random.chance(0.3)) return anonymousMessage({ run, name, sentAt });
    return newMessage({ run, name, id: `${name}${this.#random.int(1, 4)}`, sentAt });
  }

  /** A short time, or none at all. */
  #later(probability: number): number {
    return this.#random.chance(probability) ? 2 * this.#random.int(1, 700) : 0;
  }

  #release(): Command {
    const lease = this.#lease();
    const mine = this.#beliefs.held.filter((held) => held.lease.worker === lease.worker);
    const only = this.#random
      .shuffle(mine)
      .slice(0, 2)
      .map(({ run, fiber }) => ({ run, fiber }));
    return { kind: "release", lease, only: this.#random.chance(0.5) ? only : undefined };
  }

  #batch(): readonly Transition[] {
    const { held } = this.#beliefs;
    return Array.from({ length: this.#random.int(1, 3) }, () => this.#random.pick(held)).flatMap((one) =>
      one === undefined ? [] : [this.#transition(one)],
    );
  }

  #transition(held: Held): Transition {
    const position = this.#position(held);
    const ends = position.kind === "ended" && held.fiber === ROOT_FIBER ? position.outcome : undefined;
    const isRoot = held.fiber === ROOT_FIBER;
    const maybe = (probability: number): boolean => this.#random.chance(probability);
    return transition(held, {
      state: this.#facts,
      position,
      consume: maybe(0.3) ? this.#consumed(held) : [],
      ...(maybe(0.1) && { unless: this.#random.shuffle(NAMES).slice(0, this.#random.int(0, 2)) }),
      send: maybe(0.15) ? [this.#message()] : [],
      spawn: isRoot && maybe(0.2) ? [this.#child()] : [],
      startRuns: maybe(0.04) ? [this.#run()] : [],
      cancelRuns: ends === undefined && maybe(0.03) ? [{ run: this.#anyRun(), reason: REASON }] : [],
      ...(position.kind === "parked" && {
        wait: openWait({ names: position.names, kind: maybe(0.3) ? "human" : "signal" }),
      }),
      ...(maybe(0.6) && { event: newEvent(["step", this.#facts++]) }),
      ...(maybe(0.3) && { acknowledgeCancel: true }),
      ...(isRoot && maybe(0.05) && { cancelFork: { fork: 1, reason: REASON } }),
      ...(isRoot && maybe(0.1) && { dropFork: 1 }),
      ...(ends !== undefined && { endRun: { status: ends, at: this.#model.now } }),
    });
  }

  #position({ fiber }: Held): Position {
    const roll = this.#random.next();
    if (roll < 0.35) return { kind: "held" };
    if (roll < 0.5) return { kind: "ready", at: this.#model.now + this.#later(0.5) };
    const outcome: EndStatus = this.#random.pick(END_STATUSES) ?? "completed";
    if (roll > (fiber === ROOT_FIBER ? 0.96 : 0.75)) return { kind: "ended", outcome };
    const names = this.#random.shuffle(NAMES).slice(0, this.#random.int(1, 2));
    const until = this.#model.now + 2 * this.#random.int(1, 700);
    return { kind: "parked", names, ...(this.#random.chance(0.4) && { until }) };
  }

  /** Messages of the run, and now and then one that is not there (any more). */
  #consumed({ run }: Held): readonly number[] {
    const here = (this.#model.runs.get(run)?.messages ?? []).flatMap(({ seq }) => (seq === undefined ? [] : [seq]));
    const chosen = this.#random.shuffle(here).slice(0, this.#random.int(0, 2));
    const stale = this.#random.pick(this.#beliefs.seenMessages);
    return stale !== undefined && !chosen.includes(stale) && this.#random.chance(0.15) ? [...chosen, stale] : chosen;
  }

  #child(): ReturnType<typeof newChild> {
    // Now and then a child that exists, or existed: it must be left alone, or come back as new.
    const ordinal = this.#random.chance(0.15) ? this.#random.int(1, 3) : ++this.#children;
    return newChild(ordinal, {
      key: childFiber(ROOT_FIBER, ordinal),
      leased: this.#random.chance(0.6),
      priority: this.#random.int(0, 2),
      readyAt: this.#model.now + this.#later(0.3),
    });
  }
}
