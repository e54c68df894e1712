import { FlujoError } from "../../domain/errors.ts";
import type { PgClient } from "./driver.ts";

/**
 * The connection, for as long as the transaction lasts. A step that was aborted may still be running when everything has been
 * rolled back and the connection is back in its pool: what it writes then would stand alone, or become part of somebody else's
 * transaction. Releasing it is not the step's business at all.
 */
export function handleOf(client: PgClient, isOver: () => boolean): PgClient {
  return new Proxy(client, {
    get: (_, name) => {
      const value: unknown = Reflect.get(client, name);
      if (name === "release") return () => undefined;
      if (typeof value !== "function") return value;
      return (...given: readonly unknown[]): unknown => {
        if (isOver())
          throw new FlujoError("TRANSACTION_OVER", `${String(name)} was called after the transaction had ended`);
        return Reflect.apply(value, client, given);
      };
    },
  });
}
