import type { Undo } from "../domain/event.ts";
import { endsTheRun, type Failure, failureWire } from "../domain/failure.ts";
import { childVisit, placeOf } from "../domain/ids.ts";
import type { Quota } from "../domain/quota.ts";
import { invariant } from "../domain/result.ts";
import type { Wire } from "../domain/wire.ts";
import type { Definition } from "../definition/definition.ts";
import type { Node } from "../definition/node.ts";
import {
  type AttemptFrame,
  type Aside,
  type Counters,
  type Doing,
  type Ending,
  type Fiber,
  firstAttempt,
  type Frame,
  NOTHING_ASIDE,
  iterationOf,
} from "./fiber.ts";

/** Shared by every fiber that has ended: the children of a large map wait for their join in memory. */
const NO_FRAMES: readonly Frame[] = Object.freeze([]);

/**
 * The working copy of one planning: facts are applied to it, then it is sealed into the next fiber. All structural moves are
 * here; they ask no user function, so folding recorded facts makes the same moves again.
 *
 *   enter(node)   go down until something must be done or decided
 *   complete()    the tip has produced `value`: go on, or up
 *   unwind(why)   the tip has failed or was cancelled: go up to a handler, or out
 */
export class Draft {
  readonly definition: Definition;
  readonly #before: Fiber;
  readonly frames: Frame[];
  doing: Doing;
  value: Wire;
  context: Wire;
  aside: Aside;
  counters: Counters;
  cancelling: string | undefined;
  quota: Quota | undefined;

  constructor(definition: Definition, before: Fiber) {
    this.definition = definition;
    this.#before = before;
    this.frames = before.frames.slice();
    this.doing = before.doing;
    this.value = before.value;
    this.context = before.context;
    this.aside = before.aside;
    this.counters = before.counters;
    this.cancelling = before.cancelling;
    this.quota = before.quota;
  }

  get iteration(): number {
    return iterationOf({ frames: this.frames, iteration: this.#before.iteration });
  }

  get before(): Fiber {
    return this.#before;
  }

  seal(): Fiber {
    const { root, queue, priority, lane, deadlineAt, iteration } = this.#before;
    const { doing, value, context, aside, counters } = this;
    const frames = this.frames.length === 0 ? NO_FRAMES : this.frames;
    const fiber: { -readonly [Key in keyof Fiber]: Fiber[Key] } = {
      root,
      frames,
      doing,
      value,
      context,
      aside,
      counters,
      iteration,
      queue,
      priority,
    };
    if (lane !== undefined) fiber.lane = lane;
    if (deadlineAt !== undefined) fiber.deadlineAt = deadlineAt;
    if (this.cancelling !== undefined) fiber.cancelling = this.cancelling;
    if (this.quota !== undefined) fiber.quota = this.quota;
    return fiber;
  }

  node<Kind extends Node["kind"]>(path: string, kind: Kind): Extract<Node, { kind: Kind }> {
    const node = this.definition.nodes.get(path);
    invariant(node?.kind === kind, `${path} is a ${kind} node, found ${node?.kind ?? "nothing"}`);
    return node as Extract<Node, { kind: Kind }>;
  }

  top<Kind extends Frame["kind"]>(kind: Kind): Extract<Frame, { kind: Kind }> {
    const frame = this.frames.at(-1);
    invariant(frame?.kind === kind, `the innermost frame is a ${kind}, found ${frame?.kind ?? "none"}`);
    return frame as Extract<Frame, { kind: Kind }>;
  }

  replaceTop(frame: Frame): void {
    this.frames[this.frames.length - 1] = frame;
  }

  enter(node: Node, visit: string): void {
    const { path } = node;
    switch (node.kind) {
      case "step":
        this.doing = node.config.key === undefined ? firstAttempt({ path, visit }) : { kind: "decide", path, visit };
        return;
      case "branch":
      case "fork":
      case "wait":
      case "call":
        this.doing = { kind: "decide", path, visit };
        return;
      case "sequence": {
        this.frames.push({ kind: "sequence", path, visit, at: 0 });
        const [first] = node.children;
        if (first === undefined) this.complete();
        else this.enter(first, visit);
        return;
      }
      case "loop":
        this.frames.push({ kind: "loop", path, visit, iteration: 0 });
        if (node.mode === "until") this.iterate(node.body);
        else this.doing = { kind: "decide", path, visit };
        return;
      case "attempt":
        this.frames.push({ kind: "attempt", path, visit, phase: "body", undoFrom: this.aside.undo.length });
        if (node.handler !== undefined) this.#hold(placeOf(path, visit), this.value);
        this.enter(node.body, visit);
        return;
    }
  }

  /** Starts the next iteration of the innermost loop. */
  iterate(body: Node): void {
    const frame = this.top("loop");
    const iteration = frame.iteration + 1;
    this.replaceTop({ ...frame, iteration });
    this.enter(body, childVisit(frame.visit, iteration));
  }

  complete(): void {
    for (;;) {
      const frame = this.frames.at(-1);
      if (frame === undefined) {
        this.doing = { kind: "finish", ending: { outcome: "completed" } };
        return;
      }
      switch (frame.kind) {
        case "sequence": {
          const next = this.node(frame.path, "sequence").children[frame.at + 1];
          if (next !== undefined) {
            this.replaceTop({ kind: "sequence", path: frame.path, visit: frame.visit, at: frame.at + 1 });
            this.enter(next, frame.visit);
            return;
          }
          break;
        }
        case "loop":
          this.doing = { kind: "decide", path: frame.path, visit: frame.visit };
          return;
        case "attempt":
          this.#letGo(placeOf(frame.path, frame.visit));
          break;
        case "branch":
        case "fork":
        case "undo":
          break;
      }
      this.frames.pop();
    }
  }

  fail(failure: Failure): void {
    this.unwind({ outcome: "failed", failure });
  }

  unwind(ending: Ending): void {
    for (let frame = this.frames.pop(); frame !== undefined; frame = this.frames.pop()) {
      if (frame.kind === "attempt" && this.#caught(frame, ending)) return;
    }
    // The whole run goes down: what is still undoable is undone, but only by the root. Children hand theirs to the join.
    if (this.aside.undo.length > 0 && this.#before.root) {
      this.frames.push({ kind: "undo", path: this.definition.root.path, visit: "", ending });
      this.#undoNext();
      return;
    }
    this.doing = { kind: "finish", ending };
  }

  #caught(frame: AttemptFrame, ending: Ending): boolean {
    const node = this.node(frame.path, "attempt");
    const catchable = ending.outcome === "failed" && this.cancelling === undefined && !endsTheRun(ending.failure);
    if (!catchable || frame.phase !== "body") {
      this.#letGo(placeOf(frame.path, frame.visit));
      return false;
    }
    const { failure } = ending;
    if (node.compensate && this.aside.undo.length > frame.undoFrom) {
      this.frames.push({ ...frame, phase: "undoing", ...(failure && { failure }) });
      this.#undoNext();
      return true;
    }
    return this.#handle(frame, failure);
  }

  /** Enters the handler of an attempt whose frame has been popped. */
  #handle(frame: AttemptFrame, failure: Failure | undefined): boolean {
    const { handler } = this.node(frame.path, "attempt");
    const place = placeOf(frame.path, frame.visit);
    const input = this.aside.held[place] ?? null;
    this.#letGo(place);
    if (handler === undefined) return false;
    this.frames.push({
      kind: "attempt",
      path: frame.path,
      visit: frame.visit,
      phase: "handler",
      undoFrom: frame.undoFrom,
    });
    this.value =
      handler.kind === "fallback" ? input : { error: failure === undefined ? null : failureWire(failure), input };
    this.enter(handler.node, frame.visit);
    return true;
  }

  #undoNext(): void {
    const entry = this.aside.undo.at(-1);
    invariant(entry !== undefined, "there is something to undo");
    this.doing = { kind: "undo", path: entry.path, visit: entry.visit, attempt: 1 };
  }

  /** One compensation is over, well or not: the next one, or on with what the compensation was for. */
  undone(problem?: Failure): void {
    this.aside = asideWith(this.aside.held, this.aside.undo.slice(0, -1));
    const frame = this.frames.at(-1);
    invariant(
      frame?.kind === "undo" || frame?.kind === "attempt",
      "a compensation runs inside an attempt or at the end of a run",
    );
    const marked = problem === undefined ? frame : withProblem(frame, problem);
    this.replaceTop(marked);
    const until = marked.kind === "undo" ? 0 : marked.undoFrom;
    if (this.aside.undo.length > until) {
      this.#undoNext();
      return;
    }
    this.frames.pop();
    if (marked.kind === "undo") this.doing = { kind: "finish", ending: marked.ending };
    else if (this.cancelling !== undefined) this.unwind({ outcome: "cancelled" });
    else if (marked.undoFailed === true || !this.#handle(marked, marked.failure)) {
      this.unwind({ outcome: "failed", ...(marked.failure && { failure: marked.failure }) });
    }
  }

  pushUndo(entries: readonly Undo[]): void {
    if (entries.length > 0) this.aside = { ...this.aside, undo: [...this.aside.undo, ...entries] };
  }

  #hold(place: string, value: Wire): void {
    this.aside = { ...this.aside, held: { ...this.aside.held, [place]: value } };
  }

  #letGo(place: string): void {
    if (!Object.hasOwn(this.aside.held, place)) return;
    const { [place]: _, ...held } = this.aside.held;
    this.aside = asideWith(held, this.aside.undo);
  }
}

/** Nothing aside has one form, however it came about: a fiber that was cancelled before it began had nothing either. */
const asideWith = (held: Aside["held"], undo: Aside["undo"]): Aside =>
  undo.length === 0 && Object.keys(held).length === 0 ? NOTHING_ASIDE : { held, undo };

function withProblem(
  frame: Extract<Frame, { kind: "undo" | "attempt" }>,
  problem: Failure,
): Extract<Frame, { kind: "undo" | "attempt" }> {
  if (frame.kind === "undo") {
    return {
      ...frame,
      ending: {
        outcome: frame.ending.outcome === "cancelled" ? "cancelled" : "failed",
        failure: joined(problem, frame.ending.failure),
      },
    };
  }
  return { ...frame, undoFailed: true, failure: joined(problem, frame.failure) };
}

/** The first failed compensation names the run's failure; the failure that made it necessary is its cause. */
function joined(problem: Failure, why: Failure | undefined): Failure {
  if (why?.code === "COMPENSATION_FAILED") return why;
  return { ...problem, code: "COMPENSATION_FAILED", ...(why && { cause: why }) };
}
