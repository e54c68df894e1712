import type { NewMessage, SignalOutcome } from "../../ports/store.ts";
import { unsendable } from "../../ports/new-message.ts";
import { json, storable } from "../../ports/stored-text.ts";
import type { Base } from "./base.ts";
import type { Letter } from "./documents.ts";
import { type Image, type Row, tokenOf } from "./image.ts";
import type { Needs, Runs } from "./runs.ts";
import { kept, type Keeper } from "./texts.ts";

/** A message as it is kept; its data is JSON text already. */
export const letterOf = (keeper: Keeper, { id, once, name, sentAt }: NewMessage, data: string): Letter => ({
  ...(id !== undefined && { id: storable(id) }),
  ...(once !== undefined && { once: storable(once) }),
  name: storable(name),
  data: kept(keeper, data),
  sentAt,
});

/** I5: the message and the wake-up are one write. Leased fibers find it when they park. */
export function post(image: Image, letter: Letter, now: number): SignalOutcome {
  const token = tokenOf(letter);
  if (token !== undefined && image.hasHeard(token)) return "duplicate";
  if (image.ended) return "ended";
  image.post(letter);
  for (const row of image.rows.values()) if (row.fields.names?.includes(letter.name) === true) wake(row, now);
  return "delivered";
}

/** Makes a fiber that nobody holds due now. */
export function wake(row: Row, now: number): void {
  const { lease, ended, due } = row.fields;
  if (lease !== undefined || ended !== undefined || (due !== undefined && due <= now)) return;
  row.write({ due: now });
}

/** What has to be seen before a message is accepted: whether its id was heard, and who waits for it. */
export function needsOfMail(letter: Pick<Letter, "id" | "once" | "name">): Required<Pick<Needs, "names" | "tokens">> {
  const token = tokenOf(letter);
  return { names: [letter.name], tokens: token === undefined ? [] : [token] };
}

/** The same of a message that is not written down yet. */
export const probeOf = ({ id, once, name }: NewMessage): ReturnType<typeof needsOfMail> =>
  needsOfMail({
    name: storable(name),
    ...(id !== undefined && { id: storable(id) }),
    ...(once !== undefined && { once: storable(once) }),
  });

export async function signal(base: Base, runs: Runs, message: NewMessage): Promise<SignalOutcome> {
  const error = unsendable(message);
  if (error !== undefined) throw error;
  const data = json(message.data);
  const answers = await runs.change<SignalOutcome>({
    runs: [message.run],
    needs: () => probeOf(message),
    decide: (image, _run, now) => {
      if (image === undefined) return "unknown";
      const letter = letterOf(image, message, data);
      const answer = post(image, letter, now);
      if (answer === "delivered") image.blobs.push(...(message.blobs ?? []));
      else image.blobs.length = 0;
      return answer;
    },
  });
  const answer = answers.get(message.run) ?? "unknown";
  if (answer === "delivered") base.hints.tell(true, []);
  return answer;
}
