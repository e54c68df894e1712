import { mergeOffers } from "../../ports/queue-rules.ts";
import type { ClaimRequest, LeasedFiber } from "../../ports/queue.ts";
import { storable } from "../../ports/stored-text.ts";
import { type Ask, leased } from "./claim.ts";
import { GIVE_TURNS, LOCK_RULES, OFFER, TAKE_THESE } from "./claim-program.ts";
import type { Database } from "./database.ts";
import { type Candidate, candidate, inTurn, TURNS_AT_ONCE, type Wanted } from "./lanes.ts";
import { CLAIM_IN_TURN } from "./lane-programs.ts";
import { type Look, look } from "./look.ts";
import type { Calm, Known } from "./calm.ts";
import { chargedAlikeUntil, chargesFor } from "./queue-rules.ts";
import { isNull, numberIn, textIn } from "./rows.ts";

/*
 * A claim that names a governed queue is plain where keys are many and limits far: one call (calm.ts). Otherwise it LOOKS at
 * what is there, DECIDES with the rules of the port, and TAKES. These are two calls, mostly, and no lock between them: taking
 * locks the rows of the rules, and takes nothing if somebody has claimed there, or put other rules, since the look (`version`).
 * All else that may happen meanwhile frees places or adds rows, and the claim is as good as one that came before it.
 *
 * Whoever came too late, or did not get each row, does the rest once more with the rules locked from the beginning, so that it
 * waits for its turn and then is alone. Locks are taken in the order of commit-program.ts in both: the lease, then the rules by
 * name, then fibers.
 */

/** Answers undefined when none of the queues is governed. */
export async function claimGoverned(
  db: Database,
  { queues, ...request }: ClaimRequest,
  { known, given }: { readonly known: Known; readonly given: number | null },
): Promise<readonly LeasedFiber[] | undefined> {
  const names = queues.map(storable);
  const all = { ...request, queues: names };
  const calm = known.plainOf(names);
  const plain = calm === undefined ? undefined : await claimInTurn(db, all, { calm, given });
  if (plain !== undefined) return plain;
  const first = await attempt((program, values) => db.run(program, values), all, { given, alone: false });
  known.learn(names, first?.seen, request.limit);
  if (first === undefined || first.missed === 0) return first?.fibers;
  const { worker, epoch } = request;
  const left = request.limit - first.fibers.length;
  const rest = await db.transaction(async (client) => {
    const ask: Ask = (program, values) => db.runIn(client, program, values);
    await ask(LOCK_RULES, { worker, epoch, queues: names });
    return attempt(ask, { ...all, limit: left }, { given, alone: true });
  });
  return [...first.fibers, ...(rest?.fibers ?? [])];
}

async function claimInTurn(
  db: Database,
  { limit, ...request }: ClaimRequest,
  { calm, given }: { readonly calm: Calm; readonly given: number | null },
): Promise<readonly LeasedFiber[] | undefined> {
  const rows = await db.run(CLAIM_IN_TURN, { ...request, ...calm, now: given, size: limit + 1 });
  if (rows.some((row) => isNull(row, "run"))) return undefined;
  return leased(rows);
}

interface Attempt {
  readonly seen: Look;
  readonly fibers: readonly LeasedFiber[];
  /** Rows that were chosen and not to be had. */
  readonly missed: number;
}

async function attempt(
  ask: Ask,
  request: ClaimRequest,
  { given, alone }: { readonly given: number | null; readonly alone: boolean },
): Promise<Attempt | undefined> {
  const { worker, epoch, limit } = request;
  const seen = await lookAndGiveTurns(ask, request, given);
  if (seen === undefined) return undefined;
  const chosen = mergeOffers(await offers(ask, seen, request), limit);
  if (chosen.length === 0) return { seen, fibers: [], missed: 0 };
  const rows = await ask(TAKE_THESE, {
    // Alone with the rules it claims at the instant that it decided for.
    ...{
      now: alone ? seen.now : given,
      until: alone ? null : chargedAlikeUntil(seen.governed, seen.now),
      worker,
      epoch,
    },
    runs: chosen.map(({ run }) => run),
    keys: chosen.map(({ key }) => key),
    queues: chosen.map(({ queue }) => queue),
    ...chargesFor(seen.governed, chosen, seen.now),
  });
  const fibers = inOrder(chosen, leased(rows));
  return { seen, fibers, missed: chosen.length - rows.length };
}

/** What is due in a governed queue and has no turn yet gets it first. */
async function lookAndGiveTurns(ask: Ask, request: ClaimRequest, given: number | null): Promise<Look | undefined> {
  const seen = await look(ask, request, given);
  let turns = 0;
  for (const { rules } of seen?.governed ?? []) {
    if (seen === undefined || !seen.due.includes(rules.queue)) continue;
    const { fingerprints } = request;
    const [row] = await ask(GIVE_TURNS, { now: given, queues: [rules.queue], fingerprints, size: TURNS_AT_ONCE });
    turns += row === undefined ? 0 : numberIn(row, "given");
  }
  return turns === 0 ? seen : look(ask, request, given);
}

/** The free queues together are one offer; a governed one offers what is to stop, and then its lanes in turn. */
async function offers(
  ask: Ask,
  { now, governed, due }: Look,
  { queues, fingerprints, limit }: ClaimRequest,
): Promise<readonly (readonly Candidate[])[]> {
  const ruled = new Set(governed.map(({ rules }) => rules.queue));
  const wanted = { fingerprints, limit, now };
  const free = queues.filter((queue) => !ruled.has(queue) && due.includes(queue));
  const all = [await outsideRules(ask, free, wanted)];
  for (const one of governed) {
    const { queue } = one.rules;
    const stopping = await outsideRules(ask, due.includes(queue) ? [queue] : [], wanted);
    all.push([...stopping, ...(await inTurn(ask, one, wanted, now))]);
  }
  return all;
}

async function outsideRules(
  ask: Ask,
  queues: readonly string[],
  { fingerprints, limit, now }: Wanted & { readonly limit: number; readonly now: number },
): Promise<readonly Candidate[]> {
  if (queues.length === 0) return [];
  const rows = await ask(OFFER, { now, queues, fingerprints, size: limit });
  return rows.map((row) => candidate(row, textIn(row, "queue")));
}

/** Rows as they were chosen: the turns of lanes are the order of a governed queue. */
function inOrder(chosen: readonly Candidate[], fibers: readonly LeasedFiber[]): readonly LeasedFiber[] {
  const found = new Map(fibers.map((fiber) => [`${fiber.run}/${fiber.key}`, fiber]));
  return chosen.flatMap(({ run, key }) => found.get(`${run}/${key}`) ?? []);
}
