import { messageName } from "../../domain/event.ts";
import type { OpenWait, RunRecord } from "../../domain/run.ts";
import type { LeasedFiber } from "../../ports/queue.ts";
import type {
  Blob,
  ChildResult,
  FiberData,
  FiberRecord,
  MessageRecord,
  NewEvent,
  NewFiber,
  NewMessage,
  NewRun,
  Revival,
  RunEnd,
  Transition,
} from "../../ports/store.ts";
import { throughFailure, throughMetadata, throughRecord, throughStoredText } from "./stored-text.ts";
import { type Rewrite, throughList, throughWire } from "./wire-text.ts";

/* The rows of the store's contract, each with its texts rewritten: on the way in and on the way out alike. */

const throughData = <T extends FiberData>(fiber: T, rewrite: Rewrite): T => ({
  ...fiber,
  state: throughRecord(fiber.state, rewrite),
  value: throughWire(fiber.value, rewrite),
  context: throughWire(fiber.context, rewrite),
  aside: throughRecord(fiber.aside, rewrite),
});

export const throughEvent = <T extends NewEvent>(event: T, rewrite: Rewrite): T => ({
  ...event,
  facts: throughRecord(event.facts, rewrite),
});

const throughBlobs = (blobs: readonly Blob[], rewrite: Rewrite): readonly Blob[] =>
  throughList(blobs, (blob) => {
    const text = throughStoredText(blob.text, rewrite);
    return text === blob.text ? blob : { ...blob, text };
  });

const ENGINES_OWN = [messageName.join("", 0), messageName.call("", 0)].map((name) =>
  name.slice(0, name.indexOf(":") + 1),
);

/** What the engine tells itself is a record; signals and answers are users' values whole. */
export const throughMessage = <T extends NewMessage | MessageRecord>(message: T, rewrite: Rewrite): T => ({
  ...message,
  data: (ENGINES_OWN.some((own) => message.name.startsWith(own)) ? throughRecord : throughWire)(message.data, rewrite),
  ...("blobs" in message && message.blobs && { blobs: throughBlobs(message.blobs, rewrite) }),
});

const throughWait = (wait: OpenWait, rewrite: Rewrite): OpenWait =>
  wait.question === undefined ? wait : { ...wait, question: throughWire(wait.question, rewrite) };

export const throughNewRun = (run: NewRun, rewrite: Rewrite): NewRun => ({
  ...run,
  input: throughWire(run.input, rewrite),
  metadata: throughMetadata(run.metadata, rewrite),
  root: throughData(run.root, rewrite),
  event: throughEvent(run.event, rewrite),
  blobs: throughBlobs(run.blobs, rewrite),
  ...(run.continued && {
    continued: {
      events: throughList(run.continued.events, (event) => throughEvent(event, rewrite)),
      fibers: throughFibers(run.continued.fibers, rewrite),
      messages: throughList(run.continued.messages, (message) => throughMessage(message, rewrite)),
    },
  }),
});

const throughFibers = (fibers: readonly NewFiber[], rewrite: Rewrite): readonly NewFiber[] =>
  throughList(fibers, (fiber) => throughData(fiber, rewrite));

const throughEnd = (end: RunEnd, rewrite: Rewrite): RunEnd => ({
  ...end,
  ...(end.output !== undefined && { output: throughWire(end.output, rewrite) }),
  ...(end.failure && { failure: throughFailure(end.failure, rewrite) }),
});

export function throughTransition(transition: Transition, rewrite: Rewrite): Transition {
  const { value, context, aside, wait, event, cancelFork, endRun } = transition;
  return {
    ...transition,
    state: throughRecord(transition.state, rewrite),
    ...(value !== undefined && { value: throughWire(value, rewrite) }),
    ...(context !== undefined && { context: throughWire(context, rewrite) }),
    ...(aside !== undefined && { aside: throughRecord(aside, rewrite) }),
    ...(wait && { wait: throughWait(wait, rewrite) }),
    ...(event && { event: throughEvent(event, rewrite) }),
    send: throughList(transition.send, (message) => throughMessage(message, rewrite)),
    spawn: throughFibers(transition.spawn, rewrite),
    startRuns: throughList(transition.startRuns, (run) => throughNewRun(run, rewrite)),
    ...(cancelFork && { cancelFork: throughReason(cancelFork, rewrite) }),
    cancelRuns: throughList(transition.cancelRuns, (request) => throughReason(request, rewrite)),
    ...(endRun && { endRun: throughEnd(endRun, rewrite) }),
    blobs: throughBlobs(transition.blobs, rewrite),
  };
}

export const throughReason = <T extends { readonly reason: string }>(request: T, rewrite: Rewrite): T => ({
  ...request,
  reason: rewrite(request.reason),
});

export const throughRun = (run: RunRecord, rewrite: Rewrite): RunRecord => ({
  ...run,
  input: throughWire(run.input, rewrite),
  metadata: throughMetadata(run.metadata, rewrite),
  ...(run.output !== undefined && { output: throughWire(run.output, rewrite) }),
  ...(run.failure && { failure: throughFailure(run.failure, rewrite) }),
  ...(run.cancelReason !== undefined && { cancelReason: rewrite(run.cancelReason) }),
});

export const throughFiber = <T extends FiberRecord>(fiber: T, rewrite: Rewrite): T => ({
  ...throughData(fiber, rewrite),
  ...(fiber.wait && { wait: throughWait(fiber.wait, rewrite) }),
  ...(fiber.cancel !== undefined && { cancel: rewrite(fiber.cancel) }),
});

export const throughLeased = (fiber: LeasedFiber, rewrite: Rewrite): LeasedFiber => ({
  ...throughFiber(fiber, rewrite),
  metadata: throughMetadata(fiber.metadata, rewrite),
  messages: throughList(fiber.messages, (message) => throughMessage(message, rewrite)),
});

export const throughChild = (child: ChildResult, rewrite: Rewrite): ChildResult => throughData(child, rewrite);

export const throughRevival = (revival: Revival, rewrite: Rewrite): Revival => ({
  ...revival,
  fibers: throughFibers(revival.fibers, rewrite),
  event: throughEvent(revival.event, rewrite),
  messages: throughList(revival.messages, (message) => throughMessage(message, rewrite)),
  blobs: throughBlobs(revival.blobs, rewrite),
});
