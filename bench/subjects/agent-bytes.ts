// An agent whose tool returns a text of `--characters` in each of its turns; what the store keeps when its worker is closed.
import { leaveAgent } from "../flujo-agent.ts";
import { type Place, settingsOf } from "../flujo-place.ts";
import { arguments_ } from "../peers/closed-loop.mjs";
import { firstRow, postgresBytes, sqliteBytes } from "../peers/stored-bytes.mjs";
import { scratchPlace } from "./place.ts";
import { reportFlujo } from "./report.ts";

const { turns, characters } = arguments_;

interface Stored {
  readonly storedBytes: number;
  /** What is rewritten with every transition of the run: the state of its line of execution, and the value that flows. */
  readonly headRowBytes: number;
}

async function stored(place: Place): Promise<Stored> {
  switch (place.store) {
    case "sqlite": {
      const { default: Database } = await import("libsql");
      const path = `${place.directory}/flujo.db`;
      const database = new Database(path);
      database.pragma("wal_checkpoint(TRUNCATE)");
      const head = "SELECT octet_length(state) + octet_length(value) AS bytes FROM fibers";
      const { bytes } = database.prepare(head).get() as { readonly bytes: number };
      database.close();
      return { storedBytes: sqliteBytes(path), headRowBytes: bytes };
    }
    case "postgres": {
      const head = "SELECT octet_length(state) + octet_length(value) AS bytes FROM flujo.fibers";
      return { storedBytes: await postgresBytes(place.url), headRowBytes: (await firstRow(place.url, head)).bytes };
    }
    case "memory":
    case "redis":
      throw new RangeError(`bytes are not counted in ${place.store}`);
  }
}

await using scratch = await scratchPlace();
const { place } = scratch;
const startedAt = performance.now();
await leaveAgent(place, { turns, characters });
const seconds = (performance.now() - startedAt) / 1000;
const figures = await stored(place);
const timesContent = figures.storedBytes / (turns * characters);
reportFlujo(settingsOf(place), { turns, ...figures, timesContent, seconds });
