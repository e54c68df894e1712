import type { Ambient } from "../domain/ambient.ts";
import { type ErrorCode, FlujoError } from "../domain/errors.ts";
import { type Fact, messageName } from "../domain/event.ts";
import { type Failure, failureFrom } from "../domain/failure.ts";
import type { Allowance } from "../domain/quota.ts";
import { invariant, ok, problem, type Result } from "../domain/result.ts";
import { ROOT_FIBER } from "../domain/ids.ts";
import { type Leaving, leaving } from "../domain/quota.ts";
import { isEnd, type RunRecord } from "../domain/run.ts";
import { tightest } from "../domain/usage-limits.ts";
import { decode, isBlobRef, type Wire } from "../domain/wire.ts";
import type { CallNode } from "../definition/node.ts";
import { childRunId } from "../planner/call.ts";
import type { Doing, Fiber } from "../planner/fiber.ts";
import { plan } from "../planner/plan.ts";
import type {
  ChildEnd,
  CollectedRun,
  Effects,
  GatheredChild,
  Happened,
  Plan,
  PlanContext,
} from "../planner/planning.ts";
import type { LeasedFiber } from "../ports/queue.ts";
import type { FiberData, Lease, NewRun, RunStore, Transition } from "../ports/store.ts";
import { fiberOf } from "./fiber-codec.ts";
import { checkedOutput } from "./output-check.ts";
import { checkStart, type LimitsOf, newRun, type StartOptions } from "./new-run.ts";
import type { Payloads } from "./payloads.ts";
import { lasting, rebuild } from "./rebuild.ts";
import type { Registry } from "./registry.ts";
import { type Resident, timeFor } from "./resident.ts";
import { type Advance, Transitions } from "./transitions.ts";

export interface ExecutionManagerOptions {
  readonly store: RunStore;
  readonly payloads: Payloads;
  readonly registry: Registry;
  readonly ambient: Ambient;
  /** Queues that this worker serves: a step for another queue is handed on. */
  readonly queues: ReadonlySet<string>;
  /** How many of so many children this worker takes itself, at once. */
  readonly takeChildren: (parent: Resident, wanted: number) => number;
  readonly limitsOf?: LimitsOf;
  /** What a detached run may spend of each unit that its caller's budget does not limit. */
  readonly backgroundLimits?: Allowance;
}

/** Advances a fiber: event → plan → transition. Knows the planner and the store's shapes, so that neither knows the other. */
export class ExecutionManager {
  readonly #store: RunStore;
  readonly #payloads: Payloads;
  readonly #registry: Registry;
  readonly #ambient: Ambient;
  readonly #transitions: Transitions;
  readonly #limitsOf: LimitsOf | undefined;
  readonly #backgroundLimits: Allowance | undefined;

  constructor({ store, payloads, registry, ambient, queues, takeChildren, ...limits }: ExecutionManagerOptions) {
    const { limitsOf, backgroundLimits } = limits;
    this.#limitsOf = limitsOf;
    this.#backgroundLimits = backgroundLimits;
    this.#store = store;
    this.#payloads = payloads;
    this.#registry = registry;
    this.#ambient = ambient;
    this.#transitions = new Transitions({ payloads, ambient, queues, takeChildren });
  }

  /** Plans, and changes nothing. */
  plan(resident: Resident, happened: Happened): Plan {
    return plan(resident.definition, resident.fiber, happened, this.#context(resident));
  }

  /**
   * Synchronous unless results must be gathered, child runs started, or an output checked: a plain step costs no extra turn.
   * `takeChildren`: whether children of a fork may be born leased to this worker.
   */
  advance(resident: Resident, happened: Happened, takeChildren = true): Advance | Promise<Advance> {
    return this.advanceBy(resident, this.plan(resident, happened), takeChildren);
  }

  /** Like `advance`, of what has been planned already: nobody is asked twice. */
  advanceBy(resident: Resident, planned: Plan, takeChildren = true): Advance | Promise<Advance> {
    if (isTransient(planned.after)) return this.#advanceSlowly(resident, planned, takeChildren);
    return this.#transitions.build(resident, planned, NO_RUNS, takeChildren);
  }

  async #advanceSlowly(resident: Resident, first: Plan, takeChildren: boolean): Promise<Advance> {
    const facts = [...first.facts];
    const runs: NewRun[] = [];
    const at = { ...this.#context(resident), now: first.now }; // what is recorded together was decided at one time
    let { after, effects } = first;
    while (isTransient(after)) {
      const answer = await this.#answer(resident, after, runs).catch(brokenBy);
      const more = plan(resident.definition, after, answer, at);
      for (const fact of more.facts) facts.push(fact); // in place: a loop of detached calls comes here for each of them
      effects = merged(effects, more.effects);
      after = more.after;
    }
    return this.#transitions.build(resident, { after, facts, effects, now: first.now }, runs, takeChildren);
  }

  /** Ends a fiber whose record cannot be read: its run fails visibly instead of being claimed for ever. */
  condemn(row: LeasedFiber, lease: Lease, why: Failure): Transition {
    return this.#transitions.condemn(row, lease, why);
  }

  #context(resident: Resident): PlanContext {
    const { run, key } = resident;
    return { now: timeFor(resident, this.#ambient.clock), random: this.#ambient.random(), run, fiber: key };
  }

  /** What the planner asks for. Child runs that are to start are added to `runs`. */
  async #answer(resident: Resident, after: Fiber, runs: NewRun[]): Promise<Happened> {
    const { doing, value, frames, context } = after;
    switch (doing.kind) {
      case "starting": {
        const started = await this.#childRuns(resident, doing, context);
        if (!started.ok) return { type: "start.refused", failure: started.problem };
        for (const run of started.value) runs.push(run);
        return { type: "started" };
      }
      case "gather":
        return { type: "gathered", results: hasChildren(frames) ? await this.#gather(resident, doing.fork) : [] };
      case "collect":
        return { type: "collected", results: await this.#collect(resident, doing.call, doing.ordinals) };
      case "finish":
        return checkedOutput(resident.definition, value);
      case "new":
      case "step":
      case "undo":
      case "wait":
      case "join":
      case "call":
      case "decide":
      case "ended":
        return invariant(false, `a fiber that is to ${doing.kind} asks nothing`) as never;
    }
  }

  async #gather(resident: Resident, fork: number): Promise<readonly GatheredChild[]> {
    const gathered: GatheredChild[] = [];
    for (const { ordinal, outcome, ...data } of await this.#store.children(resident.run, resident.key, fork)) {
      const inflated = this.inflate(data, `${resident.run}/${resident.key}/${ordinal}`);
      const { value, context, aside, doing } = inflated instanceof Promise ? await inflated : inflated;
      const failure = doing.kind === "ended" ? doing.ending.failure : undefined;
      gathered.push({ ordinal, outcome, value, context, undo: aside.undo, ...(failure && { failure }) });
    }
    return gathered;
  }

  async #collect({ run, key }: Resident, call: number, ordinals: readonly number[]): Promise<readonly CollectedRun[]> {
    return Promise.all(
      ordinals.map(async (ordinal) => {
        const id = childRunId({ run, fiber: key }, call, ordinal);
        const record = await this.#store.load(id);
        if (record === undefined) throw new FlujoError("RUN_UNKNOWN", `child run ${id} is gone`);
        const output = await this.#payloads.inflate(record.output ?? null);
        return {
          ordinal,
          outcome: record.status === "completed" ? "completed" : "failed",
          output,
          ...(record.failure && { failure: record.failure }),
        };
      }),
    );
  }

  /**
   * Child runs that have ended without the caller having heard of it: a child may end while its failed parent is about to be
   * retried, and a message to a run that has ended is dropped. Asked when a caller is adopted and nothing is in its mailbox.
   */
  async missedEnds({ run, key, fiber: { doing, quota } }: Resident): Promise<readonly ChildEnd[]> {
    if (doing.kind !== "call") return [];
    const ends: ChildEnd[] = [];
    for (let ordinal = 0; ordinal < doing.total; ordinal++) {
      if (doing.ended.includes(ordinal)) continue;
      const record = await this.#store.load(childRunId({ run, fiber: key }, doing.call, ordinal));
      if (record === undefined || !isEnd(record.status)) continue;
      const left = quota === undefined ? undefined : await this.#leftBy(record);
      ends.push({
        ordinal,
        outcome: record.status,
        ...(record.failure && { failure: record.failure }),
        ...(left && { quota: left }),
      });
    }
    return ends;
  }

  /** What a run that has ended did not spend of its slice, as its history tells; nothing where its flow is not known here. */
  async #leftBy({ id, fingerprint }: RunRecord): Promise<Leaving | undefined> {
    const definition = this.#registry.byFingerprint(fingerprint);
    if (definition === undefined) return undefined;
    const rows = (await this.#store.history(id)).map((row) => ({
      ...row,
      facts: row.facts as unknown as readonly Fact[], // large values stay references: they cost nothing
    }));
    const root = rebuild(definition, lasting(definition, rows)).find(({ key }) => key === ROOT_FIBER);
    return root?.fiber.quota && leaving(root.fiber.quota);
  }

  /** The child runs of one call, or why their flow refuses one of them: then none of them starts. */
  async #childRuns(
    resident: Resident,
    { path, call, inputs, slices }: Starting,
    context: Wire,
  ): Promise<Result<readonly NewRun[], Failure>> {
    const { run, key, metadata } = resident;
    const { queue, priority, lane, quota } = resident.fiber;
    const node = resident.definition.nodes.get(path);
    invariant(node?.kind === "call", `${path} is a call`);
    const definition = this.#registry.find(node.flow.name, node.flow.version);
    const runs: NewRun[] = [];
    for (const [ordinal, given] of inputs.entries()) {
      // A step in the background begins with the context as it is here, which has been checked: a copy, as wires never change.
      const checking =
        node.background === true ? ok({ input: given, context }) : checkStart(definition, decode(given), undefined);
      const checked = checking instanceof Promise ? await checking : checking;
      if (!checked.ok) {
        const { at: _, ...refused } = checked.problem; // it is the call that fails, at its own place
        return problem(refused);
      }
      const id = childRunId({ run, fiber: key }, call, ordinal);
      const reply = node.wait === "none" ? "" : `${messageName.call(key, call)}#${ordinal}`;
      const { input, context: contextWire } = checked.value;
      const now = this.#ambient.clock.now();
      const parent = { run, fiber: key, reply };
      const place = { queue, priority, ...(lane !== undefined && { lane }) };
      const budget = this.#budget(node, quota?.limits, slices?.[ordinal]);
      const spec = { id, definition, input, contextWire, now, metadata, ...place, ...budget, parent };
      runs.push(newRun(spec, this.#payloads));
    }
    return ok(runs);
  }

  /**
   * A share of what the caller may spend; units that this leaves open are bounded by what the child's own flow may use. A detached
   * run gives nothing back, and nobody else takes care of it: there its own bounds count for all units.
   */
  #budget(
    { wait, flow }: CallNode,
    limits: Allowance | undefined,
    slice: Allowance | undefined,
  ): Pick<StartOptions, "limits" | "slice" | "wallTimeMs"> {
    const { limits: own, wallTimeMs } = this.#limitsOf?.(flow.name) ?? {};
    const isDetached = wait === "none";
    const open = isDetached ? tightest(this.#backgroundLimits, own) : own;
    const time = isDetached && wallTimeMs !== undefined ? { wallTimeMs } : {};
    const share = (given: Allowance): Allowance =>
      tightest({ ...open, ...given }, isDetached ? own : undefined) ?? given;
    if (slice === undefined || limits === undefined) return open === undefined ? time : { ...time, limits: open };
    return { ...time, limits: share(limits), slice: share(slice) };
  }

  /** What was recorded of this fiber, oldest first; large values are references. */
  async journal({ run, key }: Resident): Promise<readonly Fact[]> {
    const events = await this.#store.history(run);
    return events.flatMap(({ fiber, facts }) => (fiber === key ? (facts as unknown as readonly Fact[]) : []));
  }

  async inflateValue(wire: Wire): Promise<Wire> {
    return this.#payloads.inflate(wire);
  }

  /** A fiber from the store, large values and all. */
  inflate(data: FiberData, where: string): Fiber | Promise<Fiber> {
    const isWhole = !isBlobRef(data.value) && !isBlobRef(data.context) && !isBlobRef(data.aside);
    return isWhole ? fiberOf(data, where) : this.#fetch(data, where);
  }

  async #fetch(data: FiberData, where: string): Promise<Fiber> {
    const value = await this.#payloads.inflate(data.value);
    const context = await this.#payloads.inflate(data.context);
    const aside = await this.#payloads.inflate(data.aside);
    return fiberOf({ state: data.state, value, context, aside }, where);
  }
}

/** What a store's trouble is not: results that are gone or cannot be read will not come back however often they are asked for. */
function brokenBy(error: unknown): Happened {
  const isFinal = error instanceof FlujoError && FINAL.includes(error.code);
  if (!isFinal) throw error;
  return { type: "broken", failure: failureFrom(error) };
}

const FINAL: readonly unknown[] = ["RECORD_UNDECODABLE", "BLOB_MISSING", "RUN_UNKNOWN"] satisfies readonly ErrorCode[];

const NO_RUNS: readonly NewRun[] = Object.freeze([]);

type Starting = Extract<Doing, { kind: "starting" }>;

/** Nothing was born of a fork over nothing: no read, which inside a transaction of the store could wait for itself. */
const hasChildren = (frames: Fiber["frames"]): boolean => {
  const frame = frames.at(-1);
  return frame?.kind !== "fork" || frame.opened > 0;
};

const isTransient = ({ doing: { kind } }: Fiber): boolean =>
  kind === "gather" || kind === "collect" || kind === "starting" || kind === "finish";

function merged(a: Effects, b: Effects): Effects {
  const { cancelFork, dropFork, acknowledgeCancel, unless } = { ...a, ...b };
  return {
    spawn: [...a.spawn, ...b.spawn],
    consume: [...a.consume, ...b.consume],
    cancelRuns: [...a.cancelRuns, ...b.cancelRuns],
    ...(cancelFork && { cancelFork }),
    ...(dropFork !== undefined && { dropFork }),
    ...(acknowledgeCancel !== undefined && { acknowledgeCancel }),
    ...(unless && { unless }),
  };
}
