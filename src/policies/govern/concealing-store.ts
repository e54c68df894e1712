import type { Wire } from "../../domain/wire.ts";
import type { Item, ItemStore, NewItem } from "../../ports/items.ts";
import type { QuotaLedger } from "../../ports/ledger.ts";
import type { HeartbeatOutcome, TaskQueue } from "../../ports/queue.ts";
import type { ScheduleRecord, ScheduleStore } from "../../ports/schedule.ts";
import type { CommitOutcome, CreateOutcome, RunStore, Store, Transition } from "../../ports/store.ts";
import {
  throughChild,
  throughEvent,
  throughFiber,
  throughLeased,
  throughMessage,
  throughNewRun,
  throughReason,
  throughRevival,
  throughRun,
  throughTransition,
} from "./stored-rows.ts";
import { throughMetadata, throughRecord, throughStoredText } from "./stored-text.ts";
import type { Pairs, Veil } from "./veil.ts";
import { type Rewrite, throughList, throughWire } from "./wire-text.ts";

/**
 * A store that never sees what identifies people: all that goes in is concealed, all that comes out is revealed as far as this
 * process can. Ids, keys, names, hashes, definitions, rules of queues and what workers tell of themselves pass as they are.
 *
 *   new Flujo({ store: concealingStore(store, new Veil({ key, items: store })), flows })
 */
export function concealingStore(store: Store, veil: Veil): Store {
  return {
    capabilities: store.capabilities,
    ...concealingRuns(store, veil),
    ...concealingQueue(store, veil),
    ...concealingSchedules(store, veil),
    ...concealingItems(store, veil),
    ...accountsOf(store),
    close: () => store.close(),
    [Symbol.asyncDispose]: () => store[Symbol.asyncDispose](),
  };
}

function concealingRuns(store: Store, veil: Veil): Omit<RunStore, "capabilities" | "close"> {
  const transact = store.transact?.bind(store);
  const partitionOf = store.partitionOf?.bind(store);
  const shown = <T>(rows: readonly T[], through: (row: T, show: Rewrite) => T): Promise<readonly T[]> =>
    veil.reveal((show) => throughList(rows, (row) => through(row, show)));
  return {
    migrate: (options) => store.migrate(options),
    createRuns: async (runs) => {
      const concealed = await veil.conceal((hide) => throughList(runs, (run) => throughNewRun(run, hide)));
      return shown(await store.createRuns(concealed), throughCreated);
    },
    commit: async (batch) => {
      const concealed = await veil.conceal((hide) => throughList(batch, (one) => throughTransition(one, hide)));
      return shown(await store.commit(concealed), throughCommitted);
    },
    signal: async (message) => store.signal(await veil.conceal((hide) => throughMessage(message, hide))),
    cancel: async (run, reason) => store.cancel(run, await veil.conceal((hide) => hide(reason))),
    load: async (run) => {
      const record = await store.load(run);
      return record && veil.reveal((show) => throughRun(record, show));
    },
    list: async (query) => {
      const { metadata } = query;
      const wanted = metadata && (await veil.conceal((hide) => throughMetadata(metadata, hide)));
      const page = await store.list(wanted === undefined ? query : { ...query, metadata: wanted });
      return { ...page, items: await shown(page.items, throughRun) };
    },
    history: async (run, options) => shown(await store.history(run, options), throughEvent),
    fibers: async (run) => shown(await store.fibers(run), throughFiber),
    children: async (run, parent, fork) => shown(await store.children(run, parent, fork), throughChild),
    messages: async (run) => shown(await store.messages(run), throughMessage),
    revive: async (revival) => store.revive(await veil.conceal((hide) => throughRevival(revival, hide))),
    prune: (options) => store.prune(options),
    putDefinitions: (definitions) => store.putDefinitions(definitions),
    definition: (fingerprint) => store.definition(fingerprint),
    blob: async (hash) => {
      const text = await store.blob(hash);
      return text === undefined ? undefined : veil.reveal((show) => throughStoredText(text, show));
    },
    subscribe: (wake) => store.subscribe(wake),
    ...(transact && { transact: (run, work) => transacted((inner) => transact(run, inner), work, veil) }),
    ...(partitionOf && { partitionOf }),
  };
}

/** A run that exists already is compared with what was to be started: both plain, since concealing the one taught us the other. */
const throughCreated = (outcome: CreateOutcome, rewrite: Rewrite): CreateOutcome =>
  outcome.status === "exists" ? { ...outcome, run: throughRun(outcome.run, rewrite) } : outcome;

const throughCommitted = (outcome: CommitOutcome, rewrite: Rewrite): CommitOutcome =>
  outcome.status === "committed" && outcome.cancel !== undefined
    ? { ...outcome, cancel: rewrite(outcome.cancel) }
    : outcome;

/**
 * Originals are kept after the commit: while the transaction is open the store may have no hand free for the vault. Slow
 * detectors are not asked, for the same reason that nobody asks a service with a database locked.
 */
async function transacted(
  transact: (work: (tx: unknown) => Promise<Transition | undefined>) => Promise<CommitOutcome | undefined>,
  work: (tx: unknown) => Promise<Transition | undefined>,
  veil: Veil,
): Promise<CommitOutcome | undefined> {
  const used: Pairs = new Map();
  const outcome = await transact(async (tx) => {
    const transition = await work(tx);
    return transition && veil.concealNow((hide) => throughTransition(transition, hide), used);
  });
  if (outcome?.status === "committed") await veil.keep(used);
  return outcome && veil.reveal((show) => throughCommitted(outcome, show));
}

function concealingQueue(store: TaskQueue, veil: Veil): TaskQueue {
  const guard = store.guard?.bind(store);
  return {
    register: (worker, leaseMs, about) => store.register(worker, leaseMs, about),
    workers: () => store.workers(),
    putQueueRules: (rules) => store.putQueueRules(rules),
    queueRules: () => store.queueRules(),
    claim: async (request) => {
      const claimed = await store.claim(request);
      return veil.reveal((show) => throughList(claimed, (fiber) => throughLeased(fiber, show)));
    },
    ...(guard && { guard }),
    heartbeat: async (worker, epoch, leaseMs, about) => {
      const outcome = await store.heartbeat(worker, epoch, leaseMs, about);
      return veil.reveal((show) => throughBeat(outcome, show));
    },
    sweep: () => store.sweep(),
    release: (worker, epoch, which) => store.release(worker, epoch, which),
    nextDue: (request) => store.nextDue(request),
  };
}

const throughBeat = (outcome: HeartbeatOutcome, rewrite: Rewrite): HeartbeatOutcome =>
  outcome.status === "lost"
    ? outcome
    : { ...outcome, cancelled: throughList(outcome.cancelled, (request) => throughReason(request, rewrite)) };

function concealingSchedules(store: ScheduleStore, veil: Veil): ScheduleStore {
  /** What the store compares by: what this process cannot reveal whole, or would conceal otherwise today, is still the same. */
  const asStored = new WeakMap<object, Wire>();
  const through = <T extends ScheduleRecord>(schedule: T, rewrite: Rewrite): T => ({
    ...schedule,
    spec: throughRecord(schedule.spec, rewrite),
  });
  return {
    putSchedule: async (schedule) => store.putSchedule(await veil.conceal((hide) => through(schedule, hide))),
    schedules: async () => {
      const stored = await store.schedules();
      const shown = await veil.reveal((show) => stored.map((schedule) => through(schedule, show)));
      for (const [index, { spec }] of shown.entries())
        if (typeof spec === "object" && spec !== null) asStored.set(spec, stored[index]?.spec ?? null);
      return shown;
    },
    removeSchedule: (id) => store.removeSchedule(id),
    moveSchedule: async (seen, next) => {
      const spec = typeof seen.spec === "object" && seen.spec !== null ? asStored.get(seen.spec) : undefined;
      if (spec !== undefined) return store.moveSchedule({ ...seen, spec }, next);
      return store.moveSchedule(await veil.conceal((hide) => through(seen, hide)), next);
    },
  };
}

/** Items whose values are concealed; collections and keys pass as they are. */
export function concealingItems(items: ItemStore, veil: Veil): ItemStore {
  const shown = (item: Item, show: Rewrite): Item => ({ ...item, value: throughWire(item.value, show) });
  const hidden = (item: NewItem, hide: Rewrite): NewItem => ({ ...item, value: throughWire(item.value, hide) });
  return {
    getItems: async (refs) => {
      const found = await items.getItems(refs);
      return veil.reveal((show) => found.map((item) => item && shown(item, show)));
    },
    putItems: async (given) =>
      items.putItems(await veil.conceal((hide) => throughList(given, (item) => hidden(item, hide)))),
    removeItems: (refs) => items.removeItems(refs),
    listItems: async (query) => {
      const found = await items.listItems(query);
      return veil.reveal((show) => throughList(found, (item) => shown(item, show)));
    },
  };
}

/** Accounts are names and numbers. */
const accountsOf = (store: QuotaLedger): QuotaLedger => ({
  hold: (holds) => store.hold(holds),
  settleHolds: (holds) => store.settleHolds(holds),
  balances: (prefix) => store.balances(prefix),
  pruneAccounts: (untouchedSince) => store.pruneAccounts(untouchedSince),
});
