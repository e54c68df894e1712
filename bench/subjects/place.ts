// Where a measured process keeps its runs: at `--place`, when the parent has prepared one, else somewhere of its own.
import type { Place } from "../flujo-place.ts";
import { arguments_, scratchDirectory } from "../peers/closed-loop.mjs";
import { scratchDatabase, scratchPrefix } from "../peers/scratch-server.mjs";

/** A fresh place in the store that `--store` names, deleted at the end, or the one that was given. */
export async function scratchPlace(): Promise<{ readonly place: Place } & AsyncDisposable> {
  if (arguments_.place !== undefined) {
    return { place: parsePlace(arguments_.place), [Symbol.asyncDispose]: async () => {} };
  }
  const { place, dispose } = await fresh();
  return { place, [Symbol.asyncDispose]: async () => dispose() };
}

async function fresh(): Promise<{ readonly place: Place; dispose(): void | Promise<void> }> {
  switch (arguments_.store) {
    case "memory":
      return { place: { store: "memory" }, dispose: () => {} };
    case "sqlite": {
      const { path: directory, dispose } = scratchDirectory();
      return { place: { store: "sqlite", directory }, dispose };
    }
    case "postgres": {
      const { url, dispose } = await scratchDatabase(arguments_.url);
      return { place: { store: "postgres", url }, dispose };
    }
    case "redis": {
      const { url, prefix, dispose } = await scratchPrefix(arguments_.url);
      return { place: { store: "redis", url, prefix }, dispose };
    }
    default:
      throw new RangeError(`no such store: ${arguments_.store}`);
  }
}

/** The place that an option names. It was written by this bench a moment ago, hence no check. */
export function parsePlace(json: string | undefined): Place {
  if (json === undefined) throw new RangeError("--place and --beside must say where the store is");
  return JSON.parse(json) as Place;
}
