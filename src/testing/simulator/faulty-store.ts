import { FlujoError } from "../../domain/errors.ts";
import { type Capabilities, MEMORY } from "../../ports/capabilities.ts";
import type { Store } from "../../ports/store.ts";
import type { SimulatedProcess } from "./process.ts";
import type { SimulationLoop } from "./loop.ts";
import type { Fate, Weather } from "./weather.ts";

export interface FaultyStoreDeps {
  readonly store: Store;
  readonly process: SimulatedProcess;
  readonly loop: SimulationLoop;
  readonly weather: Weather;
  readonly gather: Capabilities["gather"];
  readonly inFlight: Capabilities["inFlight"];
  /** Called around every call that reaches the store; the cluster looks at the store here. */
  readonly applied: <T>(call: Call, apply: () => Promise<T>) => Promise<T>;
}

export interface Call {
  readonly process: string;
  readonly operation: string;
  readonly arguments: readonly unknown[];
}

/**
 * What moves leases is not fenced by a sequence number: delivered again, or after its caller gave up, it would lease fibers to a
 * worker that never hears of them, or take away what the worker has been given since. Stores must not do that to a caller.
 */
const MOVES_LEASES: ReadonlySet<string> = new Set(["claim", "register", "createRuns", "release"]);

/** The one store as one process sees it: through a network that is slow, loses, and repeats. */
export function faultyStore(deps: FaultyStoreDeps): Store {
  const { store, process, weather, gather, inFlight } = deps;
  const call = <T>(operation: string, args: readonly unknown[], apply: () => Promise<T>): Promise<T> =>
    send(deps, { process: process.name, operation, arguments: args }, apply);
  return {
    capabilities: { ...MEMORY, name: "simulated", durable: true, shared: true, gather, inFlight },
    migrate: (options) => call("migrate", [], () => store.migrate(options)),
    createRuns: (runs) => call("createRuns", [runs], () => store.createRuns(runs)),
    commit: (batch) => call("commit", [batch], () => store.commit(batch)),
    signal: (message) => call("signal", [message], () => store.signal(message)),
    cancel: (run, reason) => call("cancel", [run, reason], () => store.cancel(run, reason)),
    load: (run) => call("load", [run], () => store.load(run)),
    list: (query) => call("list", [query], () => store.list(query)),
    history: (run, options) => call("history", [run], () => store.history(run, options)),
    fibers: (run) => call("fibers", [run], () => store.fibers(run)),
    children: (run, parent, fork) => call("children", [run, parent, fork], () => store.children(run, parent, fork)),
    messages: (run) => call("messages", [run], () => store.messages(run)),
    revive: (revival) => call("revive", [revival], () => store.revive(revival)),
    prune: (options) => call("prune", [options], () => store.prune(options)),
    putDefinitions: (definitions) => call("putDefinitions", [], () => store.putDefinitions(definitions)),
    definition: (fingerprint) => call("definition", [fingerprint], () => store.definition(fingerprint)),
    blob: (hash) => call("blob", [hash], () => store.blob(hash)),
    register: (worker, leaseMs, about) => call("register", [worker], () => store.register(worker, leaseMs, about)),
    workers: () => call("workers", [], () => store.workers()),
    putQueueRules: (rules) => call("putQueueRules", [rules], () => store.putQueueRules(rules)),
    queueRules: () => call("queueRules", [], () => store.queueRules()),
    claim: (request) => call("claim", [request], () => store.claim(request)),
    heartbeat: (worker, epoch, leaseMs, about) =>
      call("heartbeat", [worker, epoch], () => store.heartbeat(worker, epoch, leaseMs, about)),
    sweep: () => call("sweep", [], () => store.sweep()),
    release: (worker, epoch, which) =>
      call("release", [worker, epoch, which], () => store.release(worker, epoch, which)),
    nextDue: (request) => call("nextDue", [], () => store.nextDue(request)),
    putSchedule: (schedule) => call("putSchedule", [schedule], () => store.putSchedule(schedule)),
    schedules: () => call("schedules", [], () => store.schedules()),
    removeSchedule: (id) => call("removeSchedule", [id], () => store.removeSchedule(id)),
    moveSchedule: (seen, next) => call("moveSchedule", [seen.id, next], () => store.moveSchedule(seen, next)),
    getItems: (refs) => call("getItems", [refs], () => store.getItems(refs)),
    putItems: (items) => call("putItems", [items], () => store.putItems(items)),
    removeItems: (refs) => call("removeItems", [refs], () => store.removeItems(refs)),
    listItems: (query) => call("listItems", [query], () => store.listItems(query)),
    hold: (holds) => call("hold", [holds], () => store.hold(holds)),
    settleHolds: (holds) => call("settleHolds", [holds], () => store.settleHolds(holds)),
    balances: (prefix) => call("balances", [prefix], () => store.balances(prefix)),
    pruneAccounts: (since) => call("pruneAccounts", [since], () => store.pruneAccounts(since)),
    subscribe: (wake) =>
      store.subscribe((hint) => {
        if (process.alive && weather.hintArrives()) process.deliver(weather.latencyMs(), () => wake(hint));
      }),
    close: () => Promise.resolve(),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

function fateOf(weather: Weather, { operation }: Call): Fate {
  const fate = weather.fate();
  if (!MOVES_LEASES.has(operation)) return fate;
  return fate === "late" || fate === "repeated" ? "unanswered" : fate;
}

function send<T>(deps: FaultyStoreDeps, call: Call, apply: () => Promise<T>): Promise<T> {
  const { process, loop, weather, applied } = deps;
  const fate = fateOf(weather, call);
  return new Promise((resolve, reject) => {
    const lost = (): void => reject(new FlujoError("STORE_UNAVAILABLE", `the network lost ${call.operation}`));
    const there = weather.latencyMs();
    // The request is on its way: that its sender dies or stops does not bring it back.
    const reach = (): Promise<T> => applied(call, apply);
    const ignore = (): void => undefined;
    switch (fate) {
      case "refused":
        process.deliver(there, lost);
        return;
      case "late":
        process.deliver(there, lost);
        loop.after(there + weather.latencyMs() + 50, () => void reach().catch(ignore));
        return;
      case "unanswered":
        loop.after(there, () => void reach().catch(ignore));
        process.deliver(there + weather.latencyMs(), lost);
        return;
      case "repeated":
        loop.after(there + weather.latencyMs(), () => void reach().catch(ignore));
        break;
      case "arrives":
        break;
    }
    loop.after(there, () => {
      reach().then(
        (answer) => process.deliver(weather.latencyMs(), () => resolve(answer)),
        (error: unknown) => process.deliver(weather.latencyMs(), () => reject(error as Error)),
      );
    });
  });
}
