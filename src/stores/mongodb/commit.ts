import type { CommitOutcome, Transition } from "../../ports/store.ts";
import type { Base } from "./base.ts";
import { decide, rejected } from "./decide.ts";
import { sendOut } from "./effects.ts";
import type { Image } from "./image.ts";
import { probeOf } from "./mailbox.ts";
import { governedQueues } from "./queues.ts";
import type { Needs, Runs } from "./runs.ts";

/*
 * A batch goes out in waves. In one wave each run is written once, with all its transitions, and all runs in one message: 100
 * steps of 100 runs that their worker holds are one round trip. A transition opens a new wave if its run hears from an earlier
 * one of the wave, or if its run has much to write already; so a batch behaves as if its transitions came one after another.
 */

/** Characters of one write: children's values stand in it twice, and a document holds 16 MB. */
const WAVE_CHARACTERS = 2_000_000;

type Place = readonly [index: number, transition: Transition];
type Wave = ReadonlyMap<string, readonly Place[]>;

export async function commit(base: Base, runs: Runs, batch: readonly Transition[]): Promise<readonly CommitOutcome[]> {
  const outcomes: CommitOutcome[] = [];
  const governed = batch.some(asksForRules) ? await governedQueues(base) : NO_QUEUES;
  for (const wave of wavesOf(batch)) {
    const images = new Map<string, Image>();
    const answers = await runs.change<readonly CommitOutcome[]>({
      runs: [...wave.keys()],
      needs: ({ id }) => needsOf(id, wave.get(id) ?? []),
      useKept: true,
      keep: isResident,
      decide: (image, run, now) => {
        if (image !== undefined) images.set(run, image);
        return (wave.get(run) ?? []).map(([, t]) => decide(image, t, { now, governed, unique: base.unique }));
      },
      tooLarge: (error) => [{ status: "rejected", error }],
    });
    for (const [run, places] of wave) {
      const answer = answers.get(run) ?? [];
      for (const [i, [index, t]] of places.entries()) outcomes[index] = answer[i] ?? rejected(t, answer[0]);
    }
    await sendOut(
      base,
      runs,
      [...images.values()].filter(({ outgoing }) => outgoing.length > 0),
    );
  }
  tell(base, batch, outcomes);
  return outcomes;
}

const NO_QUEUES: ReadonlySet<string> = new Set();

const asksForRules = ({ scheduling, spawn }: Transition): boolean =>
  scheduling !== undefined || spawn.some(({ leased }) => leased);

/** Its worker goes on with it. With effects under way it is read again: they shall not be taken for done. */
const isResident = (image: Image): boolean =>
  !image.ended &&
  image.outgoing.length === 0 &&
  [...image.rows.values()].some(({ fields }) => fields.lease !== undefined);

function wavesOf(batch: readonly Transition[]): readonly Wave[] {
  const waves: Map<string, Place[]>[] = [];
  let wave = new Map<string, Place[]>();
  let targets = new Set<string>();
  let sizes = new Map<string, number>();
  for (const [index, t] of batch.entries()) {
    const size = roughSize(t) + (sizes.get(t.run) ?? 0);
    if (targets.has(t.run) || (size > WAVE_CHARACTERS && wave.has(t.run))) {
      waves.push(wave);
      wave = new Map();
      targets = new Set();
      sizes = new Map();
    }
    sizes.set(t.run, size);
    const places = wave.get(t.run);
    if (places === undefined) wave.set(t.run, [[index, t]]);
    else places.push([index, t]);
    for (const { run } of [...t.send, ...t.cancelRuns]) if (run !== t.run) targets.add(run);
    for (const { id } of t.startRuns) targets.add(id);
  }
  if (wave.size > 0) waves.push(wave);
  return waves;
}

/** Texts tell enough: whatever is large was put into text by the codec, or is kept apart. */
const roughSize = ({ value, context, state }: Transition): number =>
  [value, context, state].reduce<number>((sum, wire) => sum + (typeof wire === "string" ? wire.length : 20_000), 0);

function needsOf(run: string, places: readonly Place[]): Needs {
  const keys = places.flatMap(([, t]) => [t.fiber, ...t.spawn.map(({ key }) => key)]);
  const mail = places.flatMap(([, t]) => t.send.filter((message) => message.run === run).map(probeOf));
  return {
    keys,
    names: mail.flatMap(({ names }) => names),
    tokens: mail.flatMap(({ tokens }) => tokens),
  };
}

/** Once for the batch, after it is durable. */
function tell({ hints }: Base, batch: readonly Transition[], outcomes: readonly CommitOutcome[]): void {
  let ready = false;
  const noted = new Set<string>();
  for (const [i, { run, position, spawn, send, startRuns, cancelRuns, cancelFork, scheduling }] of batch.entries()) {
    if (outcomes[i]?.status !== "committed") continue;
    if (position.kind !== "held" || scheduling !== undefined) ready = true;
    if (spawn.length > 0 || send.length > 0 || startRuns.length > 0 || cancelFork !== undefined) ready = true;
    if (position.kind !== "held") noted.add(run);
    for (const one of cancelRuns) noted.add(one.run);
    if (cancelFork !== undefined) noted.add(run);
  }
  hints.tell(ready || noted.size > 0, [...noted]);
}
