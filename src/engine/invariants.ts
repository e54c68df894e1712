import { isEnd, type RunRecord } from "../domain/run.ts";
import type { EventRecord, FiberRecord, MessageRecord, Store } from "../ports/store.ts";

export interface CheckOptions {
  /** The store's time. With it a wake-up that lies in the future is seen as lost, too. */
  readonly now?: number;
}

/** What the store says about one run, read piece by piece. */
interface Seen {
  readonly run: RunRecord;
  readonly fibers: readonly FiberRecord[];
  readonly history: readonly EventRecord[];
  readonly messages: readonly MessageRecord[];
  /** Runs that were started by this one. */
  readonly children: readonly RunRecord[];
  readonly now: number | undefined;
}

type Check = (seen: Seen) => readonly string[];

/**
 * Reads a whole store through its port and says which invariants do not hold (I1, I5, I6, I9, I11), one sentence each;
 * nothing is a sound store. Runs are read one after another: on a store at work, look twice, only what stands is true.
 */
export async function checkInvariants(store: Store, { now }: CheckOptions = {}): Promise<string[]> {
  const runs = await allRuns(store);
  const found: string[] = [];
  for (const run of runs) {
    const seen: Seen = {
      run,
      fibers: await store.fibers(run.id),
      history: await allEvents(store, run),
      messages: await store.messages(run.id),
      children: runs.filter((other) => other.parent?.run === run.id),
      now,
    };
    found.push(...CHECKS.flatMap((check) => check(seen)).map((what) => `run ${run.id}: ${what}`));
  }
  return found;
}

async function allRuns(store: Store): Promise<readonly RunRecord[]> {
  const runs: RunRecord[] = [];
  let cursor: string | undefined;
  do {
    const page = await store.list({ order: "oldest", limit: 1_000, ...(cursor !== undefined && { cursor }) });
    runs.push(...page.items);
    cursor = page.next;
  } while (cursor !== undefined);
  return runs;
}

async function allEvents(store: Store, { id }: RunRecord): Promise<readonly EventRecord[]> {
  const events: EventRecord[] = [];
  for (;;) {
    const after = events.at(-1)?.seq;
    const more = await store.history(id, { limit: 1_000, ...(after !== undefined && { after }) });
    if (more.length === 0) return events;
    events.push(...more);
    // A store that ignores `after` would be read for ever; the check of the order will name it.
    if (after !== undefined && more.some((event) => event.seq <= after)) return events;
  }
}

const checkEnd: Check = ({ run, fibers, messages }) => {
  if (!isEnd(run.status)) {
    return [
      ...(fibers.length === 0 ? [`it is ${run.status} and has no fiber`] : []),
      ...(fibers.length > 0 && fibers.every(({ position }) => position === "ended")
        ? [`it is ${run.status} and all its fibers have ended`]
        : []),
      ...(run.endedAt === undefined ? [] : [`it is ${run.status} and has an end time`]),
    ];
  }
  const own = messages.filter(({ id }) => id === undefined); // those from outside stay: a retry takes them up
  return [
    ...(fibers.length > 0 ? [`it is ${run.status} and still has ${fibers.length} fibers`] : []),
    ...(own.length > 0 ? [`it is ${run.status} and still has ${own.length} messages of the engine`] : []),
    ...(run.endedAt === undefined ? [`it is ${run.status} and has no end time`] : []),
  ];
};

const checkFamily: Check = ({ run, fibers }) => {
  const keys = new Set(fibers.map(({ key }) => key));
  const roots = fibers.filter(({ parent }) => parent === undefined);
  return [
    ...(isEnd(run.status) || roots.length === 1 ? [] : [`it has ${roots.length} root fibers`]),
    ...(keys.size === fibers.length ? [] : ["two of its fibers have one key"]),
    ...fibers.flatMap(({ key, parent }) =>
      parent === undefined || keys.has(parent) ? [] : [`fiber ${key} has no parent ${parent}`],
    ),
  ];
};

/** I11, fiber by fiber: an owner, a due time, or a wait that something can end. */
const checkPositions: Check = (seen) => seen.fibers.flatMap((fiber) => positionOf(fiber).map(named(fiber)));

const named =
  ({ key }: FiberRecord) =>
  (what: string): string =>
    `fiber ${key} ${what}`;

function positionOf({ position, owner, readyAt, wait, parent, seq, deliveries }: FiberRecord): string[] {
  const found: string[] = [];
  if (!Number.isInteger(seq) || seq < 0) found.push(`has the sequence number ${seq}`);
  if (!Number.isInteger(deliveries) || deliveries < 0) found.push(`has ${deliveries} deliveries`);
  if ((position === "leased") !== (owner !== undefined))
    found.push(`is ${position} with${owner ? "" : "out"} an owner`);
  if (owner !== undefined && (owner.worker.length === 0 || owner.epoch < 1)) {
    found.push(`is owned by "${owner.worker}" in epoch ${owner.epoch}`);
  }
  if (position === "ready" && readyAt === undefined) found.push("is ready but never due");
  if (position === "parked" && readyAt === undefined && (wait?.names ?? []).length === 0) {
    found.push("is parked with neither a due time nor a message to wait for");
  }
  if (position === "ended" && parent === undefined) found.push("has ended but is no child, and its run goes on");
  return found;
}

/** I5: what a parked fiber waits for is not already there. */
const checkWakes: Check = ({ fibers, messages, now }) =>
  fibers
    .filter(({ position }) => position === "parked")
    .flatMap((fiber) => {
      const due = fiber.readyAt !== undefined && (now === undefined || fiber.readyAt <= now);
      if (due) return [];
      const message = messages.find(({ name }) => fiber.wait?.names.includes(name) === true);
      return [
        ...(message === undefined ? [] : [`sleeps although message ${message.id} (${message.name}) is there`]),
        ...(fiber.cancel === undefined ? [] : [`sleeps although it shall stop (${fiber.cancel})`]),
      ].map(named(fiber));
    });

/** A join needs a child that can still end, a call needs a child run that can still reply. */
const checkJoins: Check = ({ run, fibers, children }) =>
  fibers
    .filter(({ position, readyAt }) => position === "parked" && readyAt === undefined)
    .flatMap((fiber) => {
      const { wait } = fiber;
      const alive = fibers.some(({ parent, position }) => parent === fiber.key && position !== "ended");
      const reply = children.some(
        ({ parent, status }) =>
          !isEnd(status) &&
          parent?.fiber === fiber.key &&
          wait?.names.includes(parent.reply.replace(/#.*$/, "")) === true, // the reply names the child, too
      );
      if (wait?.kind === "join" && !alive)
        return [`fiber ${fiber.key} of ${run.flow} waits for children that are no more`];
      return wait?.kind === "call" && !reply
        ? [`fiber ${fiber.key} of ${run.flow} waits for a run that is no more`]
        : [];
    });

const checkOrder: Check = ({ history, messages }) => [
  ...(history.length === 0 ? ["it has no history"] : []),
  ...outOfOrder(history).map((seq) => `event ${seq} does not follow the one before it`),
  ...outOfOrder(messages).map((seq) => `message ${seq} does not follow the one before it`),
  ...repeated(messages.flatMap(({ id }) => id ?? [])).map((id) => `two of its messages have the id ${id}`),
];

const repeated = (ids: readonly string[]): readonly string[] => ids.filter((id, i) => ids.indexOf(id) < i);

const outOfOrder = (rows: readonly { readonly seq: number }[]): number[] =>
  rows.flatMap(({ seq }, i) => {
    const before = rows[i - 1]?.seq;
    return before !== undefined && before >= seq ? [seq] : [];
  });

/** The status is read from the fibers, so it must agree with them. */
const checkStatus: Check = ({ run, fibers, now }) => {
  if (isEnd(run.status) || now === undefined) return [];
  const active = fibers.some(
    ({ position, readyAt }) =>
      position === "leased" ||
      position === "ready" ||
      (position === "parked" && readyAt !== undefined && readyAt <= now),
  );
  const human = fibers.some(({ position, wait }) => position === "parked" && wait?.kind === "human");
  const idle = human ? "paused" : "waiting";
  const expected = active ? "running" : idle;
  if (run.status === expected || (run.status === "pending" && run.startedAt === undefined)) return [];
  return [`it says ${run.status} but its fibers say ${expected}`];
};

const CHECKS: readonly Check[] = [
  checkEnd,
  checkFamily,
  checkPositions,
  checkWakes,
  checkJoins,
  checkOrder,
  checkStatus,
];
