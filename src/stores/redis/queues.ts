import type { ClaimRequest, LeasedFiber } from "../../ports/queue.ts";
import { checkRules, isGoverned, type QueueRules } from "../../ports/queue-rules.ts";
import { json, parsed, storable } from "../../ports/stored-text.ts";
import { num } from "./encode.ts";
import { leasedFiber, listIn, numberIn, rowOf } from "./rows.ts";
import { type Session, STEP } from "./session.ts";

const namesOf = (queues: readonly string[]): string => json([...new Set(queues)].map(storable));

export async function claim(session: Session, request: ClaimRequest): Promise<readonly LeasedFiber[]> {
  const { worker, epoch, fingerprints, queues, limit } = request;
  if (limit < 1) return [];
  const answer = await session.read("claim", worker, num(epoch), num(limit), namesOf(queues), json(fingerprints));
  const [taken, now] = listIn(answer);
  return listIn(taken).map((found) => leasedFiber(found, numberIn(now)));
}

export async function nextDue(
  session: Session,
  { queues, fingerprints }: Pick<ClaimRequest, "queues" | "fingerprints">,
): Promise<number | undefined> {
  const answer = await session.read("nextDue", namesOf(queues), json(fingerprints));
  return answer === null ? undefined : numberIn(answer);
}

/** Rows that wait already are moved to where the rules want them, and those that are leased are counted, in bounded steps. */
export async function putQueueRules(session: Session, given: readonly QueueRules[]): Promise<void> {
  for (const rules of checkRules(given)) {
    const text = isGoverned(rules) ? json(rules) : "";
    let { more } = await session.write("putRules", rules.queue, text, num(STEP));
    while (more) ({ more } = await session.write("moveRows", rules.queue, num(STEP)));
  }
}

/** In place of rules that were taken away, while rows are still on their way back. */
const FREED = "-";
/** Ends the name of a field that says how far the places of a queue have been counted. */
const COUNTING = "\0";

export async function queueRules(session: Session): Promise<readonly QueueRules[]> {
  const kept = Object.entries(rowOf(await session.send("HGETALL", "R"))).filter(
    ([queue, text]) => text !== FREED && !queue.endsWith(COUNTING),
  );
  const rules = kept.map(([queue, text]) => parsed(text, `rules of the queue ${queue}`) as unknown as QueueRules);
  return rules.sort((a, b) => (a.queue < b.queue ? -1 : 1));
}
