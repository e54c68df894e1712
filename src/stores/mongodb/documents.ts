import type { EndStatus } from "../../domain/run.ts";

/*
 * What lies in the database. User text is never the name of a field; payloads are JSON text, so that MongoDB has no opinion on
 * them. Absent fields are absent, never null: the partial indexes depend on it.
 */

/** A fiber's place in the queue and its wait: of the root inside its run's document, of a child in a document of its own. */
export interface FiberFields {
  readonly key?: string;
  readonly parent?: string;
  readonly fork?: number;
  readonly ordinal?: number;
  readonly seq?: number;
  readonly queue?: string;
  readonly priority?: number;
  readonly lane?: string;
  /** Definition of the run, beside its queue for the index. */
  readonly fp?: string;
  /** When it may be claimed; absent while somebody leases it, or only a message can wake it. */
  readonly due?: number;
  /** `worker@epoch` while leased. */
  readonly lease?: string;
  readonly names?: readonly string[];
  readonly wait?: string;
  readonly waitKind?: string;
  readonly ended?: EndStatus;
  readonly cancel?: string;
  readonly deliveries?: number;
}

export interface FiberData {
  readonly state?: string;
  readonly value?: string;
  readonly context?: string;
  readonly aside?: string;
}

/** A message that nobody has consumed. */
export interface Letter {
  readonly id?: string;
  readonly once?: string;
  readonly name: string;
  readonly data: string;
  readonly sentAt: number;
}

export interface Happening {
  readonly n: number;
  readonly fiber: string;
  readonly worker?: string;
  readonly at: number;
  readonly facts: string;
}

/** What one write of a run does to its children: see redo.ts. */
export type Redo =
  | { readonly op: "born"; readonly tag: string }
  | {
      readonly op: "cancel";
      readonly parent: string;
      readonly fork: number;
      readonly reason: string;
      readonly now: number;
    }
  | { readonly op: "drop"; readonly parent: string; readonly fork: number }
  | { readonly op: "delete"; readonly id: string }
  | {
      readonly op: "put";
      readonly id: string;
      readonly set: Record<string, unknown>;
      readonly unset: readonly string[];
    }
  | { readonly op: "end" };

/** An effect on another run, kept with the transition that wants it until it has been applied: see effects.ts. */
export type Outgoing =
  | { readonly tag: string; readonly kind: "send"; readonly to: string; readonly letter: Letter }
  | { readonly tag: string; readonly kind: "cancel"; readonly to: string; readonly reason: string }
  | { readonly tag: string; readonly kind: "start"; readonly to: string; readonly run: string };

/** The part of a run's document that decisions read. */
export interface RunFields {
  readonly _id: string;
  /** Counts the writes of this document, children and mailbox included. */
  readonly v: number;
  /** Marks of the last writes: whoever lost an answer finds his own among them. */
  readonly marks: readonly string[];
  /** Tells this run from an earlier one under the same id. */
  readonly story: string;
  /** Tells the children of this life of the run from those before a revival. */
  readonly life: string;
  readonly lives: number;
  readonly fingerprint: string;
  readonly status: "pending" | "running" | EndStatus;
  readonly createdAt: number;
  readonly startedAt?: number;
  readonly endedAt?: number;
  readonly cancelReason?: string;
  /** Numbers given to events, messages and effects. */
  readonly events: number;
  readonly letters: number;
  readonly effects: number;
  readonly tail: readonly Happening[];
  readonly box?: Readonly<Record<string, Letter>>;
  /** Ids of messages that were consumed, latest last, as far as they have not moved to `received`. */
  readonly heard?: readonly string[];
  readonly moved?: boolean;
  readonly kids?: boolean;
  readonly redo?: readonly Redo[];
  readonly out?: readonly Outgoing[];
  readonly tags?: readonly string[];
  /** Since when something is left to do after a write: what sweep looks for. */
  readonly todo?: number;
}

export interface MetadataPair {
  readonly k: string;
  readonly v: string | number | boolean;
}

/** The part that is written once, or by the end. */
export interface RunRecordFields {
  readonly flow: string;
  readonly version: string;
  readonly meta: readonly MetadataPair[];
  readonly caller?: { readonly run: string; readonly fiber: string; readonly reply: string };
  readonly input: string;
  readonly output?: string;
  readonly failure?: string;
}

export type RunDocument = RunFields & RunRecordFields & FiberFields & FiberData;

export interface ChildDocument extends FiberFields, FiberData {
  readonly _id: string;
  readonly run: string;
  readonly life: string;
  /** Version of the run that wrote it last: an older one never overwrites it. */
  readonly w: number;
}

export interface WorkerDocument {
  readonly _id: string;
  readonly epoch: number;
  readonly leaseUntil: number;
  readonly about: string;
}

/** What a decision about a run reads of its document: no payloads but those of waiting messages and the latest events. */
export const IMAGE: Readonly<Record<string, 1>> = Object.fromEntries(
  [
    ..."v marks story life lives fingerprint status createdAt startedAt endedAt cancelReason events letters effects tail".split(
      " ",
    ),
    ..."box heard moved kids redo out tags todo".split(" "),
    ..."key seq queue priority lane fp due lease names wait waitKind ended cancel deliveries".split(" "),
  ].map((field) => [field, 1] as const),
);

export const CHILD_IMAGE: Readonly<Record<string, 1>> = Object.fromEntries(
  "w key parent fork ordinal seq queue priority lane fp due lease names wait waitKind ended cancel deliveries"
    .split(" ")
    .map((field) => [field, 1] as const),
);
