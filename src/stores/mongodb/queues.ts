import { checkRules, isGoverned, type QueueRules, type RateState } from "../../ports/queue-rules.ts";
import { original, storable } from "../../ports/stored-text.ts";
import type { Base } from "./base.ts";
import { isDuplicate } from "./errors.ts";

/**
 * A queue with rules, as it is kept. Places are counted from leased rows, and rows are leased one run at a time, so a claim first
 * writes down what it is about to lease (a grant), on condition of the version that it counted under; see governed.ts.
 */
export interface QueueDocument {
  readonly _id: string;
  readonly v: number;
  /** Rules and rates are JSON text. */
  readonly rules: string;
  readonly rate?: string;
  /** Rates of lanes, as pairs. */
  readonly lanes?: string;
  /** The lane that was served last. */
  readonly last?: string;
  readonly grants?: readonly Grant[];
}

export interface Grant {
  readonly token: string;
  /** Of the worker that claims. */
  readonly lease: string;
  readonly lanes: readonly { readonly lane: string; readonly count: number }[];
}

export const rulesOf = ({ rules }: Pick<QueueDocument, "rules">): QueueRules => JSON.parse(rules) as QueueRules;
export const rateOf = (text: string | undefined, none: RateState): RateState =>
  text === undefined ? none : (JSON.parse(text) as RateState);

export async function governedQueues(base: Base): Promise<ReadonlySet<string>> {
  const found = (await base.in.queues.find({}, { projection: { _id: 1 } }).toArray()) as readonly Pick<
    QueueDocument,
    "_id"
  >[];
  return new Set(found.map(({ _id }) => _id));
}

export const queueDocuments = async (base: Base, queues: readonly string[]): Promise<readonly QueueDocument[]> =>
  (await base.in.queues.find({ _id: { $in: queues } }).toArray()) as readonly QueueDocument[];

/** Rates and grants stay: what was claimed is claimed. */
export async function putQueueRules(base: Base, given: readonly QueueRules[]): Promise<void> {
  for (const rules of checkRules(given)) {
    const _id = storable(rules.queue);
    if (isGoverned(rules)) await upsertRules(base, _id, JSON.stringify(rules));
    else await base.in.queues.deleteOne({ _id });
  }
  base.hints.tell(true, []);
}

async function upsertRules(base: Base, _id: string, rules: string): Promise<void> {
  for (let tries = 0; ; tries++) {
    try {
      await base.in.queues.updateOne({ _id }, { $set: { rules }, $inc: { v: 1 } }, { upsert: true });
      return;
    } catch (error) {
      if (!isDuplicate(error) || tries >= 3) throw error; // two put the first rules at once
    }
  }
}

export async function queueRules(base: Base): Promise<readonly QueueRules[]> {
  const found = (await base.in.queues.find({}, { sort: { _id: 1 } }).toArray()) as readonly QueueDocument[];
  return found.map((document) => ({ ...rulesOf(document), queue: original(document._id) }));
}

/** Grants of workers that are no more. A claim that is still under way there finds its grant gone, and gives back. */
export async function dropGrants(base: Base, standing: ReadonlySet<string>): Promise<void> {
  const found = (await base.in.queues
    .find({ grants: { $exists: true } }, { projection: { grants: 1 } })
    .toArray()) as readonly QueueDocument[];
  for (const { _id, grants = [] } of found) {
    const dead = grants.filter(({ lease }) => !standing.has(lease)).map(({ token }) => token);
    if (dead.length > 0) await base.in.queues.updateOne({ _id }, { $pull: { grants: { token: { $in: dead } } } });
  }
}
