import type { RunId } from "../../domain/ids.ts";
import { type EndStatus, END_STATUSES } from "../../domain/run.ts";
import { json } from "../../ports/stored-text.ts";
import { expireItems } from "./items.ts";
import { num } from "./encode.ts";
import { listIn, numberIn, runIdIn, textOrNull } from "./rows.ts";
import { type Session, STEP } from "./session.ts";

export interface Retention {
  readonly endedBefore: number;
  readonly limit?: number;
  readonly statuses?: readonly EndStatus[];
}

interface EndedRun {
  readonly run: RunId;
  readonly awaitedBy?: RunId;
}

/** In chunks, with a turn of the event loop between them: neither the server nor this process stands still. */
export async function prune(session: Session, wanted: Retention): Promise<number> {
  const { limit = Number.POSITIVE_INFINITY } = wanted;
  await expireItems(session);
  let pruned = 0;
  for (let passed = 0; pruned < limit; ) {
    const found = await look(session, { ...wanted, limit: Math.min(STEP, limit - pruned) }, { passed, awaited: false });
    if (found.atEnd) break;
    const deleted = await forget(
      session,
      found.runs.map(({ run }) => run),
    );
    pruned += deleted;
    passed += found.looked - deleted;
    await new Promise((resolve) => setImmediate(resolve));
  }
  return pruned;
}

export async function ended(
  session: Session,
  wanted: Retention & { readonly limit: number },
): Promise<readonly EndedRun[]> {
  const runs: EndedRun[] = [];
  for (let passed = 0; runs.length < wanted.limit; ) {
    const found = await look(session, { ...wanted, limit: wanted.limit - runs.length }, { passed, awaited: true });
    if (found.atEnd) break;
    runs.push(...found.runs);
    passed += found.looked;
  }
  return runs;
}

async function look(
  session: Session,
  { endedBefore, limit, statuses = END_STATUSES }: Retention & { readonly limit: number },
  { passed, awaited }: { readonly passed: number; readonly awaited: boolean },
): Promise<{ readonly runs: readonly EndedRun[]; readonly looked: number; readonly atEnd: boolean }> {
  const args = [num(endedBefore), num(limit), json(statuses), num(passed), awaited ? "awaited" : ""];
  const [found, looked, rows] = listIn(await session.read("ended", ...args));
  const runs = listIn(found).map((one): EndedRun => {
    const [run, by] = listIn(one);
    const awaitedBy = textOrNull(by);
    return { run: runIdIn(run), ...(awaitedBy !== null && { awaitedBy: runIdIn(awaitedBy) }) };
  });
  return { runs, looked: numberIn(looked), atEnd: numberIn(rows) === 0 };
}

export async function forget(session: Session, runs: readonly RunId[]): Promise<number> {
  let count = 0;
  for (let at = 0; at < runs.length; at += STEP) {
    count += numberIn(await session.read("forget", ...runs.slice(at, at + STEP)));
  }
  return count;
}
