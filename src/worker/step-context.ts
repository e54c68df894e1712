import type { Ambient } from "../domain/ambient.ts";
import { FlujoError } from "../domain/errors.ts";
import { placeOf } from "../domain/ids.ts";
import type { Metadata } from "../domain/run.ts";
import type { ContextReference, Handles, ReferenceHandle } from "../domain/reference.ts";
import { sha256 } from "../domain/sha256.ts";
import { decode, type Wire } from "../domain/wire.ts";
import type { Fact } from "../domain/event.ts";
import type { Resident } from "../engine/resident.ts";
import { iterationOf } from "../planner/fiber.ts";
import type { HookChain } from "../policies/hooks.ts";
import type { AtEnd, AttemptContext } from "../policies/policy.ts";
import type { AttemptResources, Resources } from "../policies/resources.ts";
import type { Agency } from "../ports/agency.ts";
import { type ReferenceHost, StepReferences } from "./references.ts";
import { type During, type SharedBudgets, StepSpending } from "./spending.ts";

export interface StepLogger {
  log(level: "debug" | "info" | "warn" | "error", message: string, fields: Readonly<Record<string, unknown>>): void;
}

/** What a step, or a compensation, is given. */
export const inputOf = ({ doing, value, aside }: Resident["fiber"]): Wire =>
  doing.kind === "undo" ? (aside.undo.at(-1)?.output ?? null) : value;

/** What the host gives to every step. */
export interface StepHost {
  readonly ambient: Ambient;
  readonly resources: Resources;
  readonly hooks?: HookChain;
  readonly logger: StepLogger;
  readonly emit: (chunk: {
    readonly run: string;
    readonly path: string;
    readonly visit: string;
    readonly attempt: number;
    readonly chunk: unknown;
  }) => void;
  /** What agents need of the process. Absent where no flow has one. */
  readonly agency?: AgencyHost;
  /** Absent where no provider was given: then every reference names one that is not there. */
  readonly references?: ReferenceHost;
}

const NO_PROVIDERS: ReferenceHost = { providers: {}, onError: "fail" };

export interface AgencyHost
  extends Pick<Agency, "model" | "embedder" | "prices" | "governor" | "estimate" | "fingerprint" | "answers"> {
  readonly shared?: SharedBudgets;
}

/** What steps of agents keep while their fiber is held here: it goes with the resident. */
const memos = new WeakMap<Resident, Map<string, unknown>>();

function memoOf(resident: Resident): Map<string, unknown> {
  const known = memos.get(resident) ?? new Map<string, unknown>();
  memos.set(resident, known);
  return known;
}

/** What of the worker an attempt reaches besides the host. */
export interface StepReach {
  readonly during: During;
  readonly journal: (resident: Resident) => Promise<readonly Fact[]>;
  readonly inflate: (wire: Wire) => Promise<Wire>;
  /** Cancels the whole run that a fiber belongs to. */
  readonly cancelRun: (resident: Resident, reason: string) => Promise<void>;
  /** The transaction that the attempt runs inside of. */
  readonly inside?: Transaction;
}

export interface StepAt {
  readonly path: string;
  readonly visit: string;
  readonly attempt: number;
}

/** What a transactional step runs inside of: the backend's own handle. */
export interface Transaction {
  readonly tx: unknown;
}

type Fields = Readonly<Record<string, unknown>>;

/** The second argument of a step. Everything costly is made when it is first looked at. */
export class WorkerStepContext implements AttemptContext {
  readonly path: string;
  readonly visit: string;
  readonly attempt: number;
  cacheHit = false;
  atEnd: AtEnd | undefined;
  readonly #resident: Resident;
  readonly #host: StepHost;
  readonly #reach: StepReach;
  #spending: StepSpending | undefined;
  #references: StepReferences | undefined;
  #controller: AbortController | undefined;
  #aborted: { readonly reason: unknown } | undefined;
  #draft: { value: unknown } | undefined;
  #key: string | undefined;
  #resources: AttemptResources | undefined;

  constructor(resident: Resident, { path, visit, attempt }: StepAt, host: StepHost, reach: StepReach) {
    this.path = path;
    this.visit = visit;
    this.attempt = attempt;
    this.#resident = resident;
    this.#host = host;
    this.#reach = reach;
  }

  /** The store's transaction, for a step that runs inside one. */
  get tx(): unknown {
    return this.#reach.inside?.tx;
  }

  /** For the steps of agents, see ports/agency.ts. */
  get agency(): Agency {
    const { agency } = this.#host;
    if (agency === undefined || this.#reach.inside !== undefined) {
      const where = agency === undefined ? "this process" : "a transaction";
      throw new FlujoError("OPTION_INVALID", `agents cannot run inside ${where}`, { at: this.path });
    }
    const { model, embedder, prices, governor, estimate, fingerprint, answers, shared } = agency;
    const { during, journal, inflate } = this.#reach;
    const resident = this.#resident;
    this.#spending ??= new StepSpending(resident, during, shared);
    return {
      model,
      embedder,
      prices,
      governor,
      spend: this.#spending,
      estimate,
      fingerprint,
      answers,
      journal: () => journal(resident),
      inflate,
      memo: memoOf(resident),
    };
  }

  /** What the attempt has spent, when it looked at what it may spend. */
  get spending(): StepSpending | undefined {
    return this.#spending;
  }

  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.#aborted !== undefined) this.#controller.abort(this.#aborted.reason);
    }
    return this.#controller.signal;
  }

  /** For the worker: stops the attempt, now or when it first looks. */
  abort(reason: unknown): void {
    this.#aborted ??= { reason };
    this.#controller?.abort(reason);
  }

  get context(): unknown {
    return (this.#draft ??= { value: decode(this.#resident.fiber.context) }).value;
  }

  set context(value: unknown) {
    this.#draft = { value };
  }

  /** The draft, when the step looked at it. */
  draft(): { readonly value: unknown } | undefined {
    return this.#draft;
  }

  /** A compensation has one of its own: who charged under a key must not take the refund for a repetition of the charge. */
  get idempotencyKey(): string {
    const purpose = this.#resident.fiber.doing.kind === "undo" ? " undo" : ""; // a space is in no id
    return (this.#key ??= sha256(`${this.#resident.run}/${placeOf(this.path, this.visit)}${purpose}`));
  }

  get run(): { readonly id: string; readonly flow: string; readonly version: string; readonly metadata: Metadata } {
    const { run, definition, metadata } = this.#resident;
    return { id: run, flow: definition.name, version: definition.version, metadata };
  }

  get contextBefore(): Wire {
    return this.#resident.fiber.context;
  }

  get iteration(): number {
    return iterationOf(this.#resident.fiber);
  }

  get resources(): Readonly<Record<string, unknown>> {
    return this.#reachable.all;
  }

  get #reachable(): AttemptResources {
    return (this.#resources ??= this.#host.resources.forAttempt(this, (message, fields) =>
      this.log.error(message, fields),
    ));
  }

  /** For the worker: the attempt is over, and opens nothing any more. Undefined when nothing is open. */
  closeResources(error: unknown): Promise<void> | undefined {
    return this.#reachable.close(error);
  }

  get log(): { readonly [level in "debug" | "info" | "warn" | "error"]: (message: string, fields?: Fields) => void } {
    const at = {
      run: this.#resident.run,
      flow: this.#resident.definition.name,
      path: this.path,
      visit: this.visit,
      attempt: this.attempt,
    };
    const { logger } = this.#host;
    const write =
      (level: "debug" | "info" | "warn" | "error") =>
      (message: string, fields: Fields = {}): void =>
        logger.log(level, message, { ...at, ...fields });
    return { debug: write("debug"), info: write("info"), warn: write("warn"), error: write("error") };
  }

  // Getters that give functions, not methods: `async (input, { emit }) => …` takes them out of the object.
  get emit(): (chunk: unknown) => void {
    const { path, visit, attempt } = this;
    const { run } = this.#resident;
    return (chunk) => this.#host.emit({ run, path, visit, attempt, chunk });
  }

  get reference(): <T>(to: ContextReference<T>) => ReferenceHandle<T> {
    return (to) => this.#handles.handle(to);
  }

  get hydrate(): <const Wanted extends readonly ContextReference[]>(...wanted: Wanted) => Promise<Handles<Wanted>> {
    return (...wanted) => this.#handles.hydrate(wanted);
  }

  /** What the attempt has set behind references, when it did. */
  get references(): StepReferences | undefined {
    return this.#references?.areChanged === true ? this.#references : undefined;
  }

  get #handles(): StepReferences {
    const { fiber } = this.#resident;
    return (this.#references ??= new StepReferences({
      host: this.#host.references ?? NO_PROVIDERS,
      signal: this.signal,
      warn: this.log.warn,
      given: [fiber.context, inputOf(fiber)],
    }));
  }

  get now(): () => Date {
    return () => new Date(this.#host.ambient.clock.now());
  }

  get random(): () => number {
    return this.#host.ambient.random;
  }
}
