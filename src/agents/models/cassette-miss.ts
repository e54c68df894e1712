import { sameWire } from "../../domain/canonical.ts";
import type { Wire } from "../../domain/wire.ts";

const MAX_DIFFERENCES = 3; // more say only that it is another request
const MAX_SHOWN_CHARACTERS = 60;

/** Where the most similar of the recorded requests differs, as `path: recorded … asked …`; nothing when there is none. */
export function nearestTo(asked: Wire, recorded: readonly Wire[]): readonly string[] {
  let best: readonly string[] | undefined;
  for (const one of recorded) {
    const found = differences(one, asked, "$");
    if (best === undefined || found.length < best.length) best = found;
  }
  const [all = []] = [best];
  const rest = all.length - MAX_DIFFERENCES;
  return rest > 0 ? [...all.slice(0, MAX_DIFFERENCES), `${rest} more`] : all;
}

function differences(recorded: Wire, asked: Wire, path: string): readonly string[] {
  if (sameWire(recorded, asked)) return [];
  const [before, now] = [children(recorded), children(asked)];
  if (before === undefined || now === undefined) return [`${path}: recorded ${shown(recorded)}, asked ${shown(asked)}`];
  const names = [...new Set([...before.keys(), ...now.keys()])];
  return names.flatMap((name) => {
    const at = Array.isArray(recorded) ? `${path}[${name}]` : `${path}.${name}`;
    const [old, current] = [before.get(name), now.get(name)];
    if (old === undefined) return [`${at}: not recorded, asked ${shown(current ?? null)}`];
    if (current === undefined) return [`${at}: recorded ${shown(old)}, not asked`];
    return differences(old, current, at);
  });
}

function children(wire: Wire): ReadonlyMap<string, Wire> | undefined {
  return typeof wire === "object" && wire !== null ? new Map(Object.entries(wire)) : undefined;
}

function shown(wire: Wire): string {
  const text = JSON.stringify(wire);
  return text.length > MAX_SHOWN_CHARACTERS ? `${text.slice(0, MAX_SHOWN_CHARACTERS)}…` : text;
}
