import { NonRetryableError, RetryAfter } from "../../domain/errors.ts";
import type { Fingerprint, WorkerId } from "../../domain/ids.ts";
import type { Definition } from "../../definition/definition.ts";
import type { AgentContext } from "../../agents/agent-context.ts";
import type { StepContext } from "../../dsl/context.ts";
import { Registry } from "../../engine/registry.ts";
import type { QueueRules } from "../../ports/queue-rules.ts";
import type { CommitOutcome, Store, Transition } from "../../ports/store.ts";
import { Resources } from "../../policies/resources.ts";
import { Engine } from "../../runner/engine.ts";
import { Commit } from "../../stores/memory/commit.ts";
import { MemoryStore } from "../../stores/memory/store.ts";
import type { Tables } from "../../stores/memory/tables.ts";
import { type Random, seededRandom } from "../random.ts";
import { type Call, faultyStore } from "./faulty-store.ts";
import type { SimulatedHost } from "./flows.ts";
import { Ledger } from "./ledger.ts";
import { SimulationLoop } from "./loop.ts";
import { Money } from "./money.ts";
import { Oracle } from "./oracle.ts";
import { Places } from "./places.ts";
import { SimulatedProcess } from "./process.ts";
import { describeAnswer, describeCall } from "./speak.ts";
import { Trace, Violation } from "./trace.ts";
import { Weather } from "./weather.ts";
import { virtualStoreClock } from "./store-clock.ts";

/** What a mutant may know of the process that commits. */
export interface MutantWorld {
  readonly random: Random;
}

export interface ClusterOptions {
  readonly seed: number;
  readonly flows: readonly Definition[];
  /** How many of the last actions are kept, to be shown when something breaks. */
  readonly show: number;
  /** Whether steps pay for what they do. */
  readonly money?: boolean;
  /** A broken commit, to prove that the simulator sees it. */
  readonly commit?: (tables: Tables, world: MutantWorld) => Commit;
}

/** A process with the engine that runs in it. */
export interface Member {
  readonly process: SimulatedProcess;
  readonly engine: Engine;
  /** The last epoch that its worker has heard of. */
  epoch: number;
  /** Its engine has opened: it takes requests. */
  open: boolean;
}

/** Several processes over one store, and everything that can happen to them. */
export class Cluster {
  readonly loop: SimulationLoop = new SimulationLoop();
  readonly random: Random;
  readonly weather: Weather;
  readonly trace: Trace;
  readonly flows: readonly Definition[];
  /** Queues that steps name; not every process serves all of them. */
  readonly queues: readonly string[] = QUEUES;
  /** The store without a network before it. */
  readonly store: Store;
  readonly tables: Tables;
  readonly oracle: Oracle;
  readonly places: Places;
  readonly ledger: Ledger;
  readonly money: Money | undefined;
  readonly #work: Random;
  readonly #startedAt: number;
  #members: Member[] = [];
  #named = 0;
  violation: Error | undefined;

  constructor({ seed, flows, show, commit, money = false }: ClusterOptions) {
    this.trace = new Trace(show);
    this.random = seededRandom(seed);
    this.weather = new Weather(this.random.fork());
    this.#work = this.random.fork();
    this.flows = flows;
    this.#startedAt = this.loop.now;
    const mutant = this.random.fork();
    const captured: Tables[] = [];
    this.store = new MemoryStore({
      clock: virtualStoreClock(this.loop),
      commit: (tables) => {
        captured.push(tables);
        return commit?.(tables, { random: mutant }) ?? new Commit(tables);
      },
    });
    this.tables = captured[0] as Tables;
    this.oracle = new Oracle(this.tables, definitionsOf(flows), () => this.loop.now);
    this.places = new Places(this.tables, () => this.loop.now);
    this.ledger = new Ledger({
      holdsLease: (worker, epoch) => this.#holdsLease(worker, epoch),
      isRecorded: (run, purpose, path, visit) => this.#isRecorded(run, purpose, path, visit),
      troubles: () => this.weather.troubles,
    });
    const { tables } = this;
    const now = (): number => this.loop.now;
    const guard = (action: () => void): void => this.guard(action);
    this.money = money ? new Money({ tables, now, guard, random: this.random.fork() }) : undefined;
  }

  get members(): readonly Member[] {
    return this.#members;
  }

  /** Processes that answer requests now. */
  get listening(): readonly Member[] {
    return this.#members.filter(({ process, open }) => open && process.runs);
  }

  note(who: string, what: string | (() => string)): void {
    this.trace.add(this.loop.now - this.#startedAt, who, typeof what === "string" ? () => what : what);
  }

  /** Runs a callback of the simulation itself; the first violation is kept and ends the world. */
  guard(action: () => void): void {
    if (this.violation !== undefined) return;
    try {
      action();
    } catch (error) {
      this.violation = error instanceof Error ? error : new Violation(String(error));
    }
  }

  boot(): void {
    const name = `p${this.#named++}`;
    const { skewMs } = this.weather.rates;
    const offset = this.weather.clear || skewMs === 0 ? 0 : this.random.int(-skewMs, skewMs);
    const process = new SimulatedProcess(name, this.loop, this.random.fork(), Math.round(offset));
    const store = faultyStore({
      store: this.store,
      process,
      loop: this.loop,
      weather: this.weather,
      gather: this.random.chance(0.5) ? "microtask" : "turn",
      inFlight: this.random.chance(0.5) ? 1 : 2,
      applied: (call, apply) => this.#applied(call, apply),
    });
    const registry = new Registry();
    for (const flow of this.flows) registry.register(flow);
    const resources: SimulatedHost = {
      execute: (ctx, input, purpose) => this.#execute(member, ctx, input, purpose),
    };
    const engine = new Engine({
      store: watched(store, (epoch) => {
        member.epoch = epoch;
      }),
      registry,
      ambient: process.ambient,
      host: {
        ambient: process.ambient,
        resources: new Resources({ ...resources }, () => undefined),
        logger: SILENT,
        emit: () => undefined,
        ...(this.money && { agency: this.money.agency(process, store) }),
      },
      observe: undefined,
      worker: {
        id: name,
        concurrency: this.random.int(1, 8),
        pollInterval: this.random.int(200, 2_000),
        maxDeliveries: 1_000,
        drain: 2_000,
        queues: this.weather.clear || this.random.chance(0.6) ? QUEUES : ["default"],
      },
    });
    const member: Member = { process, engine, epoch: 0, open: false };
    this.#members.push(member);
    this.note(name, "boots");
    engine.open().then(
      () => {
        member.open = true;
      },
      () => {
        this.note(name, "could not open");
        this.kill(member);
        this.loop.after(500, () => this.boot());
      },
    );
  }

  /** Puts rules into the store. */
  govern(rules: QueueRules): void {
    this.note("rules", JSON.stringify(rules));
    void this.store.putQueueRules([rules]);
    this.guard(() => this.places.put(rules));
  }

  kill(member: Member): void {
    this.note(member.process.name, "dies");
    member.process.kill();
    this.#members = this.#members.filter((other) => other !== member);
  }

  /** Told to stop: it drains, hands back what it holds, and is gone. */
  retire(member: Member): void {
    this.note(member.process.name, "is told to stop");
    member.open = false;
    member.engine.close().then(
      () => this.kill(member),
      () => this.kill(member),
    );
  }

  async #applied<T>(call: Call, apply: () => Promise<T>): Promise<T> {
    if (this.violation !== undefined) throw this.violation;
    try {
      const answering =
        call.operation === "commit"
          ? (this.oracle.commit(
              call.arguments[0] as readonly Transition[],
              apply as () => Promise<readonly CommitOutcome[]>,
            ) as Promise<T>)
          : apply();
      if (!READS.has(call.operation)) this.#look(call.operation, answering);
      const answer = await answering;
      if (!QUIET.has(call.operation))
        this.note(call.process, () => `${describeCall(call)} → ${describeAnswer(answer)}`);
      return answer;
    } catch (error) {
      this.note(call.process, () => `${describeCall(call)} → ${String(error)}`);
      if (error instanceof Violation) this.violation ??= error;
      throw error;
    }
  }

  /** The call has been applied; whoever waits for its answer hears of a violation, and nobody else has to. */
  #look(operation: string, answering: Promise<unknown>): void {
    answering.catch(() => undefined);
    this.oracle.check();
    this.places.check(operation);
  }

  #holdsLease(worker: string, epoch: number): boolean {
    const member = this.#members.find(({ process }) => process.name === worker);
    if (member?.process.runs !== true) return false;
    const row = this.tables.workers.get(worker as WorkerId);
    return row?.epoch === epoch && row.leaseUntil > this.loop.now;
  }

  #isRecorded(run: string, purpose: "step" | "undo", path: string, visit: string): boolean {
    const row = this.tables.runs.get(run as never);
    return row !== undefined && this.oracle.shadow(row).has(purpose, path, visit);
  }

  /** What every simulated step does: takes its time or none, fails now and then, changes the context, gives a number. */
  #execute({ process, epoch }: Member, ctx: StepContext, input: unknown, purpose: "step" | "undo"): unknown {
    const work = this.#work;
    const { path, visit, attempt, signal } = ctx;
    let over = (): unknown => undefined;
    this.guard(() => {
      over = this.ledger.begin({
        run: ctx.run.id,
        path,
        visit,
        attempt,
        purpose,
        worker: process.name,
        epoch,
        at: this.loop.now,
        wanted: () => !signal.aborted,
      });
    });
    this.note(process.name, () => `runs ${purpose} ${ctx.run.id} ${path}#${visit} attempt ${attempt}`);
    const kind = work.next();
    const result = work.int(0, 1_000);
    const change = work.chance(0.2) ? `c${work.int(0, 2)}` : undefined;
    const finish = (): unknown => {
      over();
      if (kind < (purpose === "undo" ? 0.3 : 0.05)) throw new Error("this attempt failed");
      if (kind < 0.065) throw new NonRetryableError("this step can not succeed");
      if (kind < 0.075) throw new RetryAfter(work.int(0, 500));
      if (change !== undefined) ctx.context[change] = result;
      if (kind < 0.12) return { input, result };
      if (kind < 0.14) return undefined;
      return kind < 0.142 ? LARGE : result;
    };
    // Every step is given what agents need, and only those look at it.
    if (this.money !== undefined)
      return this.money
        .pay(ctx as AgentContext, process)
        .finally(over)
        .then(finish);
    const takes = work.next();
    if (takes < 0.5) return finish();
    if (takes < 0.65) return Promise.resolve().then(finish);
    const ms = takes < 0.95 ? work.int(1, 300) : work.int(1_000, 5_000);
    return new Promise((resolve, reject) => {
      const end = (): void => {
        try {
          resolve(finish());
        } catch (error) {
          reject(error as Error);
        }
      };
      const cancel = process.deliver(ms, end);
      // Some steps honour their signal, some do not look.
      if (work.chance(0.7))
        signal.addEventListener("abort", () => {
          cancel();
          over();
          reject(signal.reason as Error);
        });
    });
  }
}

/** Steps may ask for a queue that not every process serves. */
const QUEUES: readonly string[] = ["default", "special"];
/** Above the size at which values travel as references. */
const LARGE: string = "0123456789abcdef".repeat(4_200);
const SILENT = { log: (): void => undefined };
const READS: ReadonlySet<string> = new Set([
  "load",
  "list",
  "history",
  "fibers",
  "children",
  "messages",
  "blob",
  "nextDue",
  "definition",
]);
const QUIET: ReadonlySet<string> = new Set([...READS, "heartbeat", "migrate", "putDefinitions"]);

function definitionsOf(flows: readonly Definition[]): ReadonlyMap<Fingerprint, Definition> {
  const registry = new Registry();
  for (const flow of flows) registry.register(flow);
  return new Map(registry.definitions.map((one) => [one.fingerprint, one]));
}

/** Learns the epoch when the worker itself does. */
function watched(store: Store, heard: (epoch: number) => void): Store {
  return {
    ...store,
    register: async (worker, leaseMs, about) => {
      const answer = await store.register(worker, leaseMs, about);
      heard(answer.epoch);
      return answer;
    },
  };
}
