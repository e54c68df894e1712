import { canonical } from "../domain/canonical.ts";
import { type Fingerprint, fingerprintOf } from "../domain/ids.ts";
import type { RetryPolicy } from "../domain/retry.ts";
import type { Schema } from "../domain/schema.ts";
import { sha256 } from "../domain/sha256.ts";
import type { Wire } from "../domain/wire.ts";
import type { Around, Named } from "./around.ts";
import type { FlowMeta } from "./meta.ts";
import { constantOf } from "./constant.ts";
import type { ForkNode, JoinPolicy, MergeStrategy, Node, Pure, StepConfig, WaitNode } from "./node.ts";

type Shape = Record<string, Wire>;

/**
 * SHA-256 of what a stored run depends on: name, version, kinds, ids, case and branch names and their order, configs,
 * joins, merges, signal names, loop bounds, called flows, the presence of schemas and handlers, and `revision`.
 *
 * Not part of it: labels, descriptions, function source, schema contents, build ids. A changed function body therefore keeps
 * the fingerprint; where old runs must not continue with it, raise `version` or `revision`.
 * Source: Fluxo, versioning and fingerprints (which hashed the build, so that every commit stranded every run).
 */
export function fingerprint(root: Node, meta: FlowMeta): Fingerprint {
  const shape: Shape = {
    format: 1, // raise when this function changes: stored fingerprints are for ever
    name: meta.name,
    version: meta.version,
    revision: meta.revision ?? null,
    timeoutMs: meta.timeoutMs ?? null,
    input: present(meta.input),
    context: present(meta.context),
    output: present(meta.output),
    ...(meta.invariants !== undefined && { invariants: namesOf(meta.invariants) }),
    root: shapeOf(root),
  };
  return fingerprintOf(sha256(canonical(shape)));
}

const present = (schema: Schema | undefined): boolean => schema !== undefined;

function shapeOf(node: Node): Wire {
  const { kind, id } = node;
  switch (node.kind) {
    case "step":
      return {
        kind,
        id,
        config: configShape(node.config),
        input: present(node.input),
        output: present(node.output),
        compensate: node.compensate === undefined ? null : configShape(node.compensate.config),
        ...(node.around && { around: aroundShape(node.around) }),
      };
    case "sequence":
      return { kind, id, children: node.children.map(shapeOf) };
    case "branch":
      return {
        kind,
        id,
        cases: named(node.cases),
        otherwise: node.otherwise === undefined ? null : shapeOf(node.otherwise),
      };
    case "loop":
      return { kind, id, mode: node.mode, max: node.max, body: shapeOf(node.body) };
    case "fork":
      return forkShape(node);
    case "wait":
      return waitShape(node);
    case "call": {
      const { name, version, fingerprint: called } = node.flow;
      const to = { name, version, fingerprint: called };
      const { single, wait, background } = node;
      return { kind, id, flow: to, single, wait, ...(background === true && { background }) };
    }
    case "attempt":
      return {
        kind,
        id,
        body: shapeOf(node.body),
        compensate: node.compensate,
        handler: node.handler === undefined ? null : [node.handler.kind, shapeOf(node.handler.node)],
      };
  }
}

const namesOf = (all: readonly Named<unknown>[] = []): Wire => all.map(({ name }) => name);

/** What there is, by name: which functions they are is code. Whom a cache serves depends on its own key, not on the fingerprint. */
function aroundShape(around: Around): Wire {
  const { cache, processors, plugins, validators, retriesInvalid, tolerant, verdictsTo, feedbackTo, invariants } =
    around;
  return {
    cache: cache !== undefined,
    processors: [namesOf(processors?.prompt), namesOf(processors?.output)],
    plugins: namesOf(plugins),
    validators: namesOf(validators),
    invalid: [retriesInvalid ?? false, tolerant ?? false, verdictsTo ?? null, feedbackTo ?? null],
    invariants: namesOf(invariants),
  };
}

/** A list and not a record, because order matters: contexts are merged and outputs gathered in declared order. */
const named = (nodes: Readonly<Record<string, Node>>): Wire =>
  Object.entries(nodes).map(([name, node]) => [name, shapeOf(node)]);

function configShape({ retry, timeoutMs, queue, priority, key, transactional }: StepConfig): Wire {
  return {
    retry: retryShape(retry),
    timeoutMs: timeoutMs ?? null,
    queue: queue ?? null,
    priority: priority ?? 0,
    // Only where they are used: flows without them keep the fingerprint that they had before these existed.
    ...(key !== undefined && { key: true }),
    ...(transactional === true && { transactional }),
  };
}

function retryShape({ attempts, firstDelayMs, factor, maxDelayMs, jitter, retryIf }: RetryPolicy): Wire {
  return { attempts, firstDelayMs, factor, maxDelayMs, jitter, retryIf: retryIf !== undefined };
}

function forkShape({ kind, id, children, concurrency, join, merge }: ForkNode): Wire {
  const shape: Shape = { kind, id, concurrency, join: joinShape(join), merge: mergeShape(merge) };
  return children.kind === "map"
    ? { ...shape, over: "map", items: children.items !== undefined, body: shapeOf(children.body) }
    : { ...shape, over: "branches", branches: named(children.branches), choose: children.choose !== undefined };
}

function joinShape(join: JoinPolicy): Wire {
  switch (join.kind) {
    case "all":
    case "settled":
    case "any":
      return { kind: join.kind };
    case "atLeast":
      return { kind: join.kind, count: join.count };
    case "critical":
      return { kind: join.kind, names: [...join.names].sort() };
    case "custom":
      return { kind: join.kind, name: join.name };
  }
}

function mergeShape(merge: MergeStrategy): Wire {
  switch (merge.kind) {
    case "context-update":
      return {
        kind: merge.kind,
        fields: merge.fields ? [...merge.fields].sort() : null,
        reducers: { ...merge.reducers },
      };
    case "no-merge":
    case "overwrite":
    case "keep-first":
    case "error-on-conflict":
      return { kind: merge.kind };
    case "custom":
      return { kind: merge.kind, name: merge.name };
  }
}

function waitShape({ kind, id, wait, deadlineMs, onTimeout }: WaitNode): Wire {
  const shape: Shape = {
    kind,
    id,
    for: wait.kind,
    deadlineMs: pureShape(deadlineMs),
    onTimeout: onTimeout !== undefined,
  };
  switch (wait.kind) {
    case "signal":
      return { ...shape, names: wait.names, schemas: Object.keys(wait.schemas).sort(), named: wait.named };
    case "human":
      return { ...shape, answer: present(wait.answer) };
    case "sleep":
      return { ...shape, forMs: pureShape(wait.forMs) };
    case "sleepUntil":
      return { ...shape, at: pureShape(wait.at) };
  }
}

/** A constant is a config and counts; a function is code and does not. */
function pureShape(pure: Pure<number | Date> | undefined): Wire {
  if (pure === undefined) return null;
  const known = constantOf(pure);
  return known === undefined ? "computed" : Number(known);
}
