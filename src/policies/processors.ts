import { process } from "../domain/processing.ts";
import type { Policy } from "./policy.ts";

/** Data on its way in, and on its way out. Agents do this themselves, with their prompts and texts. Source: Flujo, processors. */
export const processors: Policy = (next, { node: { around }, purpose }) => {
  const lists = around?.processors;
  if (lists === undefined || purpose === "undo") return next;
  return async (attempt) => {
    const ctx = attempt.context;
    const input = await process("prompt", lists.prompt, { data: attempt.input, ctx });
    return process("output", lists.output, { data: await next({ ...attempt, input }), ctx });
  };
};
