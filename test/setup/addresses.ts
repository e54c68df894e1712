import type { Clock } from "../../src/domain/ambient.ts";
import type { Store } from "../../src/ports/store.ts";

/** Where a store keeps its data, in words that can be passed to another process. */
export type Address =
  | { readonly kind: "sqlite"; readonly path: string }
  | { readonly kind: "postgres"; readonly url: string; readonly schema: string }
  | { readonly kind: "redis"; readonly url: string; readonly prefix: string }
  | { readonly kind: "mongodb"; readonly url: string; readonly database: string };

/** Opens the store there. Whoever opens it closes it. */
export async function openAt(address: Address, { clock }: { readonly clock?: Clock | undefined } = {}): Promise<Store> {
  const time = clock === undefined ? {} : { clock };
  switch (address.kind) {
    case "sqlite":
      return (await import("flujo/sqlite")).sqliteStore({ path: address.path, ...time });
    case "postgres":
      return (await import("flujo/postgres")).postgresStore({ url: address.url, schema: address.schema, ...time });
    case "redis":
      return (await import("flujo/redis")).redisStore({ url: address.url, prefix: address.prefix, ...time });
    case "mongodb":
      return (await import("flujo/mongodb")).mongodbStore({ url: address.url, database: address.database, ...time });
  }
}
