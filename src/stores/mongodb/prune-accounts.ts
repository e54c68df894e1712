import { type AccountDocument, settledId } from "./account.ts";
import type { Base } from "./base.ts";
import { insertMissing } from "./runs.ts";

/*
 * An account goes first, on condition of its mark: a hold that comes in between wins, and loses nothing. The ids of its settled
 * holds go afterwards; a grave, dug before, tells the next call of them should this one die. Accounts that never moved an id out
 * of their document need none.
 */

/** Accounts deleted at a time: long commands hold up others. */
const CHUNK = 100;

interface Grave {
  readonly _id: string;
  readonly life: string;
  readonly grave: string;
}

type Untouched = Pick<AccountDocument, "_id" | "life" | "mark" | "moved">;

export async function pruneAccounts(base: Base, untouchedSince: number): Promise<number> {
  await clearGraves(base);
  for (let pruned = 0; ; ) {
    const found = (await base.in.quota_accounts
      .find(
        { updatedAt: { $lt: untouchedSince } },
        { projection: { life: 1, mark: 1, moved: 1 }, sort: { updatedAt: 1 }, limit: CHUNK },
      )
      .toArray()) as readonly Untouched[];
    if (found.length === 0) return pruned;
    const graves = found.filter(({ moved }) => moved === true).map(graveOf);
    await insertMissing(
      base.in.quota_holds,
      graves.map((grave) => ({ ...grave })),
    );
    const operations = found.map(({ _id, mark }) => ({ deleteOne: { filter: { _id, mark } } }));
    const { deletedCount } = await base.in.quota_accounts.bulkWrite(operations, { ordered: false });
    await clear(base, graves);
    pruned += deletedCount;
    if (found.length < CHUNK) return pruned;
  }
}

/** The id of no hold is empty. */
const graveOf = ({ _id, life }: Untouched): Grave => ({ _id: settledId({ life }, ""), life, grave: _id });

async function clearGraves(base: Base): Promise<void> {
  const graves = (await base.in.quota_holds.find({ grave: { $exists: true } }).toArray()) as readonly Grave[];
  await clear(base, graves);
}

/** The holds of accounts that are gone, then all these graves. */
async function clear(base: Base, graves: readonly Grave[]): Promise<void> {
  if (graves.length === 0) return;
  const lives = graves.map(({ life }) => life);
  const accounts = graves.map(({ grave }) => grave);
  const standing = (await base.in.quota_accounts
    .find({ _id: { $in: accounts }, life: { $in: lives } }, { projection: { life: 1 } })
    .toArray()) as readonly Pick<AccountDocument, "life">[];
  const alive = new Set(standing.map(({ life }) => life));
  const gone = lives.filter((life) => !alive.has(life));
  if (gone.length > 0) await base.in.quota_holds.deleteMany({ life: { $in: gone }, grave: { $exists: false } });
  await base.in.quota_holds.deleteMany({ _id: { $in: graves.map(({ _id }) => _id) } });
}
