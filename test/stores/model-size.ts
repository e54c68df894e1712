import type { UnderTest } from "../../src/testing/conformance/under-test.ts";

/**
 * How long the random part of the conformance suite searches: `FLUJO_MODEL_SEEDS` sequences of `FLUJO_MODEL_COMMANDS` commands,
 * of whatever store, to search longer (or shorter) than every day.
 */
export function modelSize(): Pick<UnderTest, "seeds" | "commands"> {
  const [seeds, commands] = [wanted("FLUJO_MODEL_SEEDS"), wanted("FLUJO_MODEL_COMMANDS")];
  return { ...(seeds !== undefined && { seeds }), ...(commands !== undefined && { commands }) };
}

function wanted(variable: string): number | undefined {
  const text = process.env[variable];
  if (text === undefined) return undefined;
  const count = Number(text);
  if (!Number.isSafeInteger(count) || count < 1)
    throw new Error(`${variable}: expected a whole number of at least 1 but found "${text}"`);
  return count;
}
