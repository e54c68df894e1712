import type { Ambient } from "../domain/ambient.ts";
import { FlujoError } from "../domain/errors.ts";
import { failure } from "../domain/failure.ts";
import { type RunId, workerId } from "../domain/ids.ts";
import { sameWire } from "../domain/canonical.ts";
import { isEnd } from "../domain/run.ts";
import type { Allowance } from "../domain/quota.ts";
import { decode, type Wire } from "../domain/wire.ts";
import { type Definition, titleOf } from "../definition/definition.ts";
import { describe } from "../definition/describe.ts";
import { requireTransactions } from "../engine/transactions.ts";
import { checkStart, DEFAULT_QUEUE, type LimitsOf, newRun } from "../engine/new-run.ts";
import { Payloads } from "../engine/payloads.ts";
import type { Registry } from "../engine/registry.ts";
import type { Resident } from "../engine/resident.ts";
import type { Fact } from "../domain/event.ts";
import type { QueueRules } from "../ports/queue-rules.ts";
import type { CreateOutcome, NewRun, RunEnd, Store } from "../ports/store.ts";
import type { Observation } from "../ports/observer.ts";
import { PolicyRegistry } from "../policies/registry.ts";
import { Batcher, byPartition } from "../worker/batcher.ts";
import type { StepHost } from "../worker/step-context.ts";
import { Worker } from "../worker/worker.ts";
import type { MemoryIndex } from "./memory-index.ts";
import type { ShadowEvaluator } from "../evaluation/shadow.ts";
import { Messages } from "./messages.ts";
import type { FlujoOptions, StartOptions } from "./options.ts";
import { queueRules } from "./queues.ts";
import { Reader } from "./reader.ts";
import { failedResult, type RunResult } from "./result.ts";
import { Schedules } from "./schedules.ts";
import { checkStartOptions } from "./start-options.ts";
import { Tail } from "./tail.ts";
import { Waiters } from "./waiters.ts";

export interface EngineDeps extends Pick<FlujoOptions, "worker" | "at" | "queues"> {
  readonly limitsOf?: LimitsOf;
  readonly backgroundLimits?: Allowance | undefined;
  readonly shadow?: ShadowEvaluator | undefined;
  readonly store: Store;
  readonly registry: Registry;
  readonly ambient: Ambient;
  readonly host: StepHost;
  readonly observe: ((observation: Observation) => void) | undefined;
  /** Its store is for single runs that nobody else knows of: it needs to be able to do what they need, and has no schedules. */
  readonly ephemeral?: boolean;
  /** Remembers what steps gave. */
  readonly index?: MemoryIndex;
}

/** One open store with everything that works on it in this process. Source: Fluxo, Engine. */
export class Engine {
  readonly store: Store;
  readonly registry: Registry;
  readonly payloads: Payloads;
  readonly reader: Reader;
  readonly messages: Messages;
  readonly waiters: Waiters;
  readonly worker: Worker | undefined;
  readonly schedules: Schedules;
  readonly ambient: Ambient;
  /** Judges a sample of what this process does. */
  readonly shadow: ShadowEvaluator | undefined;
  readonly #starts: ReturnType<typeof byPartition<NewRun, CreateOutcome>>;
  readonly #stored = new Set<string>();
  readonly #unsubscribe: () => void;
  readonly #ephemeral: boolean;
  readonly #queues: readonly QueueRules[];
  readonly #limitsOf: LimitsOf;
  readonly #index: MemoryIndex | undefined;

  constructor(deps: EngineDeps) {
    const {
      store,
      registry,
      ambient,
      host,
      observe,
      worker,
      at,
      queues = {},
      ephemeral = false,
      limitsOf = () => UNLIMITED,
      backgroundLimits,
      index,
      shadow,
    } = deps;
    this.#index = index;
    this.#limitsOf = limitsOf;
    this.shadow = shadow;
    this.store = store;
    this.#ephemeral = ephemeral;
    this.#queues = Object.entries(queues).map(([name, options]) => queueRules(name, options));
    this.registry = registry;
    this.ambient = ambient;
    this.payloads = new Payloads((hash) => store.blob(hash));
    this.reader = new Reader(store, this.payloads);
    this.messages = new Messages({
      store,
      reader: this.reader,
      registry,
      newId: ambient.newId,
      now: () => ambient.clock.now(),
    });
    this.waiters = new Waiters((run) => this.reader.result(run), ambient);
    this.worker =
      worker === false
        ? undefined
        : new Worker({
            store,
            registry,
            payloads: this.payloads,
            policies: new PolicyRegistry({ clock: ambient.clock, items: store }),
            host,
            ambient,
            id: workerId(worker?.id ?? `w-${ambient.newId()}`),
            ...(worker && { options: worker }),
            limitsOf,
            ...(backgroundLimits && { backgroundLimits }),
            ...(observe && { observe }),
            runsSchedules: !ephemeral,
            ...((index !== undefined || shadow !== undefined) && {
              onFacts: (of: Resident, facts: readonly Fact[]): void => {
                index?.take({ run: of.run, flow: of.definition.name }, facts);
                shadow?.tell(of, facts);
              },
            }),
            onRunEnd: (run, end, value) => this.#ended(run, end, value),
            onPark: (run) => this.waiters.nudge(run),
            ...(at && { at }),
          });
    this.schedules = new Schedules(store, ambient, () => this.worker?.schedulesChanged());
    const { gather, inFlight } = store.capabilities;
    const batches = { gather, inFlight, ambient, maxBatch: 500 };
    this.#starts = byPartition(store, () => new Batcher((runs) => store.createRuns(runs), batches));
    this.#unsubscribe = store.subscribe(({ runs }) => {
      for (const run of runs) this.waiters.nudge(run);
    });
  }

  /** Migrates, makes the flows and the rules of queues known, then adopts work: in this order. */
  async open(): Promise<void> {
    if (!this.#ephemeral) requireTransactions(this.store.capabilities, this.registry.definitions);
    await this.store.migrate();
    await this.storeDefinitions();
    if (this.#queues.length > 0 && !this.#ephemeral) await this.putQueues(this.#queues);
    if (this.worker === undefined) return;
    if (this.store.capabilities.queueRules) this.#govern(await this.store.queueRules());
    await this.worker.start();
  }

  /** Throws TRANSACTIONS_UNSUPPORTED when this store cannot do what the flow needs. */
  check(flow: Definition): void {
    requireTransactions(this.store.capabilities, [flow]);
  }

  /** Sets the rules of these queues. Throws QUEUE_RULES_UNSUPPORTED. */
  async putQueues(rules: readonly QueueRules[]): Promise<void> {
    await this.store.putQueueRules(rules);
    this.#govern(rules);
    this.worker?.wake();
  }

  #govern(rules: readonly QueueRules[]): void {
    this.worker?.govern(rules.map(({ queue }) => queue));
  }

  /** Definitions are stored once each, content-addressed, so that a run can be read without its code. */
  async storeDefinitions(): Promise<void> {
    if (this.registry.size === this.#stored.size) return;
    const fresh = this.registry.definitions.filter(({ fingerprint }) => !this.#stored.has(fingerprint));
    if (fresh.length === 0) return;
    await this.store.putDefinitions(
      fresh.map((one) => ({
        fingerprint: one.fingerprint,
        name: one.name,
        version: one.version,
        described: describe(one),
      })),
    );
    for (const { fingerprint } of fresh) this.#stored.add(fingerprint);
  }

  async close(): Promise<void> {
    this.#unsubscribe();
    await this.worker?.stop();
    await this.#index?.close();
    await this.shadow?.close();
    this.waiters.close(new FlujoError("CLOSED", "this Flujo was closed before the result came"));
  }

  /**
   * Starts a run, or finds the one that this id started before. Throws INPUT_INVALID, CONTEXT_INVALID, OPTION_INVALID,
   * RUN_EXISTS, ID_INVALID.
   */
  async start(
    definition: Definition,
    input: unknown,
    options: StartOptions,
    born: (id: RunId) => void = () => undefined,
  ): Promise<{ readonly id: RunId; readonly created: boolean }> {
    const checkedOptions = checkStartOptions(options, this.#limitsOf(definition.name));
    const checking = checkStart(definition, input, options.context);
    const checked = checking instanceof Promise ? await checking : checking;
    if (!checked.ok)
      throw new FlujoError(checked.problem.code, checked.problem.message, { details: { ...checked.problem.details } });
    const now = this.ambient.clock.now();
    const { id = this.ambient.newId() as RunId, queue, ...placed } = checkedOptions;
    const startsNow = placed.startAt === undefined || placed.startAt <= now;
    const lease = startsNow ? this.worker?.promise(queue ?? DEFAULT_QUEUE) : undefined;
    try {
      const run = newRun(
        {
          id,
          definition,
          input: checked.value.input,
          contextWire: checked.value.context,
          now,
          ...placed,
          ...(queue !== undefined && { queue }),
          ...(lease && { lease }),
        },
        this.payloads,
      );
      const outcome = await this.#create(run);
      if (outcome.status === "rejected") throw outcome.error;
      if (outcome.status === "exists") return await this.#existing(run, outcome.run);
      born(id); // before it moves: a short run may be over before its starter hears of it
      if (outcome.leased) this.worker?.adoptNew(run, definition);
      else if (lease !== undefined) this.#queued(run);
      return { id, created: true };
    } finally {
      if (lease !== undefined) this.worker?.redeem();
    }
  }

  /** It was to be born here, and waits in its queue instead: that has rules. */
  #queued({ root: { queue } }: NewRun): void {
    this.worker?.govern([queue]);
    this.worker?.wake();
  }

  #create(run: NewRun): Promise<CreateOutcome> {
    const create = (): Promise<CreateOutcome> => this.#starts.of(run.id).add(run);
    return this.worker !== undefined && run.root.leased ? this.worker.leasing(create) : create();
  }

  async #existing(
    wanted: NewRun,
    found: Awaited<ReturnType<Reader["record"]>>,
  ): Promise<{ readonly id: RunId; readonly created: boolean }> {
    const [mine, theirs] = [await this.payloads.inflate(wanted.input), await this.payloads.inflate(found.input)];
    if (found.flow === wanted.flow && found.version === wanted.version && sameWire(mine, theirs))
      return { id: found.id, created: false };
    const what =
      found.flow === wanted.flow && found.version === wanted.version
        ? "another input"
        : titleOf({ name: found.flow, version: found.version });
    throw new FlujoError("RUN_EXISTS", `run ${found.id} exists already, started with ${what}`, {
      details: { runId: found.id },
    });
  }

  #ended(run: RunId, end: RunEnd, value: Wire): void {
    // Why a run was cancelled stands in its record only: whoever waits has to look.
    if (end.status === "cancelled") this.waiters.nudge(run);
    else this.waiters.ended(run, () => resultOf(run, end, value));
  }

  tail(run: RunId): Tail {
    const { clock } = this.ambient;
    const inOrder = this.store.capabilities.eventsInOrder;
    return new Tail((after) => this.reader.history(run, after), { inOrder, monotonic: () => clock.monotonic() });
  }

  async result(run: RunId, until: "end" | "settled", signal?: AbortSignal): Promise<RunResult> {
    const waiting = this.waiters.wait(run, until, signal);
    this.waiters.nudge(run);
    return waiting;
  }

  async cancel(run: RunId, reason: string): Promise<"requested" | "ended"> {
    const outcome = await this.store.cancel(run, reason);
    if (outcome === "unknown") throw new FlujoError("RUN_UNKNOWN", `no run has the id "${run}"`);
    this.worker?.cancelHere(run, reason);
    return outcome;
  }

  async isOver(run: RunId): Promise<boolean> {
    return isEnd((await this.reader.record(run)).status);
  }
}

const UNLIMITED: ReturnType<LimitsOf> = Object.freeze({});

function resultOf(runId: RunId, end: RunEnd, value: Wire): RunResult {
  if (end.status === "completed") return { status: "completed", runId, output: decode(value) };
  return failedResult(runId, end.failure ?? failure("RUN_FAILED", `run ${runId} failed`));
}
