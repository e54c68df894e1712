import { FlujoError } from "../../domain/errors.ts";
import type { Blob, NewEvent, NewFiber, NewMessage, NewRun, Revival, Transition } from "../../ports/store.ts";
import type { ShardTransition } from "../../ports/shard.ts";
import { unsendable } from "../../ports/new-message.ts";
import { blobsIn, EMPTY_ASIDE, EMPTY_CONTEXT, json, storable } from "../../ports/stored-text.ts";

/*
 * Everything as texts, made before anything is sent: what cannot be encoded is refused while nothing has happened. What a
 * script has to take apart is one JSON of texts; payloads stand in it as texts, so no script ever decodes one.
 */

/** Digits that give back the same number. NaN has no place in any order. */
export function num(value: number): string {
  if (Number.isNaN(value)) throw new FlujoError("VALUE_NOT_SERIALIZABLE", "expected a number but found NaN");
  return String(value);
}

type Texts = Readonly<Record<string, unknown>>;

const textsIn = (texts: Texts): readonly string[] => Object.values(texts).filter((text) => typeof text === "string");

const blobsOf = (blobs: readonly Blob[] | undefined): Texts =>
  blobs === undefined || blobs.length === 0 ? {} : { blobs: blobs.map(({ hash, text }) => [hash, storable(text)]) };

/** A value that crosses from one run into another may refer to a blob that came with the first one only. */
function sharedBy(...texts: readonly string[]): Texts {
  const shared = texts.flatMap(blobsIn);
  return shared.length === 0 ? {} : { shared };
}

export const eventText = ({ at, facts }: NewEvent): string => `${num(at)}\n${json(facts)}`;

function fiber(given: NewFiber): Texts {
  const { key, parent, fork, ordinal, queue, priority, lane, leased, readyAt, ended } = given;
  const [context, aside] = [json(given.context), json(given.aside)];
  return {
    key,
    parent,
    fork: fork === undefined ? undefined : num(fork),
    ordinal: ordinal === undefined ? undefined : num(ordinal),
    queue: storable(queue),
    priority: num(priority),
    lane: storable(lane ?? ""),
    leased,
    readyAt: num(readyAt),
    ended,
    state: json(given.state),
    value: json(given.value),
    context: context === EMPTY_CONTEXT ? undefined : context,
    aside: aside === EMPTY_ASIDE ? undefined : aside,
  };
}

export function message(given: NewMessage): Texts {
  const refused = unsendable(given);
  if (refused !== undefined) throw refused;
  const { run, id, once, name, sentAt, blobs } = given;
  const data = json(given.data);
  return {
    run,
    id: id === undefined ? undefined : storable(id),
    once: once === undefined ? undefined : storable(once),
    name: storable(name),
    data,
    sentAt: num(sentAt),
    ...blobsOf(blobs),
    ...sharedBy(data),
  };
}

/** Names of the lists in which a run stands, besides those by time and status. */
export const listNames = {
  flow: (flow: string): string => `lf:${storable(flow)}`,
  parent: (run: string): string => `lp:${run}`,
  metadata: (name: string, value: unknown): string => `lm:${json([name, value])}`,
};

export function run(given: NewRun): Texts {
  const { id, flow, version, fingerprint, metadata, parent, createdAt, lease, continued } = given;
  const root = fiber(given.root);
  const [input, event] = [json(given.input), eventText(given.event)];
  const events = (continued?.events ?? []).map((one) => `${one.fiber}\n\n${eventText(one)}`);
  const fibers = (continued?.fibers ?? []).map(fiber);
  return {
    id,
    flow: storable(flow),
    version: storable(version),
    fingerprint,
    input,
    metadata: json(metadata),
    createdAt: num(createdAt),
    root,
    event,
    lists: [
      listNames.flow(flow),
      ...(parent === undefined ? [] : [listNames.parent(parent.run)]),
      ...Object.entries(metadata).map(([name, value]) => listNames.metadata(name, value)),
    ],
    ...(parent !== undefined && {
      parentRun: parent.run,
      parentFiber: parent.fiber,
      reply: storable(parent.reply),
    }),
    ...(lease !== undefined && { worker: lease.worker, epoch: num(lease.epoch) }),
    ...(continued !== undefined && { events, fibers, messages: continued.messages.map(message) }),
    ...blobsOf(given.blobs),
    ...sharedBy(input, event, ...textsIn(root), ...events, ...fibers.flatMap(textsIn)),
  };
}

export const revival = ({ fibers, event, messages, blobs }: Revival): string =>
  json({
    fibers: fibers.map(fiber),
    event: `${fibers[0]?.key ?? "0"}\n\n${eventText(event)}`,
    messages: messages.map(message),
    ...blobsOf(blobs),
    ...sharedBy(json(event.facts), json(fibers)),
  });

const list = <T>(items: readonly T[], encode: (item: T) => unknown): unknown =>
  items.length === 0 ? undefined : items.map(encode);

function position({ position: to, wait }: Transition): Texts {
  switch (to.kind) {
    case "held":
      return { pos: "held" };
    case "ready":
      return { pos: "ready", at: num(to.at) };
    case "ended":
      return { pos: "ended", outcome: to.outcome };
    case "parked":
      return {
        pos: "parked",
        names: to.names.map(storable),
        until: to.until === undefined ? undefined : num(to.until),
        ...(wait !== undefined && { wait: json(wait), human: wait.kind === "human" }),
      };
  }
}

/** Everything beyond the fiber's own data and its event; empty when there is nothing, which is the common case. */
function restOf(t: ShardTransition): string {
  const effects = {
    consume: list(t.consume, num),
    unless: list(t.unless ?? [], storable),
    send: list(t.send, message),
    spawn: list(t.spawn, fiber),
    start: list(t.startRuns, run),
    ack: t.acknowledgeCancel === true ? true : undefined,
    sched: t.scheduling && [
      storable(t.scheduling.queue),
      num(t.scheduling.priority),
      storable(t.scheduling.lane ?? ""),
    ],
    cancelFork: t.cancelFork && [num(t.cancelFork.fork), storable(t.cancelFork.reason)],
    cancelRuns: list(t.cancelRuns, ({ run: id, reason }) => [id, storable(reason)]),
    dropFork: t.dropFork === undefined ? undefined : num(t.dropFork),
    endRun: t.endRun && {
      status: t.endRun.status,
      output: t.endRun.output === undefined ? undefined : json(t.endRun.output),
      failure: t.endRun.failure === undefined ? undefined : json(t.endRun.failure),
      at: num(t.endRun.at),
    },
    outbox: list(t.outbox ?? [], ({ id, to, effect }) => [id, num(to), json(effect)]),
    ...blobsOf(t.blobs),
  };
  if (t.position.kind === "held" && Object.values(effects).every((effect) => effect === undefined)) return "";
  return json({ ...position(t), ...effects });
}

/** The arguments of one transition, in the order that the script reads them. */
export function transition(t: ShardTransition): readonly string[] {
  return [
    t.run,
    t.fiber,
    num(t.expectedSeq),
    json(t.state),
    t.value === undefined ? "" : json(t.value),
    t.context === undefined ? "" : json(t.context),
    t.aside === undefined ? "" : json(t.aside),
    t.event === undefined ? "" : `${t.fiber}\n${t.lease.worker}\n${eventText(t.event)}`,
    restOf(t),
  ];
}
