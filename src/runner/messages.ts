import { FlujoError } from "../domain/errors.ts";
import { messageName } from "../domain/event.ts";
import { type PauseToken, partsOfToken, pauseToken, type RunId } from "../domain/ids.ts";
import { LIMITS } from "../domain/limits.ts";
import { isEnd, type RunRecord } from "../domain/run.ts";
import { issuesText, type Schema, validate } from "../domain/schema.ts";
import { encodeSized } from "../domain/wire.ts";
import type { Definition } from "../definition/definition.ts";
import type { Registry } from "../engine/registry.ts";
import type { SignalOutcome, Store } from "../ports/store.ts";
import type { Reader } from "./reader.ts";
import type { Pause } from "./result.ts";

export interface SignalOptions {
  /** Deduplicates: a second signal with this id changes nothing. Default: a new id each time. */
  readonly id?: string;
}

/** Signals and answers on their way into a run's mailbox. Checked here when the flow is known here, and again when consumed. */
export class Messages {
  readonly #store: Store;
  readonly #reader: Reader;
  readonly #registry: Registry;
  readonly #newId: () => string;
  readonly #now: () => number;

  constructor({
    store,
    reader,
    registry,
    newId,
    now,
  }: {
    readonly store: Store;
    readonly reader: Reader;
    readonly registry: Registry;
    readonly newId: () => string;
    readonly now: () => number;
  }) {
    this.#store = store;
    this.#reader = reader;
    this.#registry = registry;
    this.#newId = newId;
    this.#now = now;
  }

  /** Throws RUN_UNKNOWN, RUN_ENDED, SIGNAL_UNDECLARED, SIGNAL_INVALID. */
  async signal(
    run: RunId,
    name: string,
    data: unknown,
    { id = this.#newId() }: SignalOptions,
  ): Promise<"delivered" | "duplicate"> {
    if (name === "") throw new FlujoError("SIGNAL_INVALID", "expected a signal name but found an empty one");
    const record = await this.#reader.record(run);
    if (isEnd(record.status)) throw ended(record);
    const definition = this.#registry.byFingerprint(record.fingerprint);
    if (definition !== undefined) await checkSignal(definition, name, data);
    const outcome = await this.#store.signal({
      run,
      id,
      name: messageName.signal(name),
      data: encodeSized(data, LIMITS.messageBytes).wire,
      sentAt: this.#now(),
    });
    return this.#accepted(outcome, record);
  }

  /** Throws RUN_UNKNOWN, RUN_ENDED, PAUSE_UNKNOWN, PAUSE_AMBIGUOUS, ANSWER_INVALID (the run is still paused). */
  async answer(run: RunId, answer: unknown, token: string | undefined): Promise<Pause> {
    const record = await this.#reader.record(run);
    if (isEnd(record.status)) throw ended(record);
    const pause = await this.#openPause(run, token === undefined ? undefined : pauseToken(token));
    await this.#checkAnswer(pause, answer);
    const name = messageName.answer(pause.token);
    const data = encodeSized(answer, LIMITS.messageBytes).wire;
    // One id per question and try: of two people who answer at once exactly one is heard.
    const send = (attempt: number): Promise<SignalOutcome> =>
      this.#store.signal({ run: pause.runId, id: `${name}:${attempt}`, name, data, sentAt: this.#now() });
    let outcome = await send(0);
    // Only who comes second reads the history: maybe the answers before were rejected.
    const rejected = outcome === "duplicate" ? await this.#rejections(pause.runId, name) : 0;
    if (rejected > 0) outcome = await send(rejected);
    if (outcome === "duplicate")
      throw new FlujoError("PAUSE_UNKNOWN", `pause ${pause.token} has been answered already`);
    this.#accepted(outcome, record);
    return pause;
  }

  async #rejections(run: RunId, name: string): Promise<number> {
    const history = await this.#reader.history(run);
    return history.filter((event) => event.type === "wait.rejected" && event.name === name).length;
  }

  #accepted(outcome: SignalOutcome, record: RunRecord): "delivered" | "duplicate" {
    switch (outcome) {
      case "delivered":
      case "duplicate":
        return outcome;
      case "ended":
        throw ended(record);
      case "unknown":
        throw new FlujoError("RUN_UNKNOWN", `no run has the id "${record.id}"`);
    }
  }

  async #openPause(run: RunId, token: PauseToken | undefined): Promise<Pause> {
    const open = await this.#openPauses(run, token);
    const list = open.map((pause) => `${pause.token} (${pause.path})`).join(", ") || "none";
    const found = token === undefined ? open : open.filter((pause) => pause.token === token);
    const [only, ...others] = found;
    if (only === undefined) {
      const what = token === undefined ? "is not paused for an answer" : `has no open pause ${token}`;
      throw new FlujoError("PAUSE_UNKNOWN", `run ${run} ${what}; open: ${list}`);
    }
    if (others.length > 0)
      throw new FlujoError("PAUSE_AMBIGUOUS", `run ${run} has ${found.length} open pauses: ${list}`);
    return only;
  }

  /** With a token only the run that asks is read; it must be this run, or one that this run waits for. */
  async #openPauses(run: RunId, token: PauseToken | undefined): Promise<readonly Pause[]> {
    if (token === undefined) return this.#reader.pauses(run);
    const asking = partsOfToken(token).run;
    return (await this.#waitsFor(run, asking)) ? this.#reader.pauses(asking) : [];
  }

  async #waitsFor(run: RunId, other: RunId): Promise<boolean> {
    for (let at = other; at !== run; ) {
      const parent = (await this.#store.load(at))?.parent;
      if (parent === undefined || parent.reply === "") return false; // nobody's child, or a detached one
      at = parent.run;
    }
    return true;
  }

  async #checkAnswer({ runId, path, token, question }: Pause, answer: unknown): Promise<void> {
    const { fingerprint } = await this.#reader.record(runId);
    const node = this.#registry.byFingerprint(fingerprint)?.nodes.get(path);
    const wait = node?.kind === "wait" && node.wait.kind === "human" ? node.wait : undefined;
    if (wait?.answer === undefined && wait?.check === undefined) return;
    const checked =
      wait.answer === undefined ? { ok: true as const, value: answer } : await validate(wait.answer, answer);
    if (checked.ok) {
      const why = wait.check?.(checked.value, question);
      if (why === undefined) return;
      throw new FlujoError("ANSWER_INVALID", `the answer is not one to ${token}: ${why}`, { at: path });
    }
    throw new FlujoError(
      "ANSWER_INVALID",
      `the answer to ${token} does not satisfy its schema: ${issuesText(checked.issues)}`,
      { at: path, details: { issues: checked.issues } },
    );
  }
}

const ended = ({ id, status }: RunRecord): FlujoError =>
  new FlujoError("RUN_ENDED", `run ${id} has ended: ${status}`, { details: { runId: id, status } });

async function checkSignal(definition: Definition, name: string, data: unknown): Promise<void> {
  const declared = new Map<string, Schema | undefined>();
  for (const node of definition.nodes.values()) {
    if (node.kind !== "wait" || node.wait.kind !== "signal") continue;
    for (const one of node.wait.names) declared.set(one, node.wait.schemas[one] ?? declared.get(one));
  }
  if (!declared.has(name)) {
    throw new FlujoError(
      "SIGNAL_UNDECLARED",
      `expected one of ${[...declared.keys()].join(", ") || "no signals at all"} but found "${name}"`,
      { at: definition.name },
    );
  }
  const schema = declared.get(name);
  if (schema === undefined) return;
  const checked = await validate(schema, data);
  if (!checked.ok)
    throw new FlujoError(
      "SIGNAL_INVALID",
      `signal "${name}" does not satisfy its schema: ${issuesText(checked.issues)}`,
      { details: { issues: checked.issues } },
    );
}
