import { isEnd, type RunRecord, type RunStatus } from "../../domain/run.ts";
import type { ChildResult, EventRecord, FiberRecord, MessageRecord } from "../../ports/store.ts";
import type { Base } from "./base.ts";
import type { ChildDocument, Happening, Letter, RunDocument, RunFields } from "./documents.ts";
import type { Document } from "./driver.ts";
import { childResult, eventRecord, fiberRecord, messageRecord, runRecord, textsOfFiber, textsOfRun } from "./rows.ts";
import { applyRedo } from "./redo.ts";
import { wholeTexts } from "./texts.ts";

/** A run's document whole, its children's documents up to date. */
export async function runDocument(base: Base, run: string): Promise<RunDocument | undefined> {
  const [found] = (await base.in.runs.find({ _id: run, v: { $exists: true } }).toArray()) as readonly RunDocument[];
  if (found?.redo !== undefined) await applyRedo(base, [{ life: found.life, v: found.v, redo: found.redo }]);
  return found;
}

export async function loadRun(base: Base, run: string): Promise<RunRecord | undefined> {
  const found = await runDocument(base, run);
  return found === undefined ? undefined : (await records(base, [found]))[0];
}

/** Run records with their statuses, in the order given. */
export async function records(base: Base, found: readonly RunDocument[]): Promise<readonly RunRecord[]> {
  const statuses = await statusesOf(base, found);
  const whole = await wholeTexts(base, found.flatMap(textsOfRun));
  return found.map((run) => runRecord(run, statuses.get(run._id) ?? run.status, whole));
}

type Standing = Pick<
  RunDocument,
  "_id" | "v" | "status" | "kids" | "life" | "seq" | "lease" | "wait" | "waitKind" | "due" | "ended"
>;
interface Open {
  readonly lease?: string | undefined;
  readonly waitKind?: string | undefined;
  readonly due?: number | undefined;
}

/** `waiting` and `paused` are read from the fibers, never stored, so that they cannot disagree. */
async function statusesOf(base: Base, found: readonly Standing[]): Promise<ReadonlyMap<string, RunStatus>> {
  const now = base.now();
  const families = found.filter(({ status, kids }) => status === "running" && kids === true);
  const open = new Map<string, Open[]>();
  if (families.length > 0) {
    const groups = (await base.in.runs
      .aggregate([
        {
          $match: {
            life: { $in: families.map(({ life }) => life) },
            key: { $exists: true },
            ended: { $exists: false },
            run: { $exists: true },
          },
        },
        { $group: { _id: { life: "$life", lease: "$lease", waitKind: "$waitKind" }, due: { $min: "$due" } } },
      ])
      .toArray()) as readonly {
      readonly _id: { readonly life: string; readonly lease?: string | null; readonly waitKind?: string | null };
      readonly due?: number | null;
    }[];
    for (const { _id, due } of groups) {
      const rows = open.get(_id.life) ?? [];
      rows.push({ lease: _id.lease ?? undefined, waitKind: _id.waitKind ?? undefined, due: due ?? undefined });
      open.set(_id.life, rows);
    }
  }
  const statuses = new Map(
    found.map((run) => {
      const root = run.seq === undefined ? [] : [run];
      const status = run.status === "running" ? statusAmong([...root, ...(open.get(run.life) ?? [])], now) : run.status;
      return [run._id, status] as const;
    }),
  );
  for (const run of await changed(
    base,
    families.filter(({ _id }) => statuses.get(_id) !== "running"),
  ))
    statuses.set(run, "running");
  return statuses;
}

/**
 * Runs that were written since they were read. Their root may have been seen before its last child ended and their children
 * after it: then nobody seemed to move, and whoever waited for a result was told that the run waits.
 */
async function changed(base: Base, runs: readonly Standing[]): Promise<readonly string[]> {
  if (runs.length === 0) return [];
  const versions = (await base.in.runs
    .find({ _id: { $in: runs.map(({ _id }) => _id) } }, { projection: { v: 1 } })
    .toArray()) as readonly Pick<RunFields, "_id" | "v">[];
  const now = new Map(versions.map(({ _id, v }) => [_id, v]));
  return runs.filter(({ _id, v }) => now.get(_id) !== v).map(({ _id }) => _id);
}

function statusAmong(rows: readonly Open[], now: number): RunStatus {
  if (
    rows.some(
      ({ lease, waitKind, due }) => lease !== undefined || waitKind === undefined || (due !== undefined && due <= now),
    )
  ) {
    return "running";
  }
  return rows.some(({ waitKind }) => waitKind === "human") ? "paused" : "waiting";
}

/** Two documents are no snapshot: the run is read again until nobody wrote it meanwhile, a few times. */
async function ofFamily(
  base: Base,
  run: string,
  filter: Document,
): Promise<readonly [RunDocument | undefined, readonly ChildDocument[]]> {
  for (let tries = 0; ; tries++) {
    const found = await runDocument(base, run);
    if (found?.kids !== true || isEnd(found.status)) return [found, []];
    const children = await base.in.runs
      .find({ life: found.life, key: { $exists: true }, run: { $exists: true }, ...filter }, { sort: { key: 1 } })
      .toArray();
    const [now] = (await base.in.runs.find({ _id: run }, { projection: { v: 1 } }).toArray()) as readonly Pick<
      RunFields,
      "v"
    >[];
    if (now?.v === found.v || tries === 5) return [found, children as readonly ChildDocument[]];
  }
}

export async function fibersOf(base: Base, run: string): Promise<readonly FiberRecord[]> {
  const [found, children] = await ofFamily(base, run, {});
  if (found === undefined) return [];
  const rows = [...(found.seq === undefined ? [] : [found]), ...children];
  const whole = await wholeTexts(base, rows.flatMap(textsOfFiber));
  return rows.map((row) => fiberRecord(run, row, whole));
}

export async function childrenOf(
  base: Base,
  run: string,
  parent: string,
  fork: number,
): Promise<readonly ChildResult[]> {
  const [, children] = await ofFamily(base, run, { parent, fork, ended: { $exists: true } });
  const whole = await wholeTexts(base, children.flatMap(textsOfFiber));
  return children.map((row) => childResult(run, row, whole)).sort((a, b) => a.ordinal - b.ordinal);
}

/** Events stand in the run's document, and in `events` once they have become many; some in both for a moment. */
export async function history(
  base: Base,
  run: string,
  { after = 0, limit }: { readonly after?: number; readonly limit?: number },
): Promise<readonly EventRecord[]> {
  const [found] = (await base.in.runs
    .find({ _id: run }, { projection: { story: 1, tail: 1 } })
    .toArray()) as readonly Pick<RunFields, "story" | "tail">[];
  if (found === undefined) return [];
  const first = found.tail[0]?.n ?? Number.POSITIVE_INFINITY;
  const recent = found.tail.filter(({ n }) => n > after);
  const older =
    first <= after + 1
      ? []
      : ((await base.in.events
          .find(
            { story: found.story, n: { $gt: after, $lt: first } },
            { sort: { n: 1 }, ...(limit !== undefined && { limit }) },
          )
          .toArray()) as readonly Happening[]);
  const events = [...older, ...recent].slice(0, limit);
  const whole = await wholeTexts(
    base,
    events.map(({ facts }) => facts),
  );
  return events.map((event) => eventRecord(event, whole));
}

export async function messagesOf(base: Base, run: string): Promise<readonly MessageRecord[]> {
  const [found] = (await base.in.runs.find({ _id: run }, { projection: { box: 1 } }).toArray()) as readonly Pick<
    RunFields,
    "box"
  >[];
  return letters(base, run, new Map(Object.entries(found?.box ?? {}).map(([n, letter]) => [Number(n), letter])));
}

export async function letters(
  base: Base,
  run: string,
  box: ReadonlyMap<number, Letter>,
): Promise<readonly MessageRecord[]> {
  const whole = await wholeTexts(
    base,
    [...box.values()].map(({ data }) => data),
  );
  return [...box].sort(([a], [b]) => a - b).map(([n, letter]) => messageRecord(run, n, letter, whole));
}
