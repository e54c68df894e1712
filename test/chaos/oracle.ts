import type { Flujo } from "flujo";
import { placeOf, type RunId } from "../../src/domain/ids.ts";
import type { EventRecord, Store } from "../../src/ports/store.ts";
import { checkInvariants } from "../../src/testing.ts";
import type { Address } from "../setup/addresses.ts";
import type { Value } from "./flows.ts";
import { type Claim, type Commit, type Entry, type Execution, notes } from "./ledger.ts";
import type { Expected } from "./load.ts";
import type { Pattern } from "./flows.ts";
import { written } from "./outbox.ts";

/** What is known at the end of an experiment. */
export interface Evidence {
  readonly flujo: Flujo;
  readonly store: Store;
  readonly address: Address;
  readonly ledger: string;
  readonly accepted: readonly Expected[];
  readonly patterns: Readonly<Record<string, Pattern>>;
  /** Faults of any kind: each may cost any step one more execution. */
  readonly interruptions: number;
}

export interface Verdict {
  readonly violations: readonly string[];
  readonly runs: number;
  readonly executions: number;
  /** Executions of a step beyond the first of each attempt. */
  readonly repeated: number;
  readonly mostOfOneAttempt: number;
  readonly commits: number;
  /** Commits that the fence refused. */
  readonly refusedCommits: number;
}

/** Compares what the store tells with what the processes saw. */
export async function judge(evidence: Evidence): Promise<Verdict> {
  const entries = notes(evidence.ledger);
  const executions = entries.filter((entry): entry is Execution => entry.what === "do" || entry.what === "undo");
  const commits = entries.filter((entry): entry is Commit => entry.what === "commit");
  const perAttempt = tally(executions.map(attemptOf));
  const violations = [
    ...(await ends(evidence)),
    ...(await results(evidence, executions)),
    ...(await acknowledged(evidence, commits)),
    ...fenced(entries),
    ...often(perAttempt, evidence.interruptions),
    ...(await effects(evidence)),
    ...(await checkInvariants(evidence.store, { now: Date.now() })).map((what) => `invariant: ${what}`),
  ];
  return {
    violations,
    runs: evidence.accepted.length,
    executions: executions.length,
    repeated: executions.length - perAttempt.size,
    mostOfOneAttempt: Math.max(0, ...perAttempt.values()),
    commits: commits.filter(({ status }) => status === "committed").length,
    refusedCommits: commits.filter(({ status }) => status === "lost").length,
  };
}

/** Each accepted run has ended, as its flow must end. */
async function ends({ flujo, accepted, patterns }: Evidence): Promise<string[]> {
  const wrong: string[] = [];
  for (const { run, pattern, n } of accepted) {
    const { status, output, failure } = await flujo.get(run);
    const wanted = patterns[pattern]?.output(n);
    const found = (output as Value | undefined)?.n;
    if (status === "completed" && found === wanted) continue;
    const why = failure === undefined ? "" : ` (${failure.code}: ${failure.message})`;
    wrong.push(`run ${run} should be completed with ${wanted} but is ${status} with ${found}${why}`);
    if (status !== "completed" && status !== "failed") wrong.push(...(await flujo.why(run)).reasons);
  }
  return wrong;
}

/** Each result stands in history once, and comes from an execution that the ledger knows, by the worker that recorded it (I4). */
async function results({ flujo, store }: Evidence, executions: readonly Execution[]): Promise<string[]> {
  const wrong: string[] = [];
  const known = new Map(executions.map((one) => [one.by, one]));
  for (const run of await allRuns(store)) {
    const seen = new Set<string>();
    for (const event of await flujo.history(run)) {
      if (event.type !== "step.completed" && event.type !== "undo.completed") continue;
      const place = `${event.type} ${run} ${placeOf(event.path, event.visit)}`;
      if (seen.has(place)) wrong.push(`recorded twice: ${place}`);
      seen.add(place);
      if (event.type === "undo.completed") continue;
      const by = executionOf(event.output);
      const execution = known.get(by);
      if (execution === undefined) wrong.push(`recorded, but nobody executed it: ${place} by ${by}`);
      else if (event.worker !== execution.worker) wrong.push(`${place} by ${by} was recorded by ${event.worker}`);
      else if (execution.path !== event.path || execution.visit !== event.visit || execution.run !== run)
        wrong.push(`${place} has the result of ${placeOf(execution.path, execution.visit)} of ${execution.run}`);
    }
  }
  return wrong;
}

/** What was acknowledged is there (I3): each committed transition with an event is an event in the history of its run. */
async function acknowledged({ store }: Evidence, commits: readonly Commit[]): Promise<string[]> {
  const wrong: string[] = [];
  const byRun = groupBy(
    commits.filter(({ status, event }) => status === "committed" && event !== undefined),
    ({ run }) => run,
  );
  for (const [run, told] of byRun) {
    const there = tally(
      (await allEvents(store, run as RunId)).map(({ fiber, at, worker }) => `${fiber} ${at} ${worker}`),
    );
    for (const [event, times] of tally(told.map(({ fiber, event: at, worker }) => `${fiber} ${at} ${worker}`))) {
      const found = there.get(event) ?? 0;
      if (found < times)
        wrong.push(`run ${run}: ${times} commits were acknowledged for "${event}", history has ${found}`);
    }
  }
  return wrong;
}

/**
 * The fence (I2, I9): a sequence number of a fiber is taken once, and by the last worker to whom the store gave the fiber at that
 * number. Deliveries only grow from claim to claim of one number, or stay where a lease was handed back.
 */
function fenced(entries: readonly Entry[]): string[] {
  const wrong: string[] = [];
  const at = (entry: Commit | Claim): string => `${entry.run} ${entry.fiber} at ${entry.seq}`;
  const claims = groupBy(
    entries.filter((entry): entry is Claim => entry.what === "claim"),
    at,
  );
  const taken = new Map<string, Commit>();
  for (const entry of entries) {
    if (entry.what !== "commit" || entry.status !== "committed") continue;
    const before = taken.get(at(entry));
    if (before !== undefined) wrong.push(`committed twice: ${at(entry)} by ${before.worker} and ${entry.worker}`);
    taken.set(at(entry), entry);
    const given = claims.get(at(entry)) ?? [];
    const own = given.filter(({ worker, epoch }) => worker === entry.worker && epoch === entry.epoch);
    const last = Math.max(0, ...given.map(({ deliveries }) => deliveries));
    if (given.length > 0 && Math.max(0, ...own.map(({ deliveries }) => deliveries)) < last)
      wrong.push(`a stale owner was accepted: ${at(entry)} by ${entry.worker} in epoch ${entry.epoch}`);
  }
  return wrong;
}

function often(perAttempt: ReadonlyMap<string, number>, interruptions: number): string[] {
  return [...perAttempt]
    .filter(([, times]) => times > 1 + interruptions)
    .map(([attempt, times]) => `executed ${times} times with ${interruptions} interruptions: ${attempt}`);
}

/** What steps wrote in the transaction that recorded them is there once, by the execution that history names. */
async function effects({ flujo, address, accepted }: Evidence): Promise<string[]> {
  const wanted = new Set<string>();
  for (const { run, pattern } of accepted) {
    if (pattern !== "transaction") continue;
    for (const event of await flujo.history(run)) {
      const transactional = event.type === "step.completed" && /\/(first|second)$/.test(event.path);
      if (transactional) wanted.add(executionOf(event.output));
    }
  }
  const rows = await written(address);
  const found = tally(rows.map(({ execution }) => execution));
  return [
    ...[...tally(rows.map(({ key }) => key))].flatMap(([key, times]) =>
      times > 1 ? [`effect ${key} is there ${times} times`] : [],
    ),
    ...[...wanted].flatMap((by) => (found.has(by) ? [] : [`the effect of ${by} was recorded and is not there`])),
    ...[...found.keys()].flatMap((by) => (wanted.has(by) ? [] : [`the effect of ${by} is there and was not recorded`])),
  ];
}

/** Which execution gave this output of a step. */
const executionOf = (output: unknown): string => (output as Value).by;

const attemptOf = ({ what, run, path, visit, attempt }: Execution): string =>
  `${what} ${run} ${placeOf(path, visit)} attempt ${attempt}`;

async function allRuns(store: Store): Promise<RunId[]> {
  const ids: RunId[] = [];
  let cursor: string | undefined;
  do {
    const page = await store.list({ limit: 1_000, ...(cursor !== undefined && { cursor }) });
    ids.push(...page.items.map(({ id }) => id));
    cursor = page.next;
  } while (cursor !== undefined);
  return ids;
}

async function allEvents(store: Store, run: RunId): Promise<EventRecord[]> {
  const events: EventRecord[] = [];
  for (;;) {
    const after = events.at(-1)?.seq;
    const more = await store.history(run, { limit: 1_000, ...(after !== undefined && { after }) });
    if (more.length === 0) return events;
    events.push(...more);
  }
}

function groupBy<T>(items: readonly T[], keyOf: (item: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const item of items) {
    const group = groups.get(keyOf(item));
    if (group === undefined) groups.set(keyOf(item), [item]);
    else group.push(item);
  }
  return groups;
}

function tally(lines: Iterable<string>): Map<string, number> {
  const counts = new Map<string, number>();
  for (const line of lines) counts.set(line, (counts.get(line) ?? 0) + 1);
  return counts;
}
