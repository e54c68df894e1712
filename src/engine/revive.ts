import { FlujoError } from "../domain/errors.ts";
import { type Fact, messageName } from "../domain/event.ts";
import { ROOT_FIBER, type RunId } from "../domain/ids.ts";
import { invariant } from "../domain/result.ts";
import type { RunRecord } from "../domain/run.ts";
import { encode, type Wire } from "../domain/wire.ts";
import { type Definition, titleOf } from "../definition/definition.ts";
import { childRunId } from "../planner/call.ts";
import { type Doing, type Fiber, firstAttempt } from "../planner/fiber.ts";
import { begun } from "../planner/fold.ts";
import type { Blob, NewFiber, NewMessage, Store } from "../ports/store.ts";
import { dataOf } from "./fiber-codec.ts";
import { checkStart } from "./new-run.ts";
import type { Payloads } from "./payloads.ts";
import { lasting, type Rebuilt, rebuild, type Row, withoutEnding } from "./rebuild.ts";
import type { Registry } from "./registry.ts";
import { childEndData, endOf, eventOf, fiberOfFacts } from "./stored-facts.ts";
import { rowOf, schedulingOf } from "./scheduling.ts";

export interface ReviveDeps {
  readonly store: Store;
  readonly payloads: Payloads;
  readonly registry: Registry;
  readonly now: number;
}

/**
 * Puts a failed or cancelled run back to work under its own id. Its fibers are folded from history up to where the failure
 * began; what had finished is not repeated, and what was accepted into its mailbox is still there.
 * Throws RUN_UNKNOWN, RUN_NOT_FAILED, RUN_COMPENSATED, FLOW_UNKNOWN.
 * Source: Fluxo, resume of a failed instance.
 */
export async function retryRun(deps: ReviveDeps, id: RunId): Promise<void> {
  const { record, definition, rows } = await read(deps, id);
  if (record.status !== "failed" && record.status !== "cancelled") {
    throw new FlujoError("RUN_NOT_FAILED", `expected a failed or cancelled run but ${id} is ${record.status}`);
  }
  const history = lasting(definition, rows);
  const kept = withoutEnding(definition, history);
  const rebuilt = rebuild(definition, kept);
  if (undoneIn(history) > undoneIn(kept) || rebuilt.some(isUndoing)) {
    throw new FlujoError("RUN_COMPENSATED", `run ${id} has begun to undo its steps; it cannot go on from where it was`);
  }
  const fibers: Rebuilt[] = [];
  const mailbox = new Set((await deps.store.messages(id)).map(({ name }) => name));
  const answered = answersCut(history, kept);
  for (const one of rebuilt) {
    const { doing } = one.fiber;
    const isNamed = (names: ReadonlySet<string>): boolean =>
      "names" in doing && doing.names.some((name) => names.has(name));
    const asksAnew = isNamed(answered) || (isOverdue(doing, deps.now) && !isNamed(mailbox));
    const goesOn = !asksAnew && (await retryChildren(deps, id, one));
    fibers.push({ ...one, fiber: anew(definition, one.fiber, goesOn ? [] : ["call", "wait"], deps.now) });
  }
  const fact: Fact = { type: "run.retried", from: kept.at(-1)?.seq ?? 0 };
  const rowsOf = storeRows(deps, { id, definition }, fibers);
  const outcome = await deps.store.revive({
    run: id,
    ...rowsOf,
    event: eventOf(fact, deps.now),
  });
  if (outcome === "not-ended") throw new FlujoError("RUN_NOT_FAILED", `run ${id} is being worked on again already`);
}

/** Names of answers that went with the ending (the flow's schema refused them): who is asked again needs another token. */
function answersCut(history: readonly Row[], kept: readonly Row[]): ReadonlySet<string> {
  const lasts = new Set(kept.flatMap(({ facts }) => facts));
  const cut = history.flatMap(({ facts }) => facts).filter((fact) => !lasts.has(fact));
  return new Set(cut.flatMap((fact) => (fact.type === "wait.answered" ? [fact.name] : [])));
}

/** Compensations that were recorded. Those of an attempt that then recovered are part of what the run goes on from. */
const undoneIn = (rows: readonly Row[]): number =>
  rows.reduce(
    (sum, { facts }) => sum + facts.filter(({ type }) => type === "undo.completed" || type === "undo.failed").length,
    0,
  );

const isUndoing = ({ fiber: { doing, frames } }: Rebuilt): boolean =>
  doing.kind === "undo" ||
  frames.some((frame) => frame.kind === "undo" || (frame.kind === "attempt" && frame.phase === "undoing"));

/**
 * Puts the child runs of an open call back to work before their parent, which looks at them when it is adopted: whatever dies
 * in between, trying again finds everything as it should be. False = one of them cannot go on; the call is opened anew.
 */
async function retryChildren(deps: ReviveDeps, run: RunId, { key, fiber: { doing } }: Rebuilt): Promise<boolean> {
  if (doing.kind !== "call") return true;
  for (let ordinal = 0; ordinal < doing.total; ordinal++) {
    const child = await deps.store.load(childRunId({ run, fiber: key }, doing.call, ordinal));
    if (child === undefined) return false;
    if (child.status !== "failed" && child.status !== "cancelled") continue;
    try {
      await retryRun(deps, child.id);
    } catch (error) {
      if (error instanceof FlujoError && error.code === "RUN_COMPENSATED") return false;
      if (!(error instanceof FlujoError) || error.code !== "RUN_NOT_FAILED") throw error; // somebody else was faster
    }
  }
  return true;
}

export interface ForkOptions {
  readonly id: RunId;
  /** The transition after which the new run begins; default the first. */
  readonly at?: number;
  /** Replaces the value at that point. */
  readonly input?: unknown;
  /** The new run is a child of the same parent, which does not wait for it: only where the old one is a detached child. */
  readonly sameParent?: boolean;
}

/**
 * Starts a new run that begins where an old one was after the transition `at`, with that history. Waits and calls that were
 * open are opened anew: questions, deadlines and child runs belong to one run. Throws RUN_UNKNOWN, EVENT_UNKNOWN, RUN_EXISTS,
 * FLOW_UNKNOWN, and INPUT_INVALID for another input at the start.
 */
export async function forkRun(
  deps: ReviveDeps,
  from: RunId,
  { id, at, input, sameParent = false }: ForkOptions,
): Promise<void> {
  const { record, definition, rows } = await read(deps, from);
  const cut = at ?? rows[0]?.seq ?? 0;
  const target = rows.find(({ seq }) => seq === cut);
  if (target === undefined) throw new FlujoError("EVENT_UNKNOWN", `run ${from} has no event ${cut}; see its history`);
  const value = input === undefined ? undefined : await valueAt(target, definition, input);
  const fact: Fact = {
    type: "run.forked",
    from,
    at: cut,
    ...(value !== undefined && { value }),
    ...(target.fiber !== ROOT_FIBER && { target: target.fiber }),
  };
  const kept = rows.filter(({ seq }) => seq <= cut);
  const rebuilt = rebuild(definition, [...kept, { ...target, facts: [fact] }]);
  if (rebuilt.some(({ key, fiber }) => key === ROOT_FIBER && fiber.doing.kind === "ended")) {
    throw new FlujoError("EVENT_UNKNOWN", `at event ${cut} run ${from} had ended; fork from an earlier one`);
  }
  const { fibers, messages, blobs } = storeRows(
    deps,
    { id, definition },
    rebuilt.map((one) => ({ ...one, fiber: anew(definition, one.fiber, ["call", "wait", "step"], deps.now) })),
  );
  const [root, ...others] = fibers;
  invariant(root?.key === ROOT_FIBER, "the root comes first");
  const deflate = (facts: readonly Fact[]): Wire => facts.map((one) => deps.payloads.deflateFact(one, blobs));
  const events = kept.map(({ fiber, at: when, facts }) => ({ fiber, at: when, facts: deflate(facts) }));
  const [outcome] = await deps.store.createRuns([
    {
      ...pick(record),
      ...(sameParent && record.parent?.reply === "" && { parent: record.parent }),
      id,
      input: deps.payloads.deflate(await deps.payloads.inflate(record.input), blobs),
      createdAt: deps.now,
      root,
      event: { at: deps.now, facts: deflate([fact]) },
      blobs,
      continued: { events, fibers: others, messages },
    },
  ]);
  if (outcome?.status === "rejected") throw outcome.error;
  if (outcome?.status === "exists") throw new FlujoError("RUN_EXISTS", `run ${id} exists already`);
}

/** Another value for the point after a row: the input of the whole run is checked as a start checks it. */
async function valueAt({ facts }: Row, flow: Definition, input: unknown): Promise<Wire> {
  if (!facts.some(({ type }) => type === "run.started")) return encode(input);
  const { context: _, ...definition } = flow; // the context stays what it is
  const checked = await checkStart(definition, input, undefined);
  if (checked.ok) return checked.value.input;
  const { code, message, details } = checked.problem;
  throw new FlujoError(code, message, { details: { ...details } });
}

const pick = ({
  flow,
  version,
  fingerprint,
  metadata,
}: RunRecord): Pick<RunRecord, "flow" | "version" | "fingerprint" | "metadata"> => ({
  flow,
  version,
  fingerprint,
  metadata,
});

async function read(
  { store, payloads, registry }: ReviveDeps,
  id: RunId,
): Promise<{ readonly record: RunRecord; readonly definition: Definition; readonly rows: readonly Row[] }> {
  const record = await store.load(id);
  if (record === undefined) throw new FlujoError("RUN_UNKNOWN", `no run has the id "${id}"`);
  const definition = registry.byFingerprint(record.fingerprint);
  if (definition === undefined) {
    throw new FlujoError(
      "FLOW_UNKNOWN",
      `run ${id} is pinned to ${titleOf({ name: record.flow, version: record.version })} with fingerprint ${record.fingerprint.slice(0, 12)}, which is not registered here`,
    );
  }
  const rows: Row[] = [];
  for (const { seq, at, fiber, facts: stored } of await store.history(id)) {
    const facts = await Promise.all((stored as unknown as readonly Fact[]).map((fact) => payloads.inflateFact(fact)));
    rows.push({ seq, at, fiber: fiberOfFacts(fiber, facts), facts });
  }
  return { record, definition, rows };
}

/** Steps begin at their first attempt again; what the given kinds had opened is to be opened again. */
export function anew(definition: Definition, before: Fiber, reopen: readonly Doing["kind"][], now: number): Fiber {
  const { cancelling: _, ...fiber } = begun(definition, before);
  const { doing, deadlineAt } = fiber;
  const fresh: Doing =
    doing.kind === "step"
      ? firstAttemptOf(doing, reopen)
      : reopen.includes(doing.kind) && "path" in doing
        ? { kind: "decide", path: doing.path, visit: doing.visit }
        : doing;
  const { deadlineAt: __, ...unbounded } = fiber;
  // A run that ran out of time gets its whole time again: retrying it would be pointless otherwise.
  if (deadlineAt === undefined || definition.timeoutMs === undefined || deadlineAt > now)
    return { ...fiber, doing: fresh };
  return { ...unbounded, doing: fresh, deadlineAt: now + definition.timeoutMs };
}

/** A step has its key for good, except where it is asked anew: in a fork another value may come to it. */
function firstAttemptOf(
  { path, visit, lane }: Extract<Doing, { kind: "step" }>,
  reopen: readonly Doing["kind"][],
): Doing {
  if (lane === undefined) return firstAttempt({ path, visit });
  return reopen.includes("step") ? { kind: "decide", path, visit } : { ...firstAttempt({ path, visit }), lane };
}

/** A wait that failed for want of an answer: it is asked again, with its whole time, or it would fail again at once. */
const isOverdue = (doing: Doing, now: number): boolean =>
  doing.kind === "wait" && doing.wait !== "timer" && doing.deadlineAt !== undefined && doing.deadlineAt <= now;

/** Rebuilt fibers as store rows, and messages from children that have ended and were not heard yet. */
function storeRows(
  { payloads, now }: ReviveDeps,
  { id: run, definition }: { readonly id: RunId; readonly definition: Definition },
  rebuilt: readonly Rebuilt[],
): { readonly fibers: NewFiber[]; readonly messages: NewMessage[]; readonly blobs: Blob[] } {
  const blobs: Blob[] = [];
  const fibers = rebuilt.map(({ key, parent, fiber }): NewFiber => {
    const data = dataOf(fiber);
    const { doing } = fiber;
    return {
      state: data.state,
      value: payloads.deflate(data.value, blobs),
      context: payloads.deflate(data.context, blobs),
      aside: payloads.deflate(data.aside, blobs),
      key,
      ...(parent && { parent: parent.key, fork: parent.fork, ordinal: parent.ordinal }),
      ...rowOf(schedulingOf(definition, fiber)),
      leased: false,
      readyAt: now,
      ...(doing.kind === "ended" && { ended: doing.ending.outcome }),
    };
  });
  const messages = rebuilt
    .flatMap((parent) => unheard(parent, rebuilt))
    .map((end): NewMessage => ({ run, ...end, sentAt: now }));
  return { fibers, messages, blobs };
}

/** What ended children have to tell a fork that has not taken it in. */
function unheard(
  { key, fiber, heard = NOBODY }: Rebuilt,
  all: readonly Rebuilt[],
): readonly Pick<NewMessage, "name" | "data">[] {
  const frame = fiber.frames.at(-1);
  if (frame?.kind !== "fork") return [];
  const name = messageName.join(key, frame.fork);
  return all.flatMap(({ parent, fiber: { doing, quota } }) => {
    if (parent?.key !== key || parent.fork !== frame.fork || doing.kind !== "ended" || heard.has(parent.ordinal))
      return [];
    return [{ name, data: childEndData({ ordinal: parent.ordinal, ...endOf(doing.ending, quota) }) }];
  });
}

const NOBODY: ReadonlySet<number> = new Set();
