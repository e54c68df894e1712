import type { NewRun } from "../../ports/store.ts";
import type { Base } from "./base.ts";
import { requestCancelOfRun } from "./cancel.ts";
import type { Outgoing, RunFields } from "./documents.ts";
import type { Image } from "./image.ts";
import { needsOfMail, post } from "./mailbox.ts";
import type { Needs, Runs } from "./runs.ts";
import { createRuns } from "./start.ts";
import { keptToo, wholeTexts } from "./texts.ts";

/*
 * What one run does to another: kept with the transition, applied to the target under its tag, then dropped. Exactly once, whoever
 * applies it, however late:
 *
 *   1. read the target (version, tags)      2. read whether the source still has the effect
 *   3. write the target, with the tag, on condition of its version      4. drop the effect      5. drop the tag
 *
 * If another one did 3 before our 1, we see the tag, or (he has done 5) in 2 that the effect is gone. If he did 3 after our 1, our 3
 * fails, since the version moved on. The order of 1 and 2 is what this stands on.
 */

interface Effect {
  readonly source: string;
  readonly effect: Outgoing;
}

/** Applies what these images have just written into their outgoing lists. */
export async function sendOut(
  base: Base,
  runs: Runs,
  sources: readonly Pick<Image, "id" | "outgoing">[],
): Promise<void> {
  const effects = sources.flatMap(({ id, outgoing }) => outgoing.map((effect) => ({ source: id, effect })));
  if (effects.length > 0) await applyEffects(base, runs, effects);
}

export async function applyEffects(base: Base, runs: Runs, effects: readonly Effect[]): Promise<void> {
  await startRuns(base, runs, effects);
  const byTarget = new Map<string, Effect[]>();
  for (const one of effects) {
    if (one.effect.kind === "start") continue;
    const others = byTarget.get(one.effect.to);
    if (others === undefined) byTarget.set(one.effect.to, [one]);
    else others.push(one);
  }
  const pending = { tags: new Set<string>() };
  if (byTarget.size > 0) {
    await runs.change({
      runs: [...byTarget.keys()],
      needs: (image) => needsOf(byTarget.get(image.id) ?? []),
      /** Between reading and deciding, as the order above demands. */
      between: async () => {
        pending.tags = await stillPending(base, effects);
      },
      decide: (image, run, now) => {
        for (const { effect } of byTarget.get(run) ?? []) {
          if (image !== undefined && pending.tags.has(effect.tag) && image.fields.tags?.includes(effect.tag) !== true)
            apply(image, effect, now);
        }
      },
    });
  }
  await dropOutgoing(base, effects);
  await Promise.all([...byTarget].map(async ([run, list]) => dropTags(base, run, list)));
}

function needsOf(effects: readonly Effect[]): Needs {
  const all = effects.flatMap(({ effect }) => (effect.kind === "send" ? [needsOfMail(effect.letter)] : []));
  return { names: all.flatMap(({ names }) => names), tokens: all.flatMap(({ tokens }) => tokens) };
}

/** To a run that has ended, or a message that was there before: nothing is written, so there is nothing to remember. */
function apply(image: Image, effect: Outgoing, now: number): void {
  if (effect.kind === "send") {
    if (post(image, effect.letter, now) !== "delivered") return;
    keptToo(image, effect.letter.data);
  } else if (effect.kind !== "cancel" || requestCancelOfRun(image, effect.reason, now) === "ended") return;
  image.newTags.push(effect.tag);
  image.dirty = true;
}

/** A run's id makes its start idempotent. */
async function startRuns(base: Base, runs: Runs, effects: readonly Effect[]): Promise<void> {
  const texts = effects.flatMap(({ effect }) => (effect.kind === "start" ? [effect.run] : []));
  if (texts.length === 0) return;
  const whole = await wholeTexts(base, texts);
  await createRuns(
    base,
    runs,
    texts.map((text) => JSON.parse(whole.get(text) ?? text) as NewRun),
  );
}

async function stillPending(base: Base, effects: readonly Effect[]): Promise<Set<string>> {
  const sources = [...new Set(effects.map(({ source }) => source))];
  const found = (await base.in.runs
    .find({ _id: { $in: sources }, out: { $exists: true } }, { projection: { out: 1 } })
    .toArray()) as readonly Pick<RunFields, "out">[];
  return new Set(found.flatMap(({ out = [] }) => out.map(({ tag }) => tag)));
}

async function dropOutgoing(base: Base, effects: readonly Effect[]): Promise<void> {
  const bySource = new Map<string, string[]>();
  for (const { source, effect } of effects) bySource.set(source, [...(bySource.get(source) ?? []), effect.tag]);
  const operations = [...bySource].map(([source, tags]) => ({
    updateOne: { filter: { _id: source }, update: { $pull: { out: { tag: { $in: tags } } } } },
  }));
  await base.in.runs.bulkWrite(operations, { ordered: false });
}

async function dropTags(base: Base, run: string, effects: readonly Effect[]): Promise<void> {
  await base.in.runs.updateOne({ _id: run }, { $pull: { tags: { $in: effects.map(({ effect }) => effect.tag) } } });
}

/** How long after a write its leftovers are taken for those of a crash: whoever wrote it is at work on them before. */
const GRACE_MS = 1_000;
const LEFTOVERS = 100;

/** Finishes what crashes left between two writes. Doing it for somebody who is only slow is harmless. */
export async function finishLeftovers(base: Base, runs: Runs): Promise<void> {
  const left = (await base.in.runs
    .find({ todo: { $lte: base.now() - GRACE_MS } }, { projection: { _id: 1 }, sort: { todo: 1 }, limit: LEFTOVERS })
    .toArray()) as readonly Pick<RunFields, "_id">[];
  if (left.length === 0) return;
  const images = await runs.load(left.map(({ _id }) => _id)); // which applies their redo
  const effects = images.flatMap(({ id, fields }) => (fields.out ?? []).map((effect) => ({ source: id, effect })));
  if (effects.length > 0) await applyEffects(base, runs, effects);
  const operations = images.map(({ id, v }) => ({
    updateOne: { filter: { _id: id, v }, update: { $unset: { todo: "", redo: "", out: "" } } },
  }));
  await base.in.runs.bulkWrite(operations, { ordered: false });
}
