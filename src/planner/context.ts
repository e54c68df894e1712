import { sameWire } from "../domain/canonical.ts";
import { FlujoError } from "../domain/errors.ts";
import { decode, encode, type Wire } from "../domain/wire.ts";
import type { MergeStrategy, Reducer } from "../definition/node.ts";
import { noPromise } from "./ask.ts";

/**
 * How the contexts of a fork's children come together. Each child changed its own copy; what counts are the differences
 * against the context before the fork, leaf by leaf, in declared order. Source: Flujo, ContextManager.isolate and merge.
 */
export interface ChildContext {
  readonly name: string;
  readonly context: Wire;
}

/** Throws CONTEXT_CONFLICT naming the key and the branches, or what a custom merge throws. */
export function mergeContexts(before: Wire, children: readonly ChildContext[], strategy: MergeStrategy): Wire {
  switch (strategy.kind) {
    case "no-merge":
      return before;
    case "overwrite":
      return mergeWith(before, children, new Map(), (_, latest) => latest);
    case "keep-first":
      return mergeWith(before, children, new Map(), (first) => first);
    case "error-on-conflict":
      return mergeWith(before, children, new Map(), conflict);
    case "context-update": {
      const wanted =
        strategy.fields === undefined
          ? children
          : children.map((child) => ({ ...child, context: onlyFields(before, child.context, strategy.fields ?? []) }));
      return mergeWith(before, wanted, new Map(Object.entries(strategy.reducers ?? {})), conflict);
    }
    case "custom":
      return mergeOwn(before, children, strategy);
  }
}

type OwnStrategy = Extract<MergeStrategy, { kind: "custom" }>;

function mergeOwn(before: Wire, children: readonly ChildContext[], { merge }: OwnStrategy): Wire {
  const contexts = children.map(({ context }) => decode(context));
  return encode(noPromise(merge(decode(before), contexts), "merge"));
}

type Resolve = (mine: Change, theirs: Change, key: string) => Change;

/** A leaf that a child set, or removed (`to` undefined). */
interface Change {
  readonly by: string;
  readonly to: Wire | undefined;
}

type Path = readonly string[];

function conflict(mine: Change, theirs: Change, key: string): never {
  throw new FlujoError(
    "CONTEXT_CONFLICT",
    `branches "${mine.by}" and "${theirs.by}" set context.${key} to different values`,
    {
      details: { key, branches: [mine.by, theirs.by] },
    },
  );
}

function mergeWith(
  before: Wire,
  children: readonly ChildContext[],
  reducers: ReadonlyMap<string, Reducer>,
  resolve: Resolve,
): Wire {
  let merged = before;
  for (const { path, changes } of changesOf(before, children, reducers)) {
    const key = path.join(".");
    const reducer = reducers.get(key);
    const own = at(before, path);
    const to =
      reducer === undefined
        ? agreed(key, changes, resolve)
        : reduce(reducer, own, { changes, untouched: changes.length < children.length });
    merged = put(merged, path, to);
  }
  return merged;
}

interface Changed {
  readonly path: Path;
  readonly changes: readonly Change[];
}

/** What the children changed, place by place. Where one replaced or removed what another changed inside, both changed the whole. */
function changesOf(
  before: Wire,
  children: readonly ChildContext[],
  reducers: ReadonlyMap<string, Reducer>,
): readonly Changed[] {
  const changed = children.map(({ context }) => {
    const paths: Path[] = [];
    if (context !== before) collect(before, context, [], { reducers, into: paths });
    return paths;
  });
  const known = new Set(changed.flatMap((paths) => paths.map(textOf)));
  const found = new Map<string, { readonly path: Path; readonly changes: Change[] }>();
  for (const [i, { name, context }] of children.entries()) {
    const mine = new Map((changed[i] ?? []).map((path) => outermost(path, known)).map((path) => [textOf(path), path]));
    for (const [text, path] of mine) {
      const place = found.get(text) ?? { path, changes: [] };
      place.changes.push({ by: name, to: at(context, path) });
      found.set(text, place);
    }
  }
  return [...found.values()];
}

/** Keys may contain dots: as text, paths are told apart by their quotes. */
const textOf = (path: Path): string => JSON.stringify(path);

function outermost(path: Path, known: ReadonlySet<string>): Path {
  for (let length = 0; length < path.length; length++) {
    const above = path.slice(0, length);
    if (known.has(textOf(above))) return above;
  }
  return path;
}

function agreed(key: string, changes: readonly Change[], resolve: Resolve): Wire | undefined {
  return changes.reduce((mine, theirs) => (same(mine.to, theirs.to) ? mine : resolve(mine, theirs, key))).to;
}

const same = (a: Wire | undefined, b: Wire | undefined): boolean =>
  a === b || (a !== undefined && b !== undefined && sameWire(a, b));

const isRecord = (wire: Wire | undefined): wire is { readonly [key: string]: Wire } =>
  typeof wire === "object" &&
  wire !== null &&
  !Array.isArray(wire) &&
  !Object.keys(wire).some((key) => key.startsWith("$"));

interface Collecting {
  readonly reducers: ReadonlyMap<string, Reducer>;
  readonly into: Path[];
}

/** Where a child changed something. Arrays and tagged values are leaves; a key with a reducer is a leaf whatever it holds. */
function collect(before: Wire | undefined, after: Wire | undefined, path: Path, collecting: Collecting): void {
  if (same(before, after)) return;
  const { reducers, into } = collecting;
  if (!isRecord(before) || !isRecord(after) || reducers.has(path.join("."))) {
    into.push(path);
    return;
  }
  for (const name of new Set([...Object.keys(before), ...Object.keys(after)]))
    collect(own(before, name), own(after, name), [...path, name], collecting);
}

const own = (record: { readonly [key: string]: Wire }, name: string): Wire | undefined =>
  Object.hasOwn(record, name) ? record[name] : undefined;

function at(wire: Wire, path: Path): Wire | undefined {
  let found: Wire | undefined = wire;
  for (const name of path) found = isRecord(found) ? own(found, name) : undefined;
  return found;
}

function put(wire: Wire, path: Path, to: Wire | undefined): Wire {
  const [name, ...rest] = path;
  if (name === undefined) return to ?? {};
  const record = isRecord(wire) ? wire : {};
  const entries = Object.entries(record).filter(([key]) => key !== name);
  if (rest.length === 0 && to === undefined) return Object.fromEntries(entries);
  const value = rest.length === 0 ? (to ?? null) : put(own(record, name) ?? {}, rest, to);
  // An existing key keeps its place, so that equal merges give equal texts.
  return Object.hasOwn(record, name)
    ? Object.fromEntries(Object.entries(record).map(([key, old]) => [key, key === name ? value : old]))
    : Object.fromEntries([...entries, [name, value]]);
}

const list = (wire: Wire | undefined): readonly Wire[] =>
  Array.isArray(wire) ? (wire as readonly Wire[]) : wire === undefined ? [] : [wire];
const amount = (wire: Wire | undefined): number => (typeof wire === "number" ? wire : 0);

interface Given {
  readonly changes: readonly Change[];
  /** Whether some child left the value as it was: then that is what the child says. */
  readonly untouched: boolean;
}

/** Not by spreading into Math.max: 200,000 arguments overflow the stack. */
const extreme = (before: Wire | undefined, { changes, untouched }: Given, pick: (a: number, b: number) => number) => {
  const said = changes.map(({ to }) => amount(to));
  if (untouched && before !== undefined) said.push(amount(before));
  return said.reduce((a, b) => pick(a, b));
};

function reduce(reducer: Reducer, before: Wire | undefined, given: Given): Wire | undefined {
  const { changes } = given;
  switch (reducer) {
    case "sum":
      return changes.reduce((sum, { to }) => sum + amount(to) - amount(before), amount(before));
    case "max":
      return extreme(before, given, Math.max);
    case "min":
      return extreme(before, given, Math.min);
    case "keepFirst":
      return changes[0]?.to;
    case "append":
      return [...list(before), ...changes.flatMap(({ to }) => added(list(before), list(to)))];
    case "union": {
      const merged: Wire[] = [...list(before)];
      for (const { to } of changes)
        for (const item of list(to)) if (!merged.some((known) => sameWire(known, item))) merged.push(item);
      return merged;
    }
  }
}

/** What a child appended: what follows the common prefix. */
function added(before: readonly Wire[], after: readonly Wire[]): readonly Wire[] {
  const prefix = before.every((item, i) => sameWire(item, after[i] ?? null));
  return prefix ? after.slice(before.length) : after;
}

/** Forgets a child's changes to fields that shall not come back. */
function onlyFields(before: Wire, after: Wire, fields: readonly string[]): Wire {
  if (!isRecord(before) || !isRecord(after)) return after;
  let kept: Wire = before;
  for (const field of fields) kept = put(kept, [field], own(after, field));
  return kept;
}
