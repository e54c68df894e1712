import type { Ambient } from "../domain/ambient.ts";
import type { Fact } from "../domain/event.ts";
import { messageName } from "../domain/event.ts";
import type { Failure } from "../domain/failure.ts";
import { childFiber, type FiberKey } from "../domain/ids.ts";
import type { Allowance } from "../domain/quota.ts";
import { invariant } from "../domain/result.ts";
import type { Fiber, ForkFrame } from "../planner/fiber.ts";
import { bornChild } from "../planner/fork.ts";
import type { ChildEnd, Plan } from "../planner/planning.ts";
import type { LeasedFiber } from "../ports/queue.ts";
import type { Blob, Lease, NewFiber, NewMessage, NewRun, Position, RunEnd, Transition } from "../ports/store.ts";
import { asideOf, dataOf, stateOf } from "./fiber-codec.ts";
import type { Payloads } from "./payloads.ts";
import type { Resident } from "./resident.ts";
import { childEndData, endOf, eventOf } from "./stored-facts.ts";
import { entersQueue, rowOf, sameScheduling, schedulingOf } from "./scheduling.ts";

/** What came of one event: a transition to commit, and the fiber as it will be once that is acknowledged. */
export interface Advance {
  readonly transition: Transition;
  readonly after: Fiber;
  readonly facts: readonly Fact[];
  /** Children born leased to this worker. */
  readonly children: readonly Resident[];
}

export interface TransitionsOptions {
  readonly payloads: Payloads;
  readonly ambient: Ambient;
  readonly queues: ReadonlySet<string>;
  readonly takeChildren: (parent: Resident, wanted: number) => number;
}

/** Turns plans into what a store commits. Decides nothing: where a fiber stands next follows from what it is doing. */
export class Transitions {
  readonly #payloads: Payloads;
  readonly #ambient: Ambient;
  readonly #queues: ReadonlySet<string>;
  readonly #takeChildren: TransitionsOptions["takeChildren"];

  constructor({ payloads, ambient, queues, takeChildren }: TransitionsOptions) {
    this.#payloads = payloads;
    this.#ambient = ambient;
    this.#queues = queues;
    this.#takeChildren = takeChildren;
  }

  build(
    resident: Resident,
    { after, facts, effects, now }: Plan,
    startRuns: readonly NewRun[],
    takeChildren: boolean,
  ): Advance {
    const before = resident.fiber;
    const blobs: Blob[] = [];
    const end = after.doing.kind === "ended" ? after.doing.ending : undefined;
    const children =
      effects.spawn.length === 0 ? NO_CHILDREN : this.#spawn(resident, { after, effects, takeChildren }, blobs);
    const scheduling = schedulingOf(resident.definition, after);
    const position = this.#position(resident, after, now, this.#queues.has(scheduling.queue));
    // Fields are added one by one: at 200,000 transitions a second, spreading conditional objects was a quarter of the garbage.
    const transition: Unfinished<Transition> = {
      run: resident.run,
      fiber: resident.key,
      lease: resident.lease,
      expectedSeq: resident.seq,
      state: stateOf(after),
      position,
      consume: effects.consume,
      send: end === undefined ? NO_MESSAGES : this.#report(resident, endOf(end, after.quota), now),
      spawn: children.length === 0 ? NO_FIBERS : children.map(({ newFiber }) => newFiber),
      startRuns,
      cancelRuns: effects.cancelRuns,
      blobs,
    };
    if (after.value !== before.value) transition.value = this.#payloads.deflate(after.value, blobs);
    if (after.context !== before.context) transition.context = this.#payloads.deflate(after.context, blobs);
    if (after.aside !== before.aside) transition.aside = this.#payloads.deflate(asideOf(after.aside), blobs);
    const moves = after.doing !== before.doing; // a step that reserves stays where it is
    if (!sameScheduling(scheduling, resident.scheduling) || (moves && entersQueue(resident.definition, after)))
      transition.scheduling = rowOf(scheduling);
    const wait = position.kind === "parked" ? openWait(after, position.names) : undefined;
    if (wait !== undefined) transition.wait = wait;
    if (facts.length > 0) {
      transition.event = { at: now, facts: facts.map((fact) => this.#payloads.deflateFact(fact, blobs)) };
    }
    if (effects.unless !== undefined) transition.unless = effects.unless;
    if (effects.acknowledgeCancel === true) transition.acknowledgeCancel = true;
    if (effects.cancelFork !== undefined) transition.cancelFork = effects.cancelFork;
    if (effects.dropFork !== undefined) transition.dropFork = effects.dropFork;
    if (end !== undefined && after.root) transition.endRun = this.#endRun(after, end, now, blobs);
    const residents = children.length === 0 ? NO_RESIDENTS : children.flatMap(({ resident: child }) => child ?? []);
    return { transition, after, facts, children: residents };
  }

  /** Ends a fiber whose record cannot be read: its run fails visibly instead of being claimed for ever. */
  condemn(row: LeasedFiber, lease: Lease, why: Failure): Transition {
    const now = this.#ambient.clock.now();
    const parentRun = row.parentRun;
    const fact: Fact = { type: "fiber.ended", outcome: "failed", failure: why };
    const reporter = {
      run: row.run,
      parent: row.parent,
      fork: row.fork,
      ordinal: row.ordinal,
      parentRun,
    };
    return {
      run: row.run,
      fiber: row.key,
      lease,
      expectedSeq: row.seq,
      state: row.state,
      position: { kind: "ended", outcome: "failed" },
      event: eventOf(fact, now),
      consume: [],
      send: this.#report(reporter, { outcome: "failed", failure: why }, now),
      spawn: [],
      startRuns: [],
      cancelRuns: [],
      ...(row.parent === undefined && { endRun: { status: "failed", failure: why, at: now } }),
      blobs: [],
    };
  }

  #endRun(
    after: Fiber,
    { outcome, failure: why }: { readonly outcome: RunEnd["status"]; readonly failure?: Failure },
    now: number,
    blobs: Blob[],
  ): RunEnd {
    if (outcome === "completed")
      return { status: "completed", output: this.#payloads.deflate(after.value, blobs), at: now };
    return { status: outcome, at: now, ...(why && { failure: why }) };
  }

  /** Tells the parent: the fiber that forked this one, or the run that called this one. */
  #report(resident: Reporter, end: Omit<ChildEnd, "seq" | "ordinal">, now: number): readonly NewMessage[] {
    const { run, parent, fork, ordinal, parentRun } = resident;
    if (parent !== undefined && fork !== undefined && ordinal !== undefined) {
      return [{ run, name: messageName.join(parent, fork), data: childEndData({ ...end, ordinal }), sentAt: now }];
    }
    if (parentRun === undefined || parentRun.reply === "") return NO_MESSAGES;
    const [name = "", number = "0"] = parentRun.reply.split("#");
    return [{ run: parentRun.run, name, data: childEndData({ ...end, ordinal: Number(number) }), sentAt: now }];
  }

  #spawn(
    resident: Resident,
    { after, effects: { spawn }, takeChildren }: Pick<Plan, "after" | "effects"> & { readonly takeChildren: boolean },
    blobs: Blob[],
  ): readonly { readonly newFiber: NewFiber; readonly resident: Resident | undefined }[] {
    const frame = after.frames.at(-1);
    invariant(frame?.kind === "fork", "only an open fork spawns");
    const wanted = spawn.reduce((sum, { from, to }) => sum + to - from, 0);
    let leased = takeChildren && this.#queues.has(after.queue) ? this.#takeChildren(resident, wanted) : 0; // they begin in the run's queue
    const born: { readonly newFiber: NewFiber; readonly resident: Resident | undefined }[] = [];
    for (const { from, to, slices } of spawn) {
      for (let ordinal = from; ordinal < to; ordinal++)
        born.push(
          this.#child(
            resident,
            { after, frame, ordinal, slice: slices?.[ordinal - from], leased: leased-- > 0 },
            blobs,
          ),
        );
    }
    return born;
  }

  #child(
    parent: Resident,
    { after, frame, ordinal, slice, leased }: Birth,
    blobs: Blob[],
  ): { readonly newFiber: NewFiber; readonly resident: Resident | undefined } {
    const fiber = bornChild(parent.definition, after, { frame, ordinal, slice });
    const key: FiberKey = childFiber(parent.key, frame.base + ordinal);
    const scheduling = rowOf(schedulingOf(parent.definition, fiber));
    const data = dataOf(fiber);
    const newFiber: NewFiber = {
      state: data.state,
      aside: data.aside,
      value: this.#payloads.deflate(data.value, blobs),
      context: this.#payloads.deflate(data.context, blobs),
      key,
      parent: parent.key,
      fork: frame.fork,
      ordinal,
      ...scheduling,
      leased,
      readyAt: this.#ambient.clock.now(),
    };
    if (!leased) return { newFiber, resident: undefined };
    const { run, definition, fingerprint, metadata, parentRun, lease, claimedAt } = parent;
    return {
      newFiber,
      resident: {
        run,
        key,
        definition,
        fingerprint,
        metadata,
        parentRun,
        lease,
        claimedAt,
        scheduling,
        fiber,
        parent: parent.key,
        fork: frame.fork,
        ordinal,
        seq: 0,
        deliveries: 0,
        messages: [],
        cancel: undefined,
        dropped: false,
        abort: undefined,
      },
    };
  }

  #position(resident: Resident, { doing, deadlineAt, cancelling }: Fiber, now: number, served: boolean): Position {
    const deadline = cancelling === undefined ? deadlineAt : undefined;
    switch (doing.kind) {
      case "ended":
        return { kind: "ended", outcome: doing.ending.outcome };
      case "wait":
        return parkedUntil(doing.names, earliest(doing.deadlineAt, deadline));
      case "join":
        return parkedUntil([messageName.join(resident.key, doing.fork)], undefined);
      case "call":
        return parkedUntil([messageName.call(resident.key, doing.call)], deadline);
      case "step":
      case "undo": {
        const until = doing.kind === "step" ? deadline : undefined; // compensations have all the time they need
        const at = doing.dueAt === undefined ? now : Math.min(doing.dueAt, until ?? doing.dueAt);
        if (at > now) return { kind: "ready", at };
        return served ? HELD : { kind: "ready", at: now };
      }
      case "new":
        return HELD;
      case "decide":
      case "gather":
      case "collect":
      case "starting":
      case "finish":
        return invariant(false, `a fiber that is to ${doing.kind} is not committed`) as never;
    }
  }
}

type Reporter = Pick<Resident, "run" | "parent" | "fork" | "ordinal" | "parentRun">;

interface Birth {
  readonly after: Fiber;
  readonly frame: ForkFrame;
  readonly ordinal: number;
  readonly slice: Allowance | undefined;
  readonly leased: boolean;
}

type Unfinished<T> = { -readonly [Key in keyof T]: T[Key] };

const NO_FIBERS: readonly NewFiber[] = Object.freeze([]);
const NO_RESIDENTS: readonly Resident[] = Object.freeze([]);
const HELD: Position = Object.freeze({ kind: "held" });
const NO_MESSAGES: readonly NewMessage[] = Object.freeze([]);
const NO_CHILDREN: readonly { readonly newFiber: NewFiber; readonly resident: Resident | undefined }[] = Object.freeze(
  [],
);

const earliest = (a: number | undefined, b: number | undefined): number | undefined =>
  a === undefined ? b : b === undefined ? a : Math.min(a, b);

const parkedUntil = (names: readonly string[], until: number | undefined): Position => ({
  kind: "parked",
  names,
  ...(until !== undefined && { until }),
});

function openWait({ doing }: Fiber, names: readonly string[]): Transition["wait"] {
  switch (doing.kind) {
    case "wait": {
      const { wait, path, visit, token, question, deadlineAt } = doing;
      return {
        kind: wait,
        path,
        visit,
        names,
        ...(token && { token }),
        ...(question !== undefined && { question }),
        ...(deadlineAt !== undefined && { deadlineAt }),
      };
    }
    case "join":
    case "call":
      return { kind: doing.kind, path: doing.path, visit: doing.visit, names };
    case "new":
    case "step":
    case "undo":
    case "decide":
    case "gather":
    case "collect":
    case "starting":
    case "finish":
    case "ended":
      return undefined;
  }
}
