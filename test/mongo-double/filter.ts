import { Query } from "mingo";
import { badValue } from "./refusal.ts";
import type { Document } from "./wire.ts";

const LOGICAL = ["$and", "$or", "$nor"];
const OPERATORS = ["$eq", "$ne", "$gt", "$gte", "$lt", "$lte", "$in", "$nin", "$exists", "$elemMatch", "$all", "$size"];

export type Filter = (document: Document) => boolean;

/** A filter of operators that are known; mingo says what they mean. */
export function filterOf(criteria: Document): Filter {
  check(criteria);
  const query = new Query(criteria, {});
  return (document) => query.test(document);
}

const isPlain = (value: unknown): value is Document =>
  typeof value === "object" &&
  value !== null &&
  !Array.isArray(value) &&
  Object.getPrototypeOf(value) === Object.prototype;

function check(criteria: Document): void {
  for (const [key, value] of Object.entries(criteria)) {
    if (LOGICAL.includes(key)) {
      if (!Array.isArray(value) || value.length === 0) throw badValue(`${key} must be a nonempty array`);
      for (const part of value as Document[]) check(part);
    } else if (key.startsWith("$")) throw badValue(`unknown top level operator: ${key}`);
    else checkCondition(key, value);
  }
}

function checkCondition(field: string, condition: unknown): void {
  if (!isPlain(condition)) return;
  const keys = Object.keys(condition);
  if (!keys.some((key) => key.startsWith("$"))) return;
  for (const key of keys) {
    if (!OPERATORS.includes(key)) throw badValue(`unknown operator: ${key} of ${field}`);
    const value = condition[key];
    if (["$in", "$nin", "$all"].includes(key) && !Array.isArray(value)) throw badValue(`${key} needs an array`);
    if (key === "$exists" && typeof value !== "boolean") throw badValue("the double wants $exists to be a boolean");
    if (key === "$elemMatch") check(value as Document);
  }
}
