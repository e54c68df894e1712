import { createHmac } from "node:crypto";
import { FlujoError } from "../../domain/errors.ts";

const KIND = "[A-Z][A-Z0-9_]{0,31}";
/** 64 bits: with ten million originals two share a placeholder once in 400,000 such stores. 32 bits would take 80,000 originals. */
const HEX_CHARACTERS = 16;
const IS_KIND = new RegExp(`^${KIND}$`);
const FORM = `\\[${KIND}_x[0-9a-f]{${HEX_CHARACTERS}}\\]`;

/** A new one each time: a global pattern remembers where it stopped. */
export const placeholders = (): RegExp => new RegExp(FORM, "g");

/** What stands for a text that only looked like a placeholder, so that bringing originals back gives that text again. */
export const LITERAL = "LITERAL";

/** Throws OPTION_INVALID. */
export function checkKind(kind: string): void {
  if (!IS_KIND.test(kind) || kind === LITERAL)
    throw new FlujoError(
      "OPTION_INVALID",
      `expected a detector's kind such as EMAIL but found ${JSON.stringify(kind)}`,
    );
}

/** The same for the same original under the same key, in every process; nobody without the key can try out originals. */
export function placeholderFor(key: Uint8Array, kind: string, original: string): string {
  const digest = createHmac("sha256", key).update(kind).update("\0").update(original).digest("hex");
  return `[${kind}_x${digest.slice(0, HEX_CHARACTERS)}]`;
}
