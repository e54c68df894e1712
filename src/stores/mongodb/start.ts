import { FlujoError } from "../../domain/errors.ts";
import { ROOT_FIBER } from "../../domain/ids.ts";
import { cannotStore, unplaceable } from "../../ports/new-run.ts";
import type { CreateOutcome, NewRun } from "../../ports/store.ts";
import { json, storable } from "../../ports/stored-text.ts";
import type { Base } from "./base.ts";
import { newFields, stagedChild } from "./children.ts";
import type { FiberFields, RunFields } from "./documents.ts";
import type { Document } from "./driver.ts";
import { dataTexts, keptData } from "./encode.ts";
import { isTooLarge } from "./errors.ts";
import { Image, Row } from "./image.ts";
import { letterOf, post } from "./mailbox.ts";
import { governedQueues } from "./queues.ts";
import { loadRun } from "./reading.ts";
import { applyRedo } from "./redo.ts";
import { insertMissing, type Runs } from "./runs.ts";
import { dropBlobs, kept, writeBlobs } from "./texts.ts";
import { currentLeases } from "./workers.ts";

interface Made {
  readonly image: Image;
  readonly document: RunFields & Document;
  readonly history: readonly Document[];
  readonly leased: boolean;
}

/** Insert-if-absent: a run's document is the run, so its insertion is the start. */
export async function createRuns(base: Base, runs: Runs, given: readonly NewRun[]): Promise<readonly CreateOutcome[]> {
  const outcomes: (CreateOutcome | undefined)[] = given.map(() => undefined);
  const wantLease = given.some(({ root }) => root.leased);
  const [current, governed] = await Promise.all([
    wantLease
      ? currentLeases(
          base,
          given.flatMap(({ lease }) => lease ?? []),
        )
      : NOBODY,
    wantLease ? governedQueues(base) : NOBODY,
  ]);
  const made = new Map<number, Made>();
  const now = base.now();
  for (const [i, run] of given.entries()) {
    try {
      const unplaced = unplaceable(run);
      if (unplaced !== undefined) throw unplaced;
      made.set(i, make(run, { now, current, governed, unique: base.unique }));
    } catch (error) {
      outcomes[i] = { status: "rejected", error: refusal(run, error) };
    }
  }
  for (const [i, { leased }] of made) outcomes[i] = { status: "created", leased };
  await insertAll(base, runs, made, (i, error) => {
    const run = given[i];
    outcomes[i] =
      error === undefined || run === undefined ? undefined : { status: "rejected", error: refusal(run, error) };
  });
  for (const [i, run] of given.entries()) outcomes[i] ??= await existing(base, runs, run);
  if (made.size > 0) base.hints.tell(true, []);
  return outcomes as readonly CreateOutcome[];
}

const NOBODY: ReadonlySet<string> = new Set();

const refusal = (run: NewRun, error: unknown): FlujoError =>
  error instanceof FlujoError
    ? error
    : cannotStore(run.id, error instanceof Error ? error.message : String(error), error);

async function existing(base: Base, runs: Runs, run: NewRun): Promise<CreateOutcome> {
  try {
    const known = await loadRun(base, run.id);
    if (known !== undefined) return { status: "exists", run: known };
    const [again] = await createRuns(base, runs, [run]); // it was pruned in between
    return again ?? { status: "rejected", error: cannotStore(run.id, "it came and went") };
  } catch (error) {
    if (error instanceof FlujoError && error.code === "RECORD_UNDECODABLE") return { status: "rejected", error };
    throw error;
  }
}

/** Inserts what was made; `failed` hears of those that exist (no error) or do not fit. */
async function insertAll(
  base: Base,
  runs: Runs,
  made: ReadonlyMap<number, Made>,
  failed: (i: number, error: unknown) => void,
): Promise<void> {
  const all = [...made.values()];
  const places = [...made.keys()];
  const tag = base.unique();
  const blobs = await writeBlobs(
    base,
    all.map(({ image }) => image),
    tag,
  );
  await Promise.all([
    insertMissing(
      base.in.runs,
      all.flatMap(({ image }) => image.staged),
    ),
    insertMissing(
      base.in.events,
      all.flatMap(({ history }) => history),
    ),
  ]);
  const lost: number[] = [];
  try {
    for (const place of await runs.insert(all.map(({ document }) => document))) lost.push(place);
    for (const place of lost) failed(places[place] ?? 0, undefined);
  } catch (error) {
    if (!isTooLarge(error)) throw error;
    for (const [place, { document }] of all.entries()) {
      try {
        if ((await runs.insert([document])).size === 0) continue;
        failed(places[place] ?? 0, undefined);
      } catch (own) {
        if (!isTooLarge(own)) throw own;
        failed(places[place] ?? 0, own);
      }
      lost.push(place);
    }
  }
  const unused = new Set(lost.map((place) => all[place]));
  for (const { image, history } of all.filter((one) => unused.has(one))) {
    if (blobs && image.blobs.length > 0) await dropBlobs(base, { tag, story: image.story });
    if (image.staged.length > 0) await base.in.runs.deleteMany({ life: image.fields.life });
    if (history.length > 0) await base.in.events.deleteMany({ story: image.story });
  }
  await applyRedo(
    base,
    all
      .filter((one) => !unused.has(one) && one.image.redo.length > 0)
      .map(({ image }) => ({ life: image.fields.life, v: 1, redo: image.redo })),
  );
}

export interface Making {
  readonly now: number;
  /** Leases of living workers, as text. */
  readonly current: ReadonlySet<string>;
  readonly governed: ReadonlySet<string>;
  readonly unique: () => string;
}

/** A new run as its documents. Throws for what cannot be written. */
function make(run: NewRun, { now, current, governed, unique }: Making): Made {
  const refused = run.root.leased && governed.has(storable(run.root.queue));
  const wanted = run.lease === undefined ? undefined : `${run.lease.worker}@${run.lease.epoch}`;
  const leased = run.root.leased && !refused && wanted !== undefined && current.has(wanted);
  const root = refused ? { ...run.root, readyAt: now } : run.root;
  const story = `${run.id}/${unique()}`;
  const skeleton: RunFields = {
    _id: run.id,
    v: 1,
    marks: [],
    story,
    life: `${story}.1`,
    lives: 1,
    fingerprint: run.fingerprint,
    status: leased ? "running" : "pending",
    createdAt: run.createdAt,
    ...(leased && { startedAt: now }),
    events: 0,
    letters: 0,
    effects: 0,
    tail: [],
  };
  const image = new Image(skeleton, true);
  image.blobs.push(...run.blobs);
  const fields = newFields(root, leased ? run.lease : undefined, run.fingerprint);
  image.rows.set(ROOT_FIBER, new Row(run.id, fields));
  const { events = [], fibers = [], messages = [] } = run.continued ?? {};
  const history = events.map(({ fiber, at, facts }, i) => ({
    _id: `${story}/${i + 1}`,
    story,
    n: i + 1,
    fiber,
    at,
    facts: kept(image, json(facts)),
  }));
  image.write({ events: history.length });
  for (const fiber of fibers)
    stagedChild(image, fiber, { data: keptData(image, dataTexts(fiber)), lease: undefined, unique });
  for (const message of messages) {
    image.blobs.push(...(message.blobs ?? []));
    post(image, letterOf(image, message, json(message.data)), now);
  }
  const worker = leased ? run.lease?.worker : undefined;
  image.add({
    fiber: ROOT_FIBER,
    ...(worker !== undefined && { worker }),
    at: run.event.at,
    facts: kept(image, json(run.event.facts)),
  });
  const document = { ...documentOf(image, fields), ...recordOf(image, run), ...keptData(image, dataTexts(root)) };
  return {
    image,
    document: image.redo.length > 0 ? { ...document, redo: image.redo, kids: true, todo: now } : document,
    history,
    leased,
  };
}

const documentOf = (image: Image, root: FiberFields): RunFields & FiberFields => ({
  ...image.fields,
  tail: image.happened,
  ...(image.box.size > 0 && { box: Object.fromEntries([...image.box].map(([n, letter]) => [String(n), letter])) }),
  ...root,
});

const recordOf = (image: Image, { flow, version, metadata, parent, input }: NewRun): Document => ({
  flow: storable(flow),
  version: storable(version),
  meta: Object.entries(metadata).map(([k, v]) => ({ k: storable(k), v: typeof v === "string" ? storable(v) : v })),
  ...(parent && { caller: { run: parent.run, fiber: parent.fiber, reply: storable(parent.reply) } }),
  input: kept(image, json(input)),
});
