import type { Lane } from "./governed.ts";

/**
 * Lanes in the order of their turns, a list in the lanes themselves: they come in at the end and leave from anywhere, at a price
 * that does not grow with them. As a heap of 10,000 lanes it made a claim of a governed queue cost twice one of a free queue.
 */
export class Turns implements Iterable<Lane> {
  #first: Lane | undefined;
  #last: Lane | undefined;

  get first(): Lane | undefined {
    return this.#first;
  }

  has(lane: Lane): boolean {
    return lane.before !== undefined || this.#first === lane;
  }

  /** A lane that is not among them comes after all others. */
  push(lane: Lane): void {
    lane.before = this.#last;
    if (this.#last === undefined) this.#first = lane;
    else this.#last.after = lane;
    this.#last = lane;
  }

  /** Takes out a lane that is among them. */
  remove(lane: Lane): void {
    const { before, after } = lane;
    if (before === undefined) this.#first = after;
    else before.after = after;
    if (after === undefined) this.#last = before;
    else after.before = before;
    lane.before = lane.after = undefined;
  }

  *[Symbol.iterator](): Iterator<Lane> {
    for (let lane = this.#first; lane !== undefined; lane = lane.after) yield lane;
  }
}
