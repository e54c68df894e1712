import { valueAt } from "./paths.ts";
import { badValue, failedToParse, onlyKnows } from "./refusal.ts";
import { filterOf } from "./filter.ts";
import { setAt, unsetAt } from "./paths.ts";
import type { Document } from "./wire.ts";

/** MongoDB's order of types, as far as documents here have them. */
const rankOf = (value: unknown): number => {
  if (value === undefined || value === null) return 1;
  if (typeof value === "number") return 2;
  if (typeof value === "string") return 3;
  if (typeof value === "boolean") return 8;
  throw badValue(`the double cannot sort by ${typeof value}`);
};

export function compare(a: unknown, b: unknown): number {
  const ranks = rankOf(a) - rankOf(b);
  if (ranks !== 0) return ranks;
  if (a === b || a === undefined || a === null) return 0;
  if (typeof a === "string") return Buffer.compare(Buffer.from(a), Buffer.from(String(b)));
  return Number(a) < Number(b) ? -1 : 1;
}

export function sorted(documents: readonly Document[], order: Document): readonly Document[] {
  const fields = Object.entries(order);
  return [...documents].sort((a, b) => {
    for (const [field, direction] of fields) {
      const difference = compare(valueAt(a, field), valueAt(b, field));
      if (difference !== 0) return difference * (direction === -1 ? -1 : 1);
    }
    return 0;
  });
}

/** Inclusion or exclusion of whole paths; anything else is refused. */
export function projected(document: Document, projection: Document): Document {
  const fields = Object.entries(projection).filter(([field]) => field !== "_id");
  const modes = new Set(fields.map(([, mode]) => mode));
  if (modes.size > 1 || ![undefined, 0, 1].includes([...modes][0] as number | undefined)) {
    throw failedToParse("the double knows projections of 1, or of 0");
  }
  if (modes.has(0)) {
    const rest = structuredClone(document);
    for (const [field] of fields) unsetAt(rest, field);
    return rest;
  }
  const picked: Document = projection["_id"] === 0 ? {} : { _id: document["_id"] };
  for (const [field] of fields) {
    const value = valueAt(document, field);
    if (value !== undefined) setAt(picked, field, value);
  }
  return picked;
}

type Stage = (documents: readonly Document[], operand: Document | number) => readonly Document[];

const STAGES: Readonly<Record<string, Stage>> = {
  $match: (documents, criteria) => documents.filter(filterOf(criteria as Document)),
  $sort: (documents, order) => sorted(documents, order as Document),
  $limit: (documents, limit) => documents.slice(0, limit as number),
  $group: (documents, spec) => grouped(documents, spec as Document),
};

export function aggregated(documents: readonly Document[], pipeline: readonly Document[]): readonly Document[] {
  return pipeline.reduce<readonly Document[]>((rows, stage) => {
    const [[name, operand] = ["", undefined], ...more] = Object.entries(stage);
    const run = STAGES[name];
    if (run === undefined || more.length > 0) throw failedToParse(`unrecognized pipeline stage name: '${name}'`);
    return run(rows, operand as Document | number);
  }, documents);
}

const evaluated = (document: Document, expression: unknown): unknown => {
  if (typeof expression === "string" && expression.startsWith("$")) return valueAt(document, expression.slice(1));
  if (typeof expression !== "object" || expression === null) return expression;
  return Object.fromEntries(
    Object.entries(expression).map(([key, value]) => {
      if (key.startsWith("$")) throw failedToParse(`the double does not know the expression ${key}`);
      return [key, evaluated(document, value) ?? null];
    }),
  );
};

/** `_id` by fields, and sums, minima and maxima. */
function grouped(documents: readonly Document[], { _id: by, ...fields }: Document): readonly Document[] {
  const groups = new Map<string, Document>();
  for (const document of documents) {
    const id = evaluated(document, by) ?? null;
    const key = JSON.stringify(id);
    const group = groups.get(key) ?? { _id: id };
    groups.set(key, group);
    for (const [name, accumulator] of Object.entries(fields)) {
      onlyKnows("$group", accumulator as Document, ["$sum", "$min"]);
      const { $sum, $min } = accumulator as Document;
      if ($sum !== undefined) group[name] = Number(group[name] ?? 0) + Number(evaluated(document, $sum) ?? 0);
      const value = evaluated(document, $min);
      if ($min !== undefined && value !== undefined && (group[name] === undefined || compare(value, group[name]) < 0))
        group[name] = value;
    }
  }
  return [...groups.values()];
}
