import { FlujoError } from "../domain/errors.ts";
import { isId } from "../domain/ids.ts";
import type { Flujo } from "../runner/flujo.ts";
import type { Shell } from "./shell.ts";

const PAGE = 1_000;
const MAX_PAGES = 20; // a person means a recent run
const MAX_LISTED = 10;

/**
 * The run that a beginning or an end of its id names (ids sort by time: runs of one minute begin alike, and end differently).
 * Throws RUN_UNKNOWN; when several fit, it lists them.
 */
export async function resolveRun(shell: Shell, flujo: Flujo, text: string): Promise<string> {
  if (isId(text) && (await exists(flujo, text))) return text;
  const found = await shell.slowly(`looking for run ${text}`, candidates(flujo, text));
  const [only, ...others] = found;
  if (only === undefined)
    throw new FlujoError("RUN_UNKNOWN", `no run has the id "${text}", nor one that begins or ends so`);
  if (others.length === 0) return only;
  const listed = found.slice(0, MAX_LISTED).map((id) => `\n  ${id}`);
  const rest = found.length > MAX_LISTED ? `\n  … and ${found.length - MAX_LISTED} more` : "";
  throw new FlujoError("RUN_UNKNOWN", `"${text}" fits ${found.length} runs:${listed.join("")}${rest}`, {
    details: { candidates: found.slice(0, MAX_LISTED) },
  });
}

async function exists(flujo: Flujo, id: string): Promise<boolean> {
  try {
    await flujo.get(id);
    return true;
  } catch (error) {
    if (error instanceof FlujoError && error.code === "RUN_UNKNOWN") return false;
    throw error;
  }
}

async function candidates(flujo: Flujo, text: string): Promise<readonly string[]> {
  const found: string[] = [];
  let cursor: string | undefined;
  for (let page = 0; page < MAX_PAGES; page++) {
    const { items, next } = await flujo.list({ limit: PAGE, ...(cursor !== undefined && { cursor }) });
    found.push(...items.map(({ id }) => id).filter((id) => id.startsWith(text) || id.endsWith(text)));
    if (next === undefined) break;
    cursor = next;
  }
  return found;
}
