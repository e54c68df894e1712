import { FlujoError } from "../domain/errors.ts";
import type { Clock } from "../domain/ambient.ts";
import type { Store } from "../ports/store.ts";
import { memoryStore } from "../stores/memory/store.ts";

/** Opens the store that a URI names: `memory:`, `sqlite:./file.db` (also `sqlite:///absolute/file.db`, `?durability=normal`). */
export async function openStore(uri: string, { clock }: { readonly clock?: Clock } = {}): Promise<Store> {
  const options = clock === undefined ? {} : { clock };
  const scheme = /^([a-z]+):/.exec(uri)?.[1];
  switch (scheme) {
    case "memory":
      return memoryStore(options);
    case "sqlite": {
      const { sqliteStore } = await import("../stores/sqlite/open.ts"); // loads the driver only for those who use it
      return sqliteStore({ ...sqliteTarget(uri), ...options });
    }
    case "postgres":
    case "postgresql":
    case "redis":
    case "rediss":
    case "mongodb":
      throw new FlujoError(
        "STORE_UNSUPPORTED",
        `expected memory: or sqlite: but found ${scheme}:, which this version does not have yet`,
      );
    case undefined:
    default:
      throw new FlujoError(
        "STORE_URI_INVALID",
        `expected a store URI such as sqlite:./flujo.db but found ${JSON.stringify(withoutSecrets(uri))}`,
      );
  }
}

function sqliteTarget(uri: string): { readonly path: string; readonly durability?: "full" | "normal" } {
  const [target = "", query = ""] = uri.slice("sqlite:".length).split("?");
  const path = target.startsWith("//") ? target.slice(2) : target;
  const parameters = new URLSearchParams(query);
  for (const name of parameters.keys()) {
    if (name !== "durability")
      throw new FlujoError("STORE_URI_INVALID", `expected no parameter but durability, found "${name}"`);
  }
  const durability = parameters.get("durability");
  if (durability !== null && durability !== "full" && durability !== "normal") {
    throw new FlujoError("STORE_URI_INVALID", `durability: expected full or normal but found "${durability}"`);
  }
  if (path === "")
    throw new FlujoError("STORE_URI_INVALID", `expected a file after sqlite: but found ${JSON.stringify(uri)}`);
  return { path, ...(durability !== null && { durability }) };
}

/** Credentials in a URI never reach a message. */
export const withoutSecrets = (uri: string): string => uri.replace(/\/\/[^@/]*@/, "//***@");
