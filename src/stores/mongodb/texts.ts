import { createHash } from "node:crypto";
import type { Blob } from "../../ports/store.ts";
import { blobsIn } from "../../ports/stored-text.ts";
import type { Base } from "./base.ts";
import type { Document } from "./driver.ts";
import { isDuplicate, onlyDuplicates } from "./errors.ts";

/*
 * Large texts. A document holds 16 MB, and a run's document holds many texts: one of more than 128 Ki characters is kept as a
 * blob of its run, and only its hash stands in the document. Blobs themselves are cut into parts.
 *
 * Nothing needs two documents at once: a reference is written before its blob, a blob before the document that names it. What a
 * lost race or a crash leaves over are references, which go with their run. A prune deletes a blob only if nobody referred
 * to it since it looked (`gen`), so a writer that comes in between either stops the deletion or writes the blob anew.
 */
const INLINE_CHARACTERS = 131_072;
/** In UTF-8 at most 3 bytes each, so a part is always smaller than the 16 MB of a document. */
const PART_CHARACTERS = 4_194_304;
const MARK = "\u0002";

const hashOf = (text: string): string => createHash("sha256").update(text).digest("hex");

/** Who needs blobs: the run as long as it is kept, under its story. */
export interface Keeper {
  readonly story: string;
  /** Blobs to write before the run is, or hashes of such as are there. */
  readonly blobs: (Blob | string)[];
}

/** The text itself, or the mark and hash under which it is kept. */
export function kept({ blobs }: Keeper, text: string): string {
  blobs.push(...blobsIn(text));
  if (text.length <= INLINE_CHARACTERS) return text;
  const hash = hashOf(text);
  blobs.push({ hash, text });
  return MARK + hash;
}

/** A text that another run keeps. */
export function keptToo({ blobs }: Keeper, text: string): string {
  blobs.push(...(text.startsWith(MARK) ? [text.slice(1)] : blobsIn(text)));
  return text;
}

/** Reads the texts that stand elsewhere; all others are what they are. */
export async function wholeTexts(
  base: Base,
  texts: readonly (string | undefined)[],
): Promise<ReadonlyMap<string, string>> {
  const whole = new Map<string, string>();
  for (const text of new Set(texts)) {
    if (text?.startsWith(MARK) !== true) continue;
    const found = await readBlob(base, text.slice(1));
    if (found !== undefined) whole.set(text, found);
  }
  return whole;
}

export async function readBlob(base: Base, hash: string): Promise<string | undefined> {
  const [head] = (await base.in.blobs.find({ _id: hash }).toArray()) as readonly BlobDocument[];
  if (head === undefined) return undefined;
  if (head.parts === undefined) return head.text ?? "";
  const ids = Array.from({ length: head.parts }, (_, i) => `${hash}.${i}`);
  const parts = (await base.in.blobs.find({ _id: { $in: ids } }).toArray()) as readonly BlobDocument[];
  const byId = new Map(parts.map(({ _id, text }) => [_id, text ?? ""]));
  return byId.size === ids.length ? ids.map((id) => byId.get(id)).join("") : undefined;
}

interface BlobDocument {
  readonly _id: string;
  readonly text?: string;
  readonly parts?: number;
  readonly gen: number;
}

function partsOf({ hash, text }: Blob): readonly Omit<BlobDocument, "gen">[] {
  if (text.length <= PART_CHARACTERS) return [{ _id: hash, text }];
  const parts: string[] = [];
  for (let at = 0; at < text.length; ) {
    let end = Math.min(text.length, at + PART_CHARACTERS);
    if (end < text.length && isHighSurrogate(text.charCodeAt(end - 1))) end -= 1;
    parts.push(text.slice(at, end));
    at = end;
  }
  return [...parts.map((part, i) => ({ _id: `${hash}.${i}`, text: part })), { _id: hash, parts: parts.length }];
}

const isHighSurrogate = (code: number): boolean => code >= 0xd800 && code <= 0xdbff;

/** Writes references and blobs before the write that needs them. `tag` names them, should that write fail. */
export async function writeBlobs(base: Base, keepers: readonly Keeper[], tag: string): Promise<boolean> {
  const wanted = new Map<string, { readonly story: string; readonly blob: Blob | string }>();
  for (const { story, blobs } of keepers) {
    for (const blob of blobs) {
      const key = `${typeof blob === "string" ? blob : blob.hash}/${story}/${tag}`;
      if (typeof wanted.get(key)?.blob !== "object") wanted.set(key, { story, blob });
    }
  }
  if (wanted.size === 0) return false;
  const references: Document[] = [];
  const writes: Document[] = [];
  for (const [key, { story, blob }] of wanted) {
    if (typeof blob === "string") {
      references.push({ _id: key, hash: blob, story, tag });
      writes.push({ updateOne: { filter: { _id: blob }, update: { $inc: { gen: 1 } } } });
      continue;
    }
    for (const { _id, ...rest } of partsOf(blob)) {
      references.push({ _id: `${_id}/${story}/${tag}`, hash: _id, story, tag });
      writes.push({ updateOne: { filter: { _id }, update: { $inc: { gen: 1 }, $setOnInsert: rest }, upsert: true } });
    }
  }
  await insertNew(base.in.references.insertMany(references, { ordered: false }));
  // One after the other: 48 MB go into one message, and the driver cuts by itself. An upsert that met another is tried again.
  for (let tries = 0; ; tries++) {
    try {
      await base.in.blobs.bulkWrite(writes, { ordered: false });
      return true;
    } catch (error) {
      if (!isDuplicate(error) || tries >= 3) throw error;
    }
  }
}

async function insertNew(inserting: Promise<unknown>): Promise<void> {
  try {
    await inserting;
  } catch (error) {
    if (!onlyDuplicates(error)) throw error;
  }
}

/** Takes back what was written for a write that did not happen. */
export async function dropBlobs(base: Base, filter: Document): Promise<void> {
  const gone = (await base.in.references.find(filter, { projection: { hash: 1 } }).toArray()) as readonly {
    readonly hash: string;
  }[];
  if (gone.length === 0) return;
  const hashes = [...new Set(gone.map(({ hash }) => hash))];
  const heads = (await base.in.blobs
    .find({ _id: { $in: hashes } }, { projection: { gen: 1 } })
    .toArray()) as readonly BlobDocument[];
  await base.in.references.deleteMany(filter);
  const stillWanted = new Set(await base.in.references.distinct("hash", { hash: { $in: hashes } }));
  for (const { _id, gen } of heads) {
    if (!stillWanted.has(_id)) await base.in.blobs.deleteOne({ _id, gen });
  }
}
