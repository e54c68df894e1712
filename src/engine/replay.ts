import type { Fact } from "../domain/event.ts";
import { childFiber, type FiberKey, ROOT_FIBER, type RunId } from "../domain/ids.ts";
import { invariant } from "../domain/result.ts";
import type { Wire } from "../domain/wire.ts";
import type { Definition } from "../definition/definition.ts";
import type { CallNode } from "../definition/node.ts";
import type { Ending, Fiber } from "../planner/fiber.ts";
import { fold } from "../planner/fold.ts";
import { bornChild } from "../planner/fork.ts";
import { plan } from "../planner/plan.ts";
import type { ChildEnd, GatheredChild, Happened, Plan, PlanContext } from "../planner/planning.ts";
import { bornAs, lasting, type Row } from "./rebuild.ts";
import { Recording } from "./recording.ts";
import { anew } from "./revive.ts";
import type { Track } from "./track.ts";
import { checkedOutput } from "./output-check.ts";
import { endOf } from "./stored-facts.ts";

/** What a run did, as it was recorded, large values in place. */
export interface RecordedRun {
  readonly id: RunId;
  readonly rows: readonly Row[];
  /** It had not ended when the record was made: what is missing at the end of it was still to come. */
  readonly isOpen?: boolean;
}

export interface ReplayedRun {
  readonly outcome: Ending["outcome"] | "open";
  readonly output: Wire;
  readonly failure?: Ending["failure"];
  /** What each line of execution recorded this time, in its order. */
  readonly facts: ReadonlyMap<FiberKey, readonly Fact[]>;
  /** The first fact of each line that is not what was recorded; none: it is the same, byte for byte. */
  readonly differences: readonly Difference[];
}

export interface Difference {
  readonly fiber: FiberKey;
  readonly expected: Fact | undefined;
  readonly found: Fact | undefined;
}

interface Line {
  readonly key: FiberKey;
  readonly track: Track;
  readonly parent?: { readonly line: Line; readonly fork: number };
  readonly children: Map<string, Line>;
  fiber: Fiber;
  /** Its parent has taken in that it ended. */
  heard: boolean;
}

/**
 * Runs a recorded run again, from its definition: every predicate, selector and mapper is asked anew, and what came from outside
 * (results of steps, turns and tools, answers, signals, timers, child runs) is what was recorded. No store, no clock, no step, no
 * network. Throws REPLAY_MISSING naming the step and attempt for which there is no record. Source: Flujo, replay_from_trace.
 */
export async function replay(definition: Definition, recorded: RecordedRun): Promise<ReplayedRun> {
  const replaying = new Replaying(definition, recorded);
  return replaying.run();
}

class Replaying {
  readonly #definition: Definition;
  readonly #recording: Recording;
  readonly #isOpen: boolean;
  readonly #lines = new Map<FiberKey, Line>();

  constructor(definition: Definition, { id, rows, isOpen = false }: RecordedRun) {
    this.#definition = definition;
    this.#recording = new Recording(id, lasting(definition, rows));
    this.#isOpen = isOpen;
  }

  async run(): Promise<ReplayedRun> {
    const first = this.#recording.first();
    const root = this.#line(ROOT_FIBER, bornAs(this.#definition, first));
    root.track.record([first]);
    root.fiber = { ...root.fiber, value: first.input, context: first.context };
    await this.#drive(root);
    for (const line of this.#lines.values()) await this.#drive(line); // those that nobody waited for in the end
    const { doing, value } = root.fiber;
    const ending = doing.kind === "ended" ? doing.ending : undefined;
    return {
      outcome: ending?.outcome ?? "open",
      output: value,
      ...(ending?.failure && { failure: ending.failure }),
      facts: new Map([...this.#lines].map(([key, { track }]) => [key, track.again])),
      differences: this.#differences(),
    };
  }

  #line(key: FiberKey, fiber: Fiber, parent?: Line["parent"]): Line {
    const track = this.#recording.track(key);
    track.part = parent?.line.track.part ?? 0;
    const line: Line = { key, track, fiber, children: new Map(), heard: false, ...(parent && { parent }) };
    this.#lines.set(key, line);
    return line;
  }

  /** Until it has ended, or waits for something that had not come when the record was made. */
  async #drive(line: Line): Promise<void> {
    for (;;) {
      this.#beginAnew(line);
      const happened = this.#isLeft(line) ? undefined : await this.#next(line);
      if (happened === undefined) return;
      this.#apply(line, plan(this.#definition, line.fiber, happened, this.#context(line)));
    }
  }

  /** Nobody waited for it any more, or the record was made here, while it was at work. */
  #isLeft(line: Line): boolean {
    return line.track.isOver && (this.#isOpen || !isAwaited(line));
  }

  /** Where the run was retried or forked: as it was put back to work then. */
  #beginAnew(line: Line): void {
    const { track, key } = line;
    const beginning = this.#recording.beginnings[track.part];
    if (beginning === undefined || !track.hasReachedCut || line.fiber.doing.kind === "ended") return;
    const { kind, at, target, value } = beginning;
    track.part += 1;
    if (target === key && value !== undefined) line.fiber = { ...line.fiber, value };
    const reopened = kind === "fork" || track.opensAgain(line.fiber.doing);
    const reopen = [...(reopened ? OPENED : []), ...(kind === "fork" ? (["step"] as const) : [])];
    line.fiber = anew(this.#definition, line.fiber, reopen, at);
    this.#beginAnew(line);
  }

  #context({ key, track }: Line): PlanContext {
    return { now: track.now, random: 0, run: this.#recording.runIn(track.part), fiber: key };
  }

  #apply(line: Line, { after, facts, effects }: Plan): void {
    const kept = line.track.beforeCut(facts);
    line.fiber = kept.length === facts.length ? after : fold(this.#definition, line.fiber, kept);
    line.track.record(kept);
    if (kept.length < facts.length) return;
    const frame = after.frames.at(-1);
    for (const { fork, from, to, slices } of effects.spawn) {
      invariant(frame?.kind === "fork", "only an open fork spawns");
      for (let ordinal = from; ordinal < to; ordinal++) {
        const slice = slices?.[ordinal - from];
        const fiber = bornChild(this.#definition, after, { frame, ordinal, slice });
        line.children.set(
          `${fork}/${ordinal}`,
          this.#line(childFiber(line.key, frame.base + ordinal), fiber, { line, fork }),
        );
      }
    }
  }

  async #next(line: Line): Promise<Happened | undefined> {
    const { track } = line;
    const { doing } = line.fiber;
    switch (doing.kind) {
      case "new":
        return track.begun();
      case "decide": // only where it began anew
        return track.begunAnew();
      case "step":
      case "undo":
        return track.paid() ?? track.outcome(doing);
      case "wait":
        return track.answer(doing);
      case "join":
        return this.#childEnds(line, doing.fork);
      case "call":
        return track.callEnd(doing);
      case "starting":
        return track.started(doing);
      case "gather":
        return track.notGathered() ?? { type: "gathered", results: this.#gather(line, doing.fork) };
      case "collect":
        return track.collected(doing, callAt(this.#definition, doing.path));
      case "finish":
        return checkedOutput(this.#definition, line.fiber.value);
      case "ended":
        return undefined;
    }
  }

  /** The children that ended next, in the order in which their ends were heard then. */
  async #childEnds(line: Line, fork: number): Promise<Happened | undefined> {
    const stopped = line.track.stoppedWaiting();
    if (stopped !== undefined) return stopped;
    const told = line.track.childEnds(fork);
    const ordinals = told.length > 0 ? told : this.#laterEnd(line, fork);
    const ends: ChildEnd[] = [];
    for (const ordinal of ordinals) {
      const child = line.children.get(`${fork}/${ordinal}`);
      if (child === undefined || child.heard) continue;
      await this.#drive(child);
      const { doing, quota } = child.fiber;
      if (doing.kind !== "ended") continue; // it was still at work
      child.heard = true;
      ends.push({ ordinal, ...endOf(doing.ending, quota) });
    }
    return ends.length === 0 ? line.track.cancelled() : { type: "children.ended", ends };
  }

  /** It has gone its own way: the next of those that were heard then, else the first that is open. */
  #laterEnd({ fiber, children, track }: Line, fork: number): readonly number[] {
    const frame = fiber.frames.at(-1);
    invariant(frame?.kind === "fork", "who waits for a join has a fork open");
    const open = new Set<number>();
    for (let i = 0; i < frame.opened; i++) if (children.get(`${fork}/${i}`)?.heard === false) open.add(i);
    const later = track.laterEnd(fork, open);
    if (later !== undefined) return [later];
    return track.isToldToStop ? [] : [...open].slice(0, 1);
  }

  #gather(line: Line, fork: number): readonly GatheredChild[] {
    const gathered: GatheredChild[] = [];
    for (const [place, { fiber }] of line.children) {
      const [of = "", ordinal = ""] = place.split("/");
      if (Number(of) !== fork || fiber.doing.kind !== "ended") continue;
      const { outcome, failure } = fiber.doing.ending;
      const { value, context, aside } = fiber;
      gathered.push({
        ordinal: Number(ordinal),
        outcome,
        value,
        context,
        undo: aside.undo,
        ...(failure && { failure }),
      });
    }
    return gathered.sort((a, b) => a.ordinal - b.ordinal);
  }

  #differences(): readonly Difference[] {
    const fibers = new Set([...this.#recording.fibers, ...this.#lines.keys()]);
    return [...fibers].flatMap((fiber) => {
      const { difference } = this.#recording.track(fiber);
      return difference === undefined ? [] : [{ fiber, ...difference }];
    });
  }
}

/** What a new beginning opens again. */
const OPENED = ["call", "wait"] as const;

/** Whether everybody up to the root still waits for this line. */
function isAwaited({ parent }: Line): boolean {
  if (parent === undefined) return true;
  const { doing } = parent.line.fiber;
  return doing.kind === "join" && doing.fork === parent.fork && isAwaited(parent.line);
}

function callAt({ nodes }: Definition, path: string): CallNode {
  const node = nodes.get(path);
  invariant(node?.kind === "call", `${path} is a call`);
  return node;
}
