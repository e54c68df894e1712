import { roomAt } from "../../ports/queue-rules.ts";
import type { ClaimRequest } from "../../ports/queue.ts";
import { storable } from "../../ports/stored-text.ts";
import type { Ask } from "./claim.ts";
import { GIVE_TURNS, NEXT_DUE, NEXT_UNSEEN } from "./claim-program.ts";
import type { Database } from "./database.ts";
import { LEASED } from "./lane-programs.ts";
import { LANES_AT_ONCE, openLanes, TURNS_AT_ONCE, type Wanted } from "./lanes.ts";
import { type Governed, governedQueues } from "./queue-rules.ts";
import { CLOCK } from "./read.ts";
import { isNull, numberIn, textsIn } from "./rows.ts";

const NEVER = Number.POSITIVE_INFINITY;
/** Later than any instant: lanes whose rate is used up are seen, too. */
const ANY_TIME = Number.MAX_SAFE_INTEGER;

/** When a claim might bring something, as far as time alone decides. */
export async function nextDue(
  db: Database,
  { queues, fingerprints }: Pick<ClaimRequest, "queues" | "fingerprints">,
  given: number | null,
): Promise<number | undefined> {
  if (queues.length === 0 || fingerprints.length === 0) return undefined;
  const ask: Ask = (program, values) => db.run(program, values);
  const [row = {}] = await ask(NEXT_DUE, { queues: queues.map(storable), fingerprints });
  let next = isNull(row, "ready_at") ? NEVER : numberIn(row, "ready_at");
  const ruled = textsIn(row, "ruled");
  const governed = ruled.length === 0 ? [] : await governedQueues(db, ruled);
  if (governed.length > 0) {
    const [clock] = await db.query(`SELECT ${CLOCK} AS now`, [given]);
    const now = clock === undefined ? 0 : numberIn(clock, "now");
    for (const one of governed) next = Math.min(next, await nextGoverned(ask, one, fingerprints, now));
  }
  return next === NEVER ? undefined : next;
}

/** The earliest row of a governed queue that has no turn: due later, or to be stopped. */
async function nextUnseen(ask: Ask, wanted: Pick<ClaimRequest, "queues" | "fingerprints">): Promise<number> {
  const [row = {}] = await ask(NEXT_UNSEEN, { ...wanted });
  return isNull(row, "ready_at") ? NEVER : numberIn(row, "ready_at");
}

async function leasedIn(ask: Ask, { rules: { queue, concurrency } }: Governed): Promise<number> {
  if (concurrency === undefined) return 0;
  const [row] = await ask(LEASED, { queue });
  return row === undefined ? 0 : numberIn(row, "leased");
}

/** When a claim can take something of a governed queue, if not only a freed place can help. */
async function nextGoverned(
  ask: Ask,
  governed: Governed,
  fingerprints: Wanted["fingerprints"],
  now: number,
): Promise<number> {
  const { rules, rate } = governed;
  const queues = [rules.queue];
  let next = await nextUnseen(ask, { queues, fingerprints });
  if (next <= now) {
    await ask(GIVE_TURNS, { now, queues, fingerprints, size: TURNS_AT_ONCE });
    next = await nextUnseen(ask, { queues, fingerprints });
  }
  if ((await leasedIn(ask, governed)) >= (rules.concurrency ?? NEVER)) return next;
  const queueAt = rules.rate === undefined ? now : roomAt(rules.rate, rate, now);
  return Math.min(next, Math.max(queueAt, await nextLane(ask, governed, fingerprints, { now, enough: queueAt })));
}

/** When the first lane with a free place has room in its rate, too. Earlier than `enough` is no better. */
async function nextLane(
  ask: Ask,
  governed: Governed,
  fingerprints: Wanted["fingerprints"],
  { now, enough }: { readonly now: number; readonly enough: number },
): Promise<number> {
  const { rules } = governed;
  let next = NEVER;
  for await (const lane of openLanes(ask, governed, { fingerprints, at: ANY_TIME, size: LANES_AT_ONCE })) {
    next = Math.min(next, rules.lane?.rate === undefined ? now : roomAt(rules.lane.rate, lane.rate, now));
    if (next <= enough) break;
  }
  return next;
}
