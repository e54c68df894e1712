// Where an engine under measurement keeps its runs, and how its store is opened there.
import type { Store } from "./.build/ports/store.js";

export type Place =
  | { readonly store: "memory" }
  | { readonly store: "sqlite"; readonly directory: string }
  | { readonly store: "postgres"; readonly url: string }
  | { readonly store: "redis"; readonly url: string; readonly prefix: string };

/** Opens the store there, its schema in place. Drivers are loaded only for those who use them. */
export async function openStore(place: Place): Promise<Store> {
  const store = await opened(place);
  await store.migrate();
  return store;
}

async function opened(place: Place): Promise<Store> {
  switch (place.store) {
    case "memory": {
      const { memoryStore } = await import("./.build/testing.js");
      return memoryStore();
    }
    case "sqlite": {
      const { sqliteStore } = await import("./.build/sqlite.js");
      return sqliteStore({ path: `${place.directory}/flujo.db` });
    }
    case "postgres": {
      const { postgresStore } = await import("./.build/postgres.js");
      return postgresStore({ url: place.url });
    }
    case "redis": {
      const { redisStore } = await import("./.build/redis.js");
      return redisStore({ url: place.url, prefix: place.prefix });
    }
  }
}

/** How safely commits are kept there, for the report. What a server says of itself is told with the server. */
export function settingsOf({ store }: Pick<Place, "store">): Record<string, string> {
  switch (store) {
    case "memory":
      return { store: "memory", fsync: "none" };
    case "sqlite":
      return {
        store: "sqlite (libsql)",
        journalMode: "wal",
        synchronous: "FULL, its default",
        fsync: "every commit",
      };
    case "postgres":
      return { store: "postgres", options: "defaults", fsync: "every commit" };
    case "redis":
      return { store: "redis", options: "defaults" };
  }
}
