import type { Ambient } from "../domain/ambient.ts";
import { FlujoError } from "../domain/errors.ts";
import { type ProcessConfig, processConfig } from "../config/process-config.ts";
import type { Definition } from "../definition/definition.ts";
import { readsJournal } from "../definition/reads-journal.ts";
import type { Fingerprint } from "../domain/ids.ts";
import { Registry } from "../engine/registry.ts";
import { systemAmbient } from "../engine/system.ts";
import { Fanout } from "../observe/fanout.ts";
import { stderrLogger } from "../observe/stderr.ts";
import { Resources } from "../policies/resources.ts";
import type { Store } from "../ports/store.ts";
import { MemoryStore } from "../stores/memory/store.ts";
import { Chunks } from "./stream.ts";
import { assemble } from "./assemble.ts";
import type { Engine } from "./engine.ts";
import { resourcesWithMemory } from "./memory.ts";
import { openStore } from "./open-store.ts";
import type { FlujoOptions } from "./options.ts";

/** A flow by value, or by name (and version when several are registered). */
export type FlowChoice = Definition | string | { readonly name: string; readonly version?: string };

/** A store opened for a process, and what works on it there: opened at the first use, closed once. */
export abstract class Opened implements AsyncDisposable {
  readonly #options: FlujoOptions;
  readonly #registry = new Registry();
  readonly #fanout: Fanout | undefined;
  readonly #chunks = new Chunks();
  readonly #resources: Resources;
  #opening: Promise<Engine> | undefined;
  #ephemeral: Promise<Engine> | undefined;
  #ephemeralStore: MemoryStore | undefined;
  #closing: Promise<void> | undefined;

  /** Throws DEFINITION_CONFLICT when two flows of one name and version differ. */
  constructor(options: FlujoOptions = {}) {
    this.#options = options;
    for (const flow of options.flows ?? []) this.#registry.register(flow);
    const { logger = stderrLogger } = options;
    const resources = resourcesWithMemory(options);
    this.#resources = new Resources(resources, (message, fields) => logger.log("error", message, fields));
    this.#fanout = options.observers?.length ? new Fanout(options.observers) : undefined;
  }

  /** Opens the store and begins to work, now instead of at the first use. Throws what the store throws. */
  async open(): Promise<this> {
    await this.engine();
    return this;
  }

  /** Makes another flow known. Idempotent. Throws DEFINITION_CONFLICT, TRANSACTIONS_UNSUPPORTED. */
  async register(flow: Definition): Promise<void> {
    const engine = await this.#opening;
    engine?.check(flow);
    this.#registry.register(flow);
    await engine?.storeDefinitions();
    engine?.worker?.wake();
  }

  /** A flow may be used without having been named before. */
  protected async known(engine: Engine, flow: FlowChoice): Promise<Definition> {
    const definition = this.find(flow);
    engine.check(definition);
    this.#registry.register(definition);
    await engine.storeDefinitions();
    return definition;
  }

  /** @internal Items that steps of a run emit in this process. */
  get chunks(): Chunks {
    return this.#chunks;
  }

  /** Lets running steps finish, hands work back, closes what was opened. Idempotent, safe at any time. */
  close(): Promise<void> {
    return (this.#closing ??= this.#close());
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    for (const opening of [this.#opening, this.#ephemeral]) {
      const engine = await opening?.catch(() => undefined); // whoever asked for it was told why it could not open
      await engine?.close();
      if (engine !== undefined && (opening === this.#ephemeral || this.#ownsStore)) await engine.store.close();
    }
    await this.#resources.close();
    await this.#fanout?.close();
  }

  /** Where runs with `persist: false` live; undefined when there is none, or it goes as a whole. */
  protected get forgetfulStore(): MemoryStore | undefined {
    return this.#closing === undefined ? this.#ephemeralStore : undefined;
  }

  protected get ambient(): Ambient {
    return this.#options.ambient ?? systemAmbient;
  }

  get #ownsStore(): boolean {
    return this.#options.store === undefined || typeof this.#options.store === "string";
  }

  protected find(flow: FlowChoice): Definition {
    if (typeof flow === "string") return this.#registry.find(flow);
    return "nodes" in flow ? flow : this.#registry.find(flow.name, flow.version);
  }

  /** @internal */
  protected engine(): Promise<Engine> {
    if (this.#closing !== undefined) return Promise.reject(new FlujoError("CLOSED", "this Flujo was closed"));
    if (this.#opening === undefined) {
      const opening = this.#openEngine();
      this.#opening = opening;
      opening.catch(() => {
        if (this.#opening === opening) this.#opening = undefined; // the next call tries again
      });
    }
    return this.#opening;
  }

  async #openEngine(): Promise<Engine> {
    const config = await processConfig();
    const { store = config.stateUri, ambient } = this.#options;
    const opened: Store =
      typeof store === "string" ? await openStore(store, ambient && { clock: ambient.clock }) : await store;
    return this.#assemble(opened, config);
  }

  /** Runs with `persist: false` live here: same engine, memory store, no history that they do not read themselves. */
  protected forgetful(): Promise<Engine> {
    if (this.#closing !== undefined) return Promise.reject(new FlujoError("CLOSED", "this Flujo was closed"));
    const { ambient = systemAmbient } = this.#options;
    this.#ephemeralStore ??= new MemoryStore({ clock: ambient.clock, history: (flow) => this.#readsJournal(flow) });
    const store = this.#ephemeralStore;
    return (this.#ephemeral ??= processConfig().then((config) => this.#assemble(store, config)));
  }

  #readsJournal(flow: Fingerprint): boolean {
    const definition = this.#registry.byFingerprint(flow);
    return definition !== undefined && readsJournal(definition);
  }

  async #assemble(store: Store, config: ProcessConfig): Promise<Engine> {
    const engine = await assemble(this.#options, {
      store,
      config,
      registry: this.#registry,
      fanout: this.#fanout,
      chunks: this.#chunks,
      ephemeral: store === this.#ephemeralStore,
      resources: this.#resources,
    });
    await engine.open();
    return engine;
  }
}
