import type { RetryPolicy } from "../domain/retry.ts";
import type { Schema } from "../domain/schema.ts";
import type { Wire } from "../domain/wire.ts";
import type { Around, Named } from "./around.ts";
import { constantOf } from "./constant.ts";
import type { Definition } from "./definition.ts";
import { jsonSchemaOf } from "./json-schema.ts";
import type { ForkNode, JoinPolicy, MergeStrategy, Node, Pure, StepConfig, WaitNode } from "./node.ts";

type Description = { readonly [key: string]: Wire };

/**
 * A definition as plain JSON, for dashboards, the CLI and reviews: every node with its kind, label, id and path, every config.
 * A schema appears as JSON schema where its vendor gives one, else as `true`; a function as "computed".
 */
export function describe(definition: Definition): Description {
  const { name, version, fingerprint, description, revision, timeoutMs, input, context, output, root, calls } =
    definition;
  const { invariants } = definition;
  return {
    name,
    version,
    fingerprint,
    ...given({ description, revision, timeoutMs }),
    ...given({ input: schema(input, "input"), context: schema(context, "output"), output: schema(output, "output") }),
    ...given({ invariants: names(invariants) }),
    root: node(root),
    calls: calls.map((called) => ({ name: called.name, version: called.version, fingerprint: called.fingerprint })),
  };
}

/** Without what is not there: JSON has no undefined. */
function given(record: Readonly<Record<string, Wire | undefined>>): Description {
  return Object.fromEntries(Object.entries(record).filter((entry): entry is [string, Wire] => entry[1] !== undefined));
}

const schema = (one: Schema | undefined, side: "input" | "output"): Wire | undefined =>
  one && (jsonSchemaOf(one, side) ?? true);

const nodes = (named: Readonly<Record<string, Node>>): Wire =>
  Object.entries(named).map(([name, one]) => ({ name, node: node(one) }));

function node(one: Node): Description {
  const { kind, label, id, path } = one;
  return { kind, label, id, path, ...particulars(one) };
}

function particulars(one: Node): Description {
  switch (one.kind) {
    case "step":
      return {
        ...config(one.config),
        ...given({ input: schema(one.input, "input"), output: schema(one.output, "output") }),
        ...(one.around && around(one.around)),
        ...(one.compensate && { compensate: config(one.compensate.config) }),
      };
    case "sequence":
      return { children: one.children.map(node) };
    case "branch":
      return { cases: nodes(one.cases), ...(one.otherwise && { otherwise: node(one.otherwise) }) };
    case "loop":
      return { mode: one.mode, max: one.max, body: node(one.body) };
    case "fork":
      return fork(one);
    case "wait":
      return wait(one);
    case "call": {
      const { name, version, fingerprint } = one.flow;
      const { single, wait: how, background } = one;
      return { flow: { name, version, fingerprint }, single, wait: how, ...given({ background }) };
    }
    case "attempt":
      return {
        body: node(one.body),
        compensate: one.compensate,
        ...(one.handler && { handler: { kind: one.handler.kind, node: node(one.handler.node) } }),
      };
  }
}

function config({ retry, timeoutMs, queue, priority, key, transactional }: StepConfig): Description {
  return {
    retry: retryOf(retry),
    ...given({ timeoutMs, queue, priority, key: key && "computed", transactional }),
  };
}

const names = (all: readonly Named<unknown>[] | undefined): Wire | undefined => all?.map(({ name }) => name);

function around(all: Around): Description {
  const { cache, processors, plugins, validators, retriesInvalid, tolerant, verdictsTo, feedbackTo } = all;
  return given({
    cache: cache && {
      scope: cache.scope,
      ttlMs: cache.ttlMs,
      ...given({ version: cache.version, key: cache.key && "computed" }),
    },
    processors: processors && given({ prompt: names(processors.prompt), output: names(processors.output) }),
    plugins: names(plugins),
    validators: names(validators),
    onInvalid: retriesInvalid && "retry",
    strict: tolerant && false,
    persistValidationTo: verdictsTo,
    persistFeedbackTo: feedbackTo,
    invariants: names(all.invariants),
    failureHandlers: names(all.failureHandlers),
  });
}

function retryOf({ attempts, firstDelayMs, factor, maxDelayMs, jitter, retryIf }: RetryPolicy): Wire {
  return { attempts, firstDelayMs, factor, maxDelayMs, jitter, ...(retryIf && { retryIf: "computed" }) };
}

function fork({ children, concurrency, join, merge }: ForkNode): Description {
  const shared = { concurrency, join: joinOf(join), merge: mergeOf(merge) };
  return children.kind === "map"
    ? { over: "map", ...shared, ...(children.items && { items: "computed" }), body: node(children.body) }
    : {
        over: "branches",
        ...shared,
        branches: nodes(children.branches),
        ...(children.choose && { choose: "computed" }),
      };
}

function joinOf(join: JoinPolicy): Wire {
  switch (join.kind) {
    case "all":
    case "settled":
    case "any":
      return { kind: join.kind };
    case "atLeast":
      return { kind: join.kind, count: join.count };
    case "critical":
      return { kind: join.kind, names: join.names };
    case "custom":
      return { kind: join.kind, name: join.name };
  }
}

function mergeOf(merge: MergeStrategy): Wire {
  switch (merge.kind) {
    case "context-update":
      return {
        kind: merge.kind,
        ...given({ fields: merge.fields, reducers: merge.reducers && { ...merge.reducers } }),
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

function wait({ wait: what, deadlineMs, onTimeout }: WaitNode): Description {
  return {
    for: what.kind,
    ...waited(what),
    ...given({ deadlineMs: shown(deadlineMs), onTimeout: onTimeout && "computed" }),
  };
}

function waited(what: WaitNode["wait"]): Description {
  switch (what.kind) {
    case "signal":
      return {
        names: what.names,
        named: what.named,
        schemas: Object.fromEntries(
          Object.entries(what.schemas).map(([name, one]) => [name, schema(one, "input") ?? true]),
        ),
      };
    case "human":
      return given({ question: shown(what.question), answer: schema(what.answer, "input") });
    case "sleep":
      return given({ forMs: shown(what.forMs) });
    case "sleepUntil":
      return given({ at: shown(what.at) });
  }
}

function shown(pure: Pure<unknown> | undefined): Wire | undefined {
  if (pure === undefined) return undefined;
  const known = constantOf(pure);
  if (known instanceof Date) return known.toISOString();
  return typeof known === "string" || typeof known === "number" ? known : "computed";
}
