import { filterOf } from "./filter.ts";
import { setAt, unsetAt, valueAt } from "./paths.ts";
import { badValue, failedToParse, onlyKnows, Refusal } from "./refusal.ts";
import type { Document } from "./wire.ts";

type Apply = (document: Document, path: string, operand: unknown, inserting: boolean) => void;

const numberOf = (what: string, value: unknown): number => {
  if (typeof value !== "number") throw new Refusal(14, "TypeMismatch", `${what} needs a number`);
  return value;
};

const arrayAt = (document: Document, path: string): unknown[] => {
  const found = valueAt(document, path);
  if (found === undefined) return [];
  if (!Array.isArray(found)) throw badValue(`the field ${path} must be an array`);
  return found as unknown[];
};

const OPERATORS: Readonly<Record<string, Apply>> = {
  $set: (document, path, value) => setAt(document, path, value),
  $setOnInsert: (document, path, value, inserting) => {
    if (inserting) setAt(document, path, value);
  },
  $unset: (document, path) => unsetAt(document, path),
  $inc: (document, path, by) => {
    const before = valueAt(document, path) ?? 0;
    setAt(document, path, numberOf("$inc", before) + numberOf("$inc", by));
  },
  $push: (document, path, value) => {
    const many =
      typeof value === "object" && value !== null && "$each" in value ? (value as Document) : { $each: [value] };
    onlyKnows("$push", many, ["$each"]);
    setAt(document, path, [...arrayAt(document, path), ...(many["$each"] as unknown[])]);
  },
  $pull: (document, path, condition) => {
    if (valueAt(document, path) === undefined) return;
    const items = arrayAt(document, path);
    setAt(
      document,
      path,
      items.filter((item) => !pulled(item, condition)),
    );
  },
  $rename: (document, path, to) => {
    const value = valueAt(document, path);
    if (value === undefined) return;
    unsetAt(document, path);
    setAt(document, String(to), value);
  },
};

/** A condition with operators on a scalar is asked of the item; one without, of its fields. */
function pulled(item: unknown, condition: unknown): boolean {
  if (typeof condition !== "object" || condition === null) return item === condition;
  const onItem = Object.keys(condition).every((key) => key.startsWith("$"));
  if (onItem) return filterOf({ item: condition })({ item });
  return typeof item === "object" && item !== null && filterOf(condition as Document)(item as Document);
}

export const isReplacement = (update: Document): boolean => !Object.keys(update).some((key) => key.startsWith("$"));

/** What an update makes of a document. The document itself stays as it was. */
export function updated(before: Document, update: unknown, inserting: boolean): Document {
  if (Array.isArray(update)) throw failedToParse("the double knows no update pipelines");
  const given = update as Document;
  if (isReplacement(given)) return { ...("_id" in before && { _id: before["_id"] }), ...given };
  const after = structuredClone(before);
  refuseConflicts(given);
  for (const [name, fields] of Object.entries(given)) {
    const apply = OPERATORS[name];
    if (apply === undefined) throw failedToParse(`unknown modifier: ${name}`);
    if (Object.keys(fields as Document).length === 0 && name !== "$set") throw failedToParse(`'${name}' is empty`);
    for (const [path, operand] of Object.entries(fields as Document)) {
      if (path === "_id" && !inserting) throw new Refusal(66, "ImmutableField", "the field _id is immutable");
      apply(after, path, operand, inserting);
    }
  }
  return after;
}

/** As MongoDB: no two operators may touch one path, nor a path and a part of it. */
function refuseConflicts(update: Document): void {
  const paths = Object.entries(update).flatMap(([name, fields]) =>
    name === "$rename"
      ? Object.entries(fields as Document).flatMap(([from, to]) => [from, String(to)])
      : Object.keys(fields as Document),
  );
  const sorted = [...paths].sort();
  const known = new Set<string>();
  for (const path of sorted) {
    const parts = path.split(".");
    const clash = parts.some((_, i) => known.has(parts.slice(0, i + 1).join(".")));
    if (clash)
      throw new Refusal(40, "ConflictingUpdateOperators", `updating the path '${path}' would create a conflict`);
    known.add(path);
  }
}
