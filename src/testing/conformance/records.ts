import {
  childFiber,
  type FiberKey,
  type Fingerprint,
  fingerprintOf,
  pauseTokenOf,
  ROOT_FIBER,
  type RunId,
  runId,
  type WorkerId,
  workerId,
} from "../../domain/ids.ts";
import type { OpenWait } from "../../domain/run.ts";
import { sha256 } from "../../domain/sha256.ts";
import type { Blob, NewFiber, NewMessage, NewRun, StoredDefinition } from "../../ports/store.ts";

/*
 * Records for tests: each builder makes a whole, valid record, and takes only what the case is about.
 */

/** Where the manual clock of a case starts. */
export const START_MS = 1_800_000_000_000;
export const QUEUE = "default";
export const FLOW = "parcel";
export const FINGERPRINT: Fingerprint = fingerprintOf(sha256(FLOW));
export const LEASE_MS = 3_000;

export const RUN: RunId = runId("run-1");
export const OTHER_RUN: RunId = runId("run-2");
export const WORKER: WorkerId = workerId("worker-1");
export const OTHER_WORKER: WorkerId = workerId("worker-2");

/** The n-th child of the root. */
export const child = (ordinal: number): FiberKey => childFiber(ROOT_FIBER, ordinal);

export const newFiber = (given: Partial<NewFiber> = {}): NewFiber => ({
  key: ROOT_FIBER,
  state: { at: "root" },
  value: "value",
  context: { seen: 0 },
  aside: null,
  queue: QUEUE,
  priority: 0,
  leased: false,
  readyAt: START_MS,
  ...given,
});

/** A child of fork 1 of the root. */
export const newChild = (ordinal: number, given: Partial<NewFiber> = {}): NewFiber =>
  newFiber({ key: child(ordinal), parent: ROOT_FIBER, fork: 1, ordinal, state: { at: `child ${ordinal}` }, ...given });

export type RunOverrides = Partial<Omit<NewRun, "root">> & { readonly root?: Partial<NewFiber> };

export const newRun = ({ root, ...given }: RunOverrides = {}): NewRun => ({
  id: RUN,
  flow: FLOW,
  version: "1",
  fingerprint: FINGERPRINT,
  input: { order: 7 },
  metadata: {},
  createdAt: START_MS,
  event: { at: given.createdAt ?? START_MS, facts: ["created"] },
  blobs: [],
  ...given,
  root: newFiber({ readyAt: given.createdAt ?? START_MS, ...root }),
});

export const newMessage = (given: Partial<NewMessage> = {}): NewMessage => ({
  run: RUN,
  id: "message-1",
  name: "paid",
  data: { amount: 12 },
  sentAt: START_MS,
  ...given,
});

/** A message without an id: never a duplicate. */
export function anonymousMessage(given: Partial<Omit<NewMessage, "id">> = {}): NewMessage {
  const { id: _id, ...message } = newMessage(given);
  return message;
}

export const openWait = (given: Partial<OpenWait> = {}): OpenWait => ({
  kind: "signal",
  path: "root/wait",
  visit: "",
  names: ["paid"],
  ...given,
});

export const humanWait = (given: Partial<OpenWait> = {}): OpenWait =>
  openWait({
    kind: "human",
    names: ["answer"],
    token: pauseTokenOf(RUN, ROOT_FIBER, 1),
    question: { message: "Publish?" },
    ...given,
  });

export const blobOf = (text: string): Blob => ({ hash: sha256(text), text });

export const storedDefinition = (given: Partial<StoredDefinition> = {}): StoredDefinition => ({
  fingerprint: FINGERPRINT,
  name: FLOW,
  version: "1",
  described: { root: { kind: "step", id: "pack" } },
  ...given,
});
