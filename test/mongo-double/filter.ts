import { Query } from "mingo";
import { badValue } from "./refusal.ts";
import type { Document } from "./wire.ts";

const LOGICAL = ["$and", "$or", "$nor"];
const OPERATORS = ["$eq", "$ne", "$gt", "$gte", "$lt", "$lte", "$in", "$nin", "$exists", "$elemMatch", "$all", "$size"];

export type Filter = (document: Document) => boolean;

/** A filter of operators that are known; mingo says what they mean, except what lies between texts. */
export function filterOf(criteria: Document): Filter {
  check(criteria);
  const ranges: Range[] = [];
  const query = new Query(withoutTextRanges(criteria, ranges), {});
  return (document) => query.test(document) && ranges.every((range) => isWithin(document[range.field], range));
}

interface Range {
  readonly field: string;
  readonly operator: string;
  readonly than: string;
}

/** By what the order of two texts must be. */
const ORDERS: Readonly<Record<string, (order: number) => boolean>> = {
  $gt: (order) => order > 0,
  $gte: (order) => order >= 0,
  $lt: (order) => order < 0,
  $lte: (order) => order <= 0,
};

/** MongoDB compares texts by their bytes. mingo compares them as JavaScript does, which puts U+FFFF behind U+10000. */
const isWithin = (text: unknown, { operator, than }: Range): boolean =>
  typeof text === "string" && ORDERS[operator]?.(Buffer.compare(Buffer.from(text), Buffer.from(than))) === true;

/** Takes ranges of texts out of a filter. Deeper down they stay, where JavaScript's order is the same. */
function withoutTextRanges(criteria: Document, ranges: Range[]): Document {
  const rest: Document = {};
  for (const [field, condition] of Object.entries(criteria)) {
    const texts = isPlain(condition) ? Object.entries(condition).filter(isTextRange) : [];
    if (LOGICAL.includes(field)) refuseOddTexts(condition);
    if (texts.length === 0 || !isPlain(condition)) {
      rest[field] = condition;
      continue;
    }
    if (field.includes(".")) throw badValue("the double compares texts at the top of documents only");
    for (const [operator, than] of texts) ranges.push({ field, operator, than });
    const others = Object.entries(condition).filter((one) => !isTextRange(one));
    if (others.length > 0) rest[field] = Object.fromEntries(others);
  }
  return rest;
}

const isTextRange = (entry: [string, unknown]): entry is [string, string] =>
  entry[0] in ORDERS && typeof entry[1] === "string";

function refuseOddTexts(condition: unknown): void {
  if (typeof condition === "string" && /[^\x20-\x7e]/.test(condition)) {
    throw badValue("the double compares only plain texts in alternatives");
  }
  if (typeof condition === "object" && condition !== null)
    for (const one of Object.values(condition)) refuseOddTexts(one);
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
