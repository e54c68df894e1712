import { ROOT_FIBER } from "../../domain/ids.ts";
import { unsendable } from "../../ports/new-message.ts";
import type { Revival } from "../../ports/store.ts";
import { json, storable } from "../../ports/stored-text.ts";
import type { Base } from "./base.ts";
import { newFields, stagedChild } from "./children.ts";
import { dataTexts, keptData } from "./encode.ts";
import { type Image, Row } from "./image.ts";
import { letterOf, post } from "./mailbox.ts";
import type { Runs } from "./runs.ts";
import { kept } from "./texts.ts";

/** A new life: children of the one before, and whatever is still written late for them, no longer count. */
export async function revive(base: Base, runs: Runs, revival: Revival): Promise<"revived" | "not-ended" | "unknown"> {
  const tokens = revival.messages.flatMap(({ id }) => (id === undefined ? [] : [`i:${storable(id)}`]));
  const answers = await runs.change<"revived" | "not-ended" | "unknown">({
    runs: [revival.run],
    needs: () => ({ tokens }),
    decide: (image, _run, now) => {
      if (image === undefined) return "unknown";
      if (!image.ended) return "not-ended";
      for (const message of revival.messages) {
        const error = unsendable(message);
        if (error !== undefined) throw error;
      }
      begin(image, revival, { now, unique: base.unique });
      return "revived";
    },
  });
  const answer = answers.get(revival.run) ?? "unknown";
  if (answer === "revived") base.hints.tell(true, [revival.run]);
  return answer;
}

function begin(
  image: Image,
  revival: Revival,
  { now, unique }: { readonly now: number; readonly unique: () => string },
): void {
  const lives = image.fields.lives + 1;
  image.write({
    status: "running",
    endedAt: undefined,
    cancelReason: undefined,
    lives,
    life: `${image.story}.${lives}`,
  });
  image.write({ output: undefined, failure: undefined });
  image.blobs.push(...revival.blobs);
  for (const fiber of revival.fibers) {
    const data = keptData(image, dataTexts(fiber));
    if (fiber.key !== ROOT_FIBER) {
      stagedChild(image, fiber, { data, lease: undefined, unique });
      continue;
    }
    const fields = newFields(fiber, undefined, image.fields.fingerprint);
    const root = new Row(image.id, fields);
    root.write({ ...fields, ...data });
    image.rows.set(ROOT_FIBER, root);
  }
  for (const message of revival.messages) {
    image.blobs.push(...(message.blobs ?? []));
    post(image, letterOf(image, message, json(message.data)), now);
  }
  const first = revival.fibers[0]?.key ?? ROOT_FIBER;
  image.add({ fiber: first, at: revival.event.at, facts: kept(image, json(revival.event.facts)) });
}
