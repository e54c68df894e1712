import { FlujoError } from "../../domain/errors.ts";
import type { FiberKey } from "../../domain/ids.ts";
import { isFinal, isHeld, isReceipt } from "../../ports/effects.ts";
import { unsendable } from "../../ports/new-message.ts";
import type { ShardTransition } from "../../ports/shard.ts";
import type { CommitOutcome, Transition } from "../../ports/store.ts";
import { original } from "../../ports/stored-text.ts";
import { ADVANCE, COMMIT } from "./commit-program.ts";
import type { Row, SqlValue } from "./driver.ts";
import { isRowFault } from "./errors.ts";
import { FINISH } from "./finish-program.ts";
import { type Encoded, encode, Finals, Held, LayerValues, Receipts } from "./layer-values.ts";
import { layersOf } from "./layers.ts";
import type { Program, Values } from "./program.ts";
import { RECEIVE } from "./receive-program.ts";
import { booleanIn, numberIn, textIn, textOrNull, textsIn } from "./rows.ts";

const COMMITTED: CommitOutcome = Object.freeze({ status: "committed", woken: false });
const LOST: CommitOutcome = Object.freeze({ status: "lost" });
const CONFLICT: CommitOutcome = Object.freeze({ status: "conflict" });

/** Runs a program: on its own, or inside a transaction. */
export type Run = (program: Program, values: Values) => Promise<readonly Row[]>;

export interface Committed {
  readonly outcomes: readonly CommitOutcome[];
  /** Whether a message made a fiber of another worker ready. */
  readonly woke: boolean;
}

interface Item {
  readonly index: number;
  readonly transition: ShardTransition;
  readonly encoded: Encoded;
}

interface Answers {
  readonly outcomes: readonly CommitOutcome[];
  readonly woke: boolean;
}

/** Each layer is one call, hence one round trip and one sync; most batches have one. */
export async function commitBatch(run: Run, batch: readonly ShardTransition[], now: number | null): Promise<Committed> {
  const outcomes: CommitOutcome[] = [];
  const items: Item[] = [];
  for (const [index, transition] of batch.entries()) {
    const item = prepared(transition, index);
    if ("status" in item) outcomes[index] = item;
    else items.push(item);
  }
  let woke = false;
  for (const layer of layersOf(items)) {
    const answers = await commitLayer(run, layer, now);
    for (const [i, { index }] of layer.entries()) outcomes[index] = answers.outcomes[i] ?? LOST;
    woke ||= answers.woke;
  }
  return { outcomes, woke };
}

function prepared(transition: ShardTransition, index: number): Item | CommitOutcome {
  for (const message of transition.send) {
    const error = unsendable(message);
    if (error !== undefined) return { status: "rejected", error };
  }
  try {
    return { index, transition, encoded: encode(transition) };
  } catch (error) {
    return rejected(transition, error);
  }
}

/** When a row cannot be encoded, or stored, nothing has been written: then each goes alone, and the guilty one is known. */
async function commitLayer(run: Run, layer: readonly Item[], now: number | null): Promise<Answers> {
  try {
    if (layer.every(({ transition }) => isHeld(transition))) return await advance(run, layer);
    if (layer.every(({ transition }) => isHeld(transition) || isFinal(transition))) return await finish(run, layer);
    if (layer.every(({ transition }) => isHeld(transition) || isReceipt(transition))) return await receive(run, layer);
    return await commitMixed(run, layer, now);
  } catch (error) {
    if (!isRowFault(error)) throw error;
    const [only] = layer;
    if (only !== undefined && layer.length === 1) return { outcomes: [rejected(only.transition, error)], woke: false };
  }
  const alone: Answers[] = [];
  for (const item of layer) alone.push(await commitLayer(run, [item], now));
  return { outcomes: alone.flatMap(({ outcomes }) => outcomes), woke: alone.some(({ woke }) => woke) };
}

async function advance(run: Run, layer: readonly Item[]): Promise<Answers> {
  const held = new Held();
  for (const { encoded } of layer) held.add(encoded);
  const values: Record<string, SqlValue> = {};
  held.writeTo(values);
  const outcomes: CommitOutcome[] = layer.map(() => LOST);
  for (const row of await run(ADVANCE, values)) outcomes[numberIn(row, "n") - 1] = committed(row, []);
  return { outcomes, woke: false };
}

/** Where the transitions of a layer stand in it, by part and number there. */
class Places {
  readonly #h: number[] = [];
  readonly #g: number[] = [];

  constructor(layer: readonly Item[]) {
    for (const [i, { transition }] of layer.entries()) (isHeld(transition) ? this.#h : this.#g).push(i);
  }

  of(row: Row): number | undefined {
    const part = textIn(row, "part");
    return (part === "h" ? this.#h : part === "g" ? this.#g : [])[numberIn(row, "n") - 1];
  }
}

const finish = (run: Run, layer: readonly Item[]): Promise<Answers> =>
  commitAlike(layer, new Finals(), (values) => run(FINISH, values));

const receive = (run: Run, layer: readonly Item[]): Promise<Answers> =>
  commitAlike(layer, new Receipts(), (values) => run(RECEIVE, values));

/** Transitions that keep their fibers and do nothing else, and others that are all of one kind. */
async function commitAlike(
  layer: readonly Item[],
  others: Finals | Receipts,
  send: (values: Values) => Promise<readonly Row[]>,
): Promise<Answers> {
  const held = new Held();
  for (const { transition, encoded } of layer) (isHeld(transition) ? held : others).add(encoded);
  const values: Record<string, SqlValue> = {};
  held.writeTo(values);
  others.writeTo(values);
  const places = new Places(layer);
  const outcomes: CommitOutcome[] = layer.map(() => LOST);
  for (const row of await send(values)) {
    const place = places.of(row);
    if (place !== undefined) outcomes[place] = booleanIn(row, "ok") ? committed(row, []) : CONFLICT;
  }
  return { outcomes, woke: false };
}

async function commitMixed(run: Run, layer: readonly Item[], now: number | null): Promise<Answers> {
  const values = new LayerValues();
  for (const { transition, encoded } of layer) {
    if (isHeld(transition)) values.addHeld(encoded);
    else values.add(encoded);
  }
  const places = new Places(layer);
  const rows = await run(COMMIT, values.values(now));
  const births = new Set(rows.flatMap((row) => textsIn(row, "births")));
  const outcomes: CommitOutcome[] = layer.map(() => LOST);
  for (const row of rows) {
    const place = places.of(row);
    if (place === undefined) continue;
    outcomes[place] = booleanIn(row, "ok") ? committed(row, queuedOf(layer[place]?.transition, row, births)) : CONFLICT;
  }
  return { outcomes, woke: rows.some((row) => numberIn(row, "woke") > 0) };
}

/** What was to be leased here and waits in a governed queue instead. */
function queuedOf(transition: Transition | undefined, row: Row, births: ReadonlySet<string>): readonly FiberKey[] {
  if (transition === undefined) return [];
  const { run, fiber, spawn } = transition;
  const own = booleanIn(row, "queued") ? [fiber] : [];
  if (births.size === 0) return own;
  return [...own, ...spawn.filter(({ key, leased }) => leased && births.has(`${run}/${key}`)).map(({ key }) => key)];
}

function committed(row: Row, queued: readonly FiberKey[]): CommitOutcome {
  const cancel = textOrNull(row, "cancel");
  const woken = booleanIn(row, "woken");
  if (cancel === null && !woken && queued.length === 0) return COMMITTED;
  return {
    status: "committed",
    woken,
    ...(cancel !== null && { cancel: original(cancel) }),
    ...(queued.length > 0 && { queued }),
  };
}

function rejected({ run, fiber }: Transition, cause: unknown): CommitOutcome {
  const said = cause instanceof Error ? cause.message : String(cause);
  const error = new FlujoError("VALUE_NOT_SERIALIZABLE", `cannot store the transition of ${run}/${fiber}: ${said}`, {
    cause,
  });
  return { status: "rejected", error };
}
