import { FlujoError } from "../domain/errors.ts";
import { LIMITS } from "../domain/limits.ts";
import type { ItemQuery, NewItem } from "./items.ts";

/** Why no store keeps this item. Undefined when it can be kept. */
export function unkeepable({ collection, key, expiresAt }: NewItem): FlujoError | undefined {
  if (key.length < 1 || key.length > LIMITS.itemKeyCharacters) {
    const expected = `a key of 1 to ${LIMITS.itemKeyCharacters} characters`;
    return new FlujoError("OPTION_INVALID", `${collection}: expected ${expected} but found ${key.length}`);
  }
  if (expiresAt !== undefined && Number.isNaN(expiresAt)) {
    return new FlujoError("OPTION_INVALID", `${collection}: expected an instant but expiresAt is not a number`);
  }
  return undefined;
}

/** The error of an item that was refused while its neighbours were stored. */
export const cannotKeep = ({ collection, key }: NewItem, cause: unknown): FlujoError => {
  const said = cause instanceof Error ? cause.message : String(cause);
  const what = `the item ${JSON.stringify(key)} of ${collection}`;
  return new FlujoError("VALUE_NOT_SERIALIZABLE", `cannot store ${what}: ${said}`, { cause });
};

/** Throws OPTION_INVALID. */
export function checkListing({ collection, limit }: ItemQuery): void {
  if (Number.isInteger(limit) && limit >= 1 && limit <= LIMITS.pageSize) return;
  const expected = `a whole number from 1 to ${LIMITS.pageSize}`;
  throw new FlujoError("OPTION_INVALID", `limit of ${collection}: expected ${expected} but found ${limit}`);
}
