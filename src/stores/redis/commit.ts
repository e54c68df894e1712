import { FlujoError } from "../../domain/errors.ts";
import type { FiberKey } from "../../domain/ids.ts";
import type { ShardTransition } from "../../ports/shard.ts";
import type { CommitOutcome, Lease, Transition } from "../../ports/store.ts";
import { original } from "../../ports/stored-text.ts";
import { num, transition } from "./encode.ts";
import { saidBy } from "./errors.ts";
import { listIn, textIn, textOrNull } from "./rows.ts";
import type { Session } from "./session.ts";

/** One script holds up everybody else: 200 transitions take about 2 ms. */
const TRANSITIONS_PER_SCRIPT = 200;
const CHARACTERS_PER_SCRIPT = 1_000_000;

const COMMITTED: CommitOutcome = Object.freeze({ status: "committed", woken: false });
const LOST: CommitOutcome = Object.freeze({ status: "lost" });
const CONFLICT: CommitOutcome = Object.freeze({ status: "conflict" });

/** What one script takes: transitions under one lease, each with its place in the batch. */
interface Chunk {
  readonly lease: Lease;
  readonly indexes: number[];
  readonly args: string[];
  characters: number;
}

/**
 * One script for the batch, or a few when it is large or of several workers: the order of the batch is the order in the store, since
 * one connection carries them one behind the other. As long as the server may not know the script the first goes ahead alone: it
 * would be refused and come after the next one.
 */
export async function commitBatch(
  session: Session,
  batch: readonly ShardTransition[],
): Promise<readonly CommitOutcome[]> {
  const outcomes: (CommitOutcome | undefined)[] = [];
  const send = async ({ lease, indexes, args }: Chunk): Promise<void> => {
    const { result } = await session.write("commit", lease.worker, num(lease.epoch), ...args);
    const answers = listIn(result);
    for (const [i, index] of indexes.entries()) outcomes[index] = outcomeOf(answers[i], batch[index]);
  };
  const chunks = chunksOf(batch, (index, refused) => {
    outcomes[index] = refused;
  });
  const [first, ...others] = chunks;
  const alone = first !== undefined && !session.partition.knows("commit");
  if (alone) await send(first);
  const sent = await Promise.allSettled((alone ? others : chunks).map(send));
  for (const one of sent) if (one.status === "rejected") throw one.reason;
  return outcomes.map((outcome, index) => outcome ?? missing(index));
}

function chunksOf(
  batch: readonly ShardTransition[],
  refuse: (index: number, outcome: CommitOutcome) => void,
): readonly Chunk[] {
  const chunks: Chunk[] = [];
  for (const [index, one] of batch.entries()) {
    let encoded: readonly string[];
    try {
      encoded = transition(one);
    } catch (error) {
      refuse(index, rejected(one, error));
      continue;
    }
    const size = encoded.reduce((sum, text) => sum + text.length, 0);
    let chunk = chunks.at(-1);
    if (chunk === undefined || !hasRoom(chunk, one.lease, size)) {
      chunk = { lease: one.lease, indexes: [], args: [], characters: 0 };
      chunks.push(chunk);
    }
    chunk.indexes.push(index);
    chunk.args.push(...encoded);
    chunk.characters += size;
  }
  return chunks;
}

const hasRoom = ({ lease, indexes, characters }: Chunk, { worker, epoch }: Lease, size: number): boolean =>
  lease.worker === worker &&
  lease.epoch === epoch &&
  indexes.length < TRANSITIONS_PER_SCRIPT &&
  characters + size <= CHARACTERS_PER_SCRIPT;

/** From 0, 1, 2, { 0, woken, cancel, queued } or { 3, why }. */
function outcomeOf(answer: unknown, of: Transition | undefined): CommitOutcome {
  if (answer === 0) return COMMITTED;
  if (answer === 1) return LOST;
  if (answer === 2) return CONFLICT;
  const [kind, woken, cancel, queued] = listIn(answer);
  if (kind === 3) return rejected(of, new Error(textIn(woken)));
  const reason = textOrNull(cancel);
  const keys = listIn(queued) as readonly FiberKey[];
  return {
    status: "committed",
    woken: woken === 1,
    ...(reason !== null && { cancel: original(reason) }),
    ...(keys.length > 0 && { queued: keys }),
  };
}

function rejected(of: Transition | undefined, cause: unknown): CommitOutcome {
  const error =
    cause instanceof FlujoError
      ? cause
      : new FlujoError(
          "VALUE_NOT_SERIALIZABLE",
          `cannot store the transition of ${of?.run}/${of?.fiber}: ${saidBy(cause)}`,
          {
            cause,
          },
        );
  return { status: "rejected", error };
}

function missing(index: number): never {
  throw new Error(`the transition ${index} of the batch has no outcome`);
}
