import { json } from "./prompts/filters.ts";

/** What a model reads: text as it is, anything else as JSON. Throws PROMPT_INVALID for bytes. */
export const asText = (value: unknown): string => (typeof value === "string" ? value : json(value ?? null));
