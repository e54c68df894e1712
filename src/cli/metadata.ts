import { FlujoError } from "../domain/errors.ts";
import type { Metadata } from "../domain/run.ts";

/** `key=value`: a number or true or false where it reads as one, `key="5"` for the text. */
export function metadataOf(pairs: readonly string[]): Metadata {
  return Object.fromEntries(
    pairs.map((pair) => {
      const at = pair.indexOf("=");
      if (at < 1) throw new FlujoError("OPTION_INVALID", `--metadata: expected key=value but found "${pair}"`);
      return [pair.slice(0, at), scalar(pair.slice(at + 1))];
    }),
  );
}

function scalar(text: string): string | number | boolean {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === "string" || typeof value === "number" || typeof value === "boolean") return value;
  } catch {
    // plain text
  }
  return text;
}
