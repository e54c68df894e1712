import { FlujoError } from "../../domain/errors.ts";
import type { Document, MongoCollection } from "./driver.ts";
import { isLostAnswer, onlyDuplicates } from "./errors.ts";

/*
 * Documents that are read, decided about in plain code, and written on condition that nobody has written them in between: every
 * write leaves a mark that nobody else makes, and names the mark that it saw. All writes of a batch go in one message. An update
 * in bulk tells only how many it met, and a lost answer nothing: the marks of the last writes tell which were ours.
 */

/** Bounded, so that a defect shows: of all who try at once one succeeds. */
const MAX_TRIES = 200;
/** Enough that a writer finds his own when others have written since. */
const MARKS = 12;

/** What such a document has besides its content. */
export interface Marked {
  readonly _id: string;
  /** Of its last writes, latest last. */
  readonly marks: readonly string[];
  /** The latest. */
  readonly mark: string;
}

/** Content of one document from now on; fields that are undefined go. */
export interface MarkedWrite {
  readonly id: string;
  /** As it was read; undefined = there was none. */
  readonly before: Marked | undefined;
  readonly fields: Readonly<Record<string, unknown>>;
}

/**
 * Decides about documents until each has been decided on what it was when it was written. `decide` answers what to write; nothing
 * to write = decided. It is called anew for those that somebody else wrote first.
 */
export async function writeMarked(
  collection: MongoCollection,
  ids: readonly string[],
  {
    unique,
    decide,
  }: {
    readonly unique: () => string;
    readonly decide: (ids: readonly string[]) => Promise<readonly MarkedWrite[]>;
  },
): Promise<void> {
  let open = [...new Set(ids)];
  for (let tries = 0; open.length > 0; tries++) {
    if (tries >= MAX_TRIES) throw new FlujoError("STORE_UNAVAILABLE", `${open[0]} is written by too many at once`);
    const writes = await decide(open);
    const written = await send(collection, writes, unique());
    open = writes.map(({ id }) => id).filter((id) => !written.has(id));
  }
}

/** Those that were written. */
async function send(
  collection: MongoCollection,
  writes: readonly MarkedWrite[],
  mark: string,
): Promise<ReadonlySet<string>> {
  const ids = writes.map(({ id }) => id);
  if (ids.length === 0) return new Set();
  try {
    const operations = writes.map((write) => ({ updateOne: operation(write, mark) }));
    const { matchedCount, upsertedCount } = await collection.bulkWrite(operations, { ordered: false });
    if (matchedCount + upsertedCount === ids.length) return new Set(ids);
    if (matchedCount + upsertedCount === 0) return new Set();
  } catch (error) {
    if (!isLostAnswer(error) && !onlyDuplicates(error)) throw error;
  }
  const found = await collection.find({ _id: { $in: ids }, marks: mark }, { projection: { _id: 1 } }).toArray();
  return new Set((found as readonly Pick<Marked, "_id">[]).map(({ _id }) => _id));
}

/** A document that was not there is inserted by the update: where somebody else was faster, its _id is a duplicate. */
function operation({ id, before, fields }: MarkedWrite, mark: string): Document {
  const entries = Object.entries(fields);
  const unset = entries.filter(([, value]) => value === undefined).map(([field]) => [field, ""] as const);
  const set = entries.filter(([, value]) => value !== undefined);
  const marks = [...(before?.marks ?? []), mark].slice(-MARKS);
  return {
    filter: { _id: id, mark: before?.mark ?? { $exists: false } },
    update: {
      $set: { ...Object.fromEntries(set), mark, marks },
      ...(unset.length > 0 && { $unset: Object.fromEntries(unset) }),
    },
    upsert: before === undefined,
  };
}
