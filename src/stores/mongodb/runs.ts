import { FlujoError } from "../../domain/errors.ts";
import type { Base } from "./base.ts";
import { CHILD_IMAGE, type ChildDocument, type FiberFields, IMAGE, type RunFields } from "./documents.ts";
import type { Document } from "./driver.ts";
import { duplicatePlaces, isLostAnswer, isTooLarge, onlyDuplicates } from "./errors.ts";
import { Image } from "./image.ts";
import { applyRedo } from "./redo.ts";
import { dropBlobs, writeBlobs } from "./texts.ts";

/*
 * How this store keeps its promises with nothing but the atomicity of one document.
 *
 * A RUN IS ONE DOCUMENT: its record, its root fiber, its mailbox, the latest events, and a version `v`. Every operation reads
 * what it needs of the run, decides in plain code, and writes once, on condition that `v` is still the same; else it looks and
 * decides again. So fence, mailbox, parking, consuming, waking, event and end are one write, whatever an operation does to its
 * run, and nothing in a run is ever seen half done. A run without forks, which most are, has no other document.
 *
 * CHILDREN OF FORKS have documents of their own, in the same collection and queue: 100,000 of them do not fit into 16 MB, and
 * cost per item must stay flat. What a write means for them stands in it (`redo`): the write of the run is what makes it true, and
 * the children's documents follow (redo.ts). Nobody reads or changes children before the run's redo has been applied.
 * Children are born from documents that lay ready and invisible before (`unborn`), so redo lists stay small.
 *
 * WHAT CROSSES RUNS is kept with the transition (`out`) and applied afterwards; the target remembers the tag (effects.ts).
 *
 * One document for each fiber, as first thought of, was given up: a fiber and its mailbox would be two documents, and every
 * park, consume and deadline a protocol between them. Its price here: fibers of one run
 * write one after another. In one process a batch writes all its transitions of one run at once; many processes on one fork
 * meet at its run's document, each try costing two round trips. Counted: 10,000 steps of 100 runs in batches of 100 are 107
 * commands. On a replica set reads of level "local" are enough: what a new primary rolls back, it rolls back in order, so never
 * an effect without its cause. On a sharded cluster that would have to be looked at again.
 *
 * Between two writes, what is visible, and who completes it:
 *
 *   after                        | before                     | visible meanwhile               | completed by
 *   references, blobs            | the run that needs them    | nothing                         | go with the run (texts.ts)
 *   unborn children              | the run                    | nothing                         | go with the end of the run
 *   events moved to `events`     | the run, that drops them   | nothing: reads merge by number  | next write of the run
 *   ids moved to `received`      | the run, that drops them   | nothing: either place counts    | next write of the run
 *   the run, with redo           | its children               | nothing: readers apply it first | the committer; else the next
 *                                |                            | (a claim sees a woken child     | operation on the run; else sweep
 *                                |                            | only afterwards)                |
 *   the run, with out            | the other run              | the effect is still to come     | the committer; else sweep
 *   the other run, with tag      | the first, that drops out  | nothing: the tag says so        | the committer; else sweep
 *   out dropped                  | tag dropped                | nothing                         | stays, 20 bytes, with the run
 *   a worker's row deleted       | its fibers handed back     | they are leased by nobody alive | any sweep
 *   a run deleted (prune)        | what belonged to it        | nothing                         | next prune, by the run's grave
 */

/** Bounded, so that a defect shows: two writers of one run cannot both fail, and no run has so many writers. */
const MAX_TRIES = 200;
const KEPT_IMAGES = 1_000;
/** Then the events move out of the run's document, and the ids of consumed messages. */
const TAIL_EVENTS = 16;
const TAIL_CHARACTERS = 16_384;
const HEARD_IDS = 100;

/** Which children, and which heard ids, a decision has to see. */
export interface Needs {
  readonly keys?: readonly string[];
  /** Children that wait for any of these. */
  readonly names?: readonly string[];
  readonly tokens?: readonly string[];
}

export interface Change<T> {
  readonly runs: readonly string[];
  readonly needs: (image: Image) => Needs;
  /** Decides and changes the image. Called anew when the write came too late. `undefined` image = there is no such run. */
  readonly decide: (image: Image | undefined, run: string, now: number) => T;
  /** Something else to read once the images have been read, before they are decided about. */
  readonly between?: () => Promise<void>;
  /** Images of the process's own last writes may be used: right for fibers that it holds. */
  readonly useKept?: boolean;
  /** The answer for a run whose document would be larger than 16 MB. Without it that is an error. */
  readonly tooLarge?: (error: FlujoError) => T;
  /** Whether the image is worth keeping: somebody here will write the run again soon. */
  readonly keep?: (image: Image) => boolean;
}

export class Runs {
  readonly #base: Base;
  readonly #kept = new Map<string, Image>();

  constructor(base: Base) {
    this.#base = base;
  }

  /** Decides about each of these runs and writes what was decided. Answers by run. */
  async change<T>({
    runs,
    needs,
    decide,
    useKept = false,
    keep,
    tooLarge,
    between,
  }: Change<T>): Promise<ReadonlyMap<string, T>> {
    const answers = new Map<string, T>();
    let open = [...new Set(runs)];
    for (let tries = 0; open.length > 0; tries++) {
      if (tries >= MAX_TRIES)
        throw new FlujoError("STORE_UNAVAILABLE", `the run ${open[0]} is written by too many at once`);
      const images = await this.#images(open, needs, useKept && tries === 0);
      await between?.();
      const now = this.#base.now();
      const again: string[] = [];
      const toWrite: Image[] = [];
      for (const run of open) {
        const image = images.get(run);
        const answer = decide(image, run, now);
        if (image?.written === true) toWrite.push(image);
        else if (image !== undefined && !image.fresh) {
          again.push(run); // nothing to write, so nothing would tell that the image is old
          this.#kept.delete(run);
          continue;
        }
        answers.set(run, answer);
      }
      const { missed, large } = await this.#write(toWrite, now, keep);
      for (const run of large) {
        const error = new FlujoError("VALUE_TOO_LARGE", `the run ${run} with its mailbox would not fit into 16 MB`);
        if (tooLarge === undefined) throw error;
        answers.set(run, tooLarge(error));
      }
      open = [...again, ...missed];
    }
    return answers;
  }

  async #images(
    runs: readonly string[],
    needs: Change<unknown>["needs"],
    useKept: boolean,
  ): Promise<Map<string, Image>> {
    const images = new Map<string, Image>();
    for (const run of useKept ? runs : []) {
      const image = this.#kept.get(run);
      if (image !== undefined) images.set(run, image);
    }
    // A kept image is consumed: decisions change it.
    for (const run of runs) this.#kept.delete(run);
    const missing = runs.filter((run) => !images.has(run));
    for (const image of await this.load(missing)) images.set(image.id, image);
    await this.#loadNeeds([...images.values()], needs);
    return images;
  }

  /** Images of what is there, whose children's documents are up to date. */
  async load(runs: readonly string[]): Promise<readonly Image[]> {
    if (runs.length === 0) return [];
    const found = (await this.#base.in.runs
      .find({ _id: { $in: runs }, v: { $exists: true } }, { projection: IMAGE })
      .toArray()) as readonly (RunFields & FiberFields)[];
    await applyRedo(
      this.#base,
      found.filter(({ redo }) => redo !== undefined).map(({ life, v, redo = [] }) => ({ life, v, redo })),
    );
    return found.map((fields) => new Image(fields, true));
  }

  async #loadNeeds(images: readonly Image[], needs: Change<unknown>["needs"]): Promise<void> {
    const lives = new Map<string, Image>();
    const either: Document[] = [];
    const tokens: string[] = [];
    for (const image of images) {
      const { keys = [], names = [], tokens: ids = [] } = needs(image);
      if (image.fields.moved === true) tokens.push(...ids.map((id) => `${image.story}/${id}`));
      if (image.fields.kids !== true) continue;
      lives.set(image.fields.life, image);
      const unseen = keys.filter((key) => !image.rows.has(key));
      if (unseen.length > 0) either.push({ life: image.fields.life, key: { $in: unseen } });
      if (names.length > 0) either.push({ life: image.fields.life, names: { $in: names } });
    }
    const [children, received] = await Promise.all([
      either.length === 0
        ? []
        : this.#base.in.runs.find({ $or: either }, { projection: { ...CHILD_IMAGE, life: 1 } }).toArray(),
      tokens.length === 0 ? [] : this.#base.in.received.find({ _id: { $in: tokens } }).toArray(),
    ]);
    for (const child of children as readonly ChildDocument[]) lives.get(child.life)?.addChild(child);
    for (const { _id } of received as readonly { readonly _id: string }[]) {
      for (const image of images) {
        if (_id.startsWith(`${image.story}/`)) image.known.add(_id.slice(image.story.length + 1));
      }
    }
  }

  /** Writes images that were changed. */
  async #write(images: readonly Image[], now: number, keep: Change<unknown>["keep"]): Promise<Sent> {
    if (images.length === 0) return ALL_SENT;
    const mark = this.#base.unique();
    await this.#prepare(images);
    const blobs = await writeBlobs(this.#base, images, mark);
    const writes = images.map((image) => ({ image, ...image.update(mark, now) }));
    let sent: Sent;
    try {
      sent = await this.#send(writes, mark);
    } catch (error) {
      if (blobs && !isLostAnswer(error)) await dropBlobs(this.#base, { tag: mark });
      throw error;
    }
    const failed = new Set([...sent.missed, ...sent.large]);
    const done = writes.filter(({ image }) => !failed.has(image.id));
    await this.#undo(
      images.filter(({ id }) => failed.has(id)),
      blobs ? mark : undefined,
    );
    await applyRedo(
      this.#base,
      done.map(({ image, redo }) => ({ life: image.fields.life, v: image.v + 1, redo })),
    );
    for (const { image, redo } of done) {
      if (keep?.(image) === true) this.#keepImage(image.after(mark, redo, now));
    }
    return sent;
  }

  #keepImage(image: Image): void {
    this.#kept.set(image.id, image);
    if (this.#kept.size <= KEPT_IMAGES) return;
    const [oldest] = this.#kept.keys();
    if (oldest !== undefined) this.#kept.delete(oldest);
  }

  /** What has to lie ready before the runs are written, or may leave them. */
  async #prepare(images: readonly Image[]): Promise<void> {
    const staged = images.flatMap((image) => image.staged);
    const events: Document[] = [];
    const received: Document[] = [];
    for (const image of images) {
      const { tail, heard = [] } = image.fields;
      if (
        image.happened.length > 0 &&
        (tail.length >= TAIL_EVENTS || sizeOf(tail) + sizeOf(image.happened) > TAIL_CHARACTERS)
      ) {
        for (const one of tail) events.push({ ...one, _id: `${image.story}/${one.n}`, story: image.story });
        image.changes.set("tail", true);
      }
      if (heard.length > HEARD_IDS) {
        for (const token of heard) received.push({ _id: `${image.story}/${token}`, story: image.story });
        image.write({ heard: [], moved: true });
      }
    }
    await Promise.all([
      insertMissing(this.#base.in.runs, staged),
      insertMissing(this.#base.in.events, events),
      insertMissing(this.#base.in.received, received),
    ]);
  }

  /** Unborn children of a write that did not happen, and its blobs. */
  async #undo(images: readonly Image[], blobTag: string | undefined): Promise<void> {
    const staged = images.flatMap((image) => image.staged.map(({ _id }) => _id));
    if (staged.length > 0) await this.#base.in.runs.deleteMany({ _id: { $in: staged } });
    if (blobTag === undefined) return;
    for (const { story, blobs } of images) if (blobs.length > 0) await dropBlobs(this.#base, { tag: blobTag, story });
  }

  /** Sends the writes in one message. */
  async #send(writes: readonly Write[], mark: string): Promise<Sent> {
    const { runs } = this.#base.in;
    const all = writes.map(({ image }) => image.id);
    try {
      const [only] = writes;
      if (writes.length === 1 && only !== undefined) {
        const { matchedCount } = await runs.updateOne(only.filter, only.update);
        return { missed: matchedCount === 1 ? [] : all, large: [] };
      }
      const operations = writes.map(({ filter, update }) => ({ updateOne: { filter, update } }));
      const { matchedCount } = await runs.bulkWrite(operations, { ordered: false });
      if (matchedCount === writes.length) return ALL_SENT;
    } catch (error) {
      if (isTooLarge(error)) return writes.length === 1 ? { missed: [], large: all } : this.#oneByOne(writes, mark);
      if (!isLostAnswer(error)) throw error;
    }
    return { missed: await this.#unmarked(all, mark), large: [] };
  }

  /** One of them is too large for a document; its neighbours shall not suffer. */
  async #oneByOne(writes: readonly Write[], mark: string): Promise<Sent> {
    const missed: string[] = [];
    const large: string[] = [];
    for (const write of writes) {
      const sent = await this.#send([write], mark);
      missed.push(...sent.missed);
      large.push(...sent.large);
    }
    return { missed: await this.#unmarked(missed, mark), large };
  }

  /** An update in bulk tells only how many it matched, a lost answer nothing: the mark in the document tells whether it was ours. */
  async #unmarked(runs: readonly string[], mark: string): Promise<readonly string[]> {
    if (runs.length === 0) return runs;
    const marked = (await this.#base.in.runs
      .find({ _id: { $in: runs }, marks: mark }, { projection: { _id: 1 } })
      .toArray()) as readonly { readonly _id: string }[];
    const ours = new Set(marked.map(({ _id }) => _id));
    return runs.filter((run) => !ours.has(run));
  }

  /** Inserts documents of new runs. Answers the places of those whose id was taken; a lost answer is cleared up by the story. */
  async insert(documents: readonly (RunFields & Document)[]): Promise<ReadonlySet<number>> {
    if (documents.length === 0) return NONE;
    try {
      await this.#base.in.runs.insertMany(documents, { ordered: false });
      return NONE;
    } catch (error) {
      if (onlyDuplicates(error)) return new Set(duplicatePlaces(error));
      if (!isLostAnswer(error)) throw error;
      await insertMissing(this.#base.in.runs, documents);
      const ids = documents.map(({ _id }) => _id);
      const stored = new Set(await this.#base.in.runs.distinct("story", { _id: { $in: ids } }));
      return new Set(documents.flatMap(({ story }, place) => (stored.has(story) ? [] : [place])));
    }
  }
}

interface Write {
  readonly image: Image;
  readonly filter: Document;
  readonly update: Document;
}

/** Runs that somebody else had written before, and those that became too large; all others are written. */
interface Sent {
  readonly missed: readonly string[];
  readonly large: readonly string[];
}

const ALL_SENT: Sent = { missed: [], large: [] };
const NONE: ReadonlySet<number> = new Set();

const sizeOf = (events: RunFields["tail"]): number => events.reduce((sum, { facts }) => sum + facts.length, 0);

export async function insertMissing(collection: Base["in"]["runs"], documents: readonly Document[]): Promise<void> {
  if (documents.length === 0) return;
  try {
    await collection.insertMany(documents, { ordered: false });
  } catch (error) {
    if (!onlyDuplicates(error)) throw error;
  }
}
