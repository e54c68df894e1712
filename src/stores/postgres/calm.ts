import { NO_CLAIMS, roomOf } from "../../ports/queue-rules.ts";
import { json } from "../../ports/stored-text.ts";
import type { Look, Looked } from "./look.ts";

/*
 * Where keys are many and limits far, what the port would decide is known before anything has been looked at: one row of each of
 * the first lanes. A look of its own would be a second round trip for nothing, and at 100 in flight a round trip is a tenth of
 * what a claim costs. So the port is asked how far is far, and the server compares. A rate has to be charged with what was
 * claimed, which the port computes: such queues are always looked at.
 */

/** Rules as they are stored, and how much may be leased under them without any row being kept back; null = any number. */
export interface Calm {
  readonly queue: string;
  readonly rules: string;
  /** In all, with what is claimed. */
  readonly calm: number | null;
  /** In the lane of a row, without it. */
  readonly lane_calm: number | null;
}

const EMPTY = { leased: 0, rate: NO_CLAIMS };
const finite = (room: number): number | null => (Number.isFinite(room) ? room : null);

/** What a plain claim needs to know, if a claim like the one that saw this would have been one. */
function calmOf({ rules, leased, page }: Looked, limit: number): Calm | undefined {
  if (rules.rate !== undefined || rules.lane?.rate !== undefined) return undefined;
  const calm = roomOf(rules, EMPTY, 0);
  const laneCalm = roomOf(rules.lane ?? {}, EMPTY, 0) - 1;
  const first = page.slice(0, limit);
  if (leased + first.length > calm) return undefined;
  if (!first.every(({ lane, rows }) => rows.length === 1 && lane.leased <= laneCalm)) return undefined;
  return { queue: rules.queue, rules: json(rules), calm: finite(calm), lane_calm: finite(laneCalm) };
}

/** Queues that had rules when this process last heard of them, and the rules of those where plain claims do. */
export class Known {
  readonly #plain = new Map<string, Calm | undefined>();

  get hasAny(): boolean {
    return this.#plain.size > 0;
  }

  has(queue: string): boolean {
    return this.#plain.has(queue);
  }

  add(queue: string): void {
    if (!this.#plain.has(queue)) this.#plain.set(queue, undefined);
  }

  /** What was seen of these queues. The rest of them have no rules; what is due outside of turns is beyond a plain claim. */
  learn(queues: readonly string[], seen: Look | undefined, limit: number): void {
    for (const queue of queues) this.#plain.delete(queue);
    for (const one of seen?.governed ?? [])
      this.#plain.set(one.rules.queue, seen?.due.length === 0 ? calmOf(one, limit) : undefined);
  }

  /** The one queue of these that has rules, if it does with plain claims. */
  plainOf(queues: readonly string[]): Calm | undefined {
    const ruled = queues.filter((queue) => this.#plain.has(queue));
    return ruled.length === 1 ? this.#plain.get(ruled[0] ?? "") : undefined;
  }
}
