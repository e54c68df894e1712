import type { Brand } from "./brand.ts";
import { FlujoError } from "./errors.ts";
import { LIMITS } from "./limits.ts";

export type RunId = Brand<string, "RunId">;
/** Names a fiber within its run: "0" is the root, "0.3" its third child, and so on. */
export type FiberKey = Brand<string, "FiberKey">;
export type WorkerId = Brand<string, "WorkerId">;
/** SHA-256 of a definition's canonical structure, hex. */
export type Fingerprint = Brand<string, "Fingerprint">;
/** Names one open pause: run, fiber and a number that no later wait shares. */
export type PauseToken = Brand<string, "PauseToken">;
/** Where a node stands in its definition: `root/enrich/geo`. */
export type NodePath = Brand<string, "NodePath">;

const ID = /^[A-Za-z0-9._:-]+$/;

/** Whether `text` may be an id: 1 to 128 characters of `A-Za-z0-9._:-`. */
export const isId = (text: string): boolean => text.length <= LIMITS.idCharacters && ID.test(text);

const UNPRINTABLE = /[\p{Cc}\p{Surrogate}]/u;

/** Whether `text` may be a key (a tenant, a model, an account): 1 to 256 characters, no control characters, whole Unicode. */
export const isKey = (text: unknown): text is string =>
  typeof text === "string" && text !== "" && text.length <= LIMITS.keyCharacters && !UNPRINTABLE.test(text);
export const KEY_FORM: string = `1 to ${LIMITS.keyCharacters} characters without control characters`;

function checked(what: string, text: unknown, limit: number = LIMITS.idCharacters): string {
  if (typeof text === "string" && text.length <= limit && ID.test(text)) return text;
  const found = typeof text === "string" ? JSON.stringify(text.slice(0, 150)) : typeof text;
  throw new FlujoError("ID_INVALID", `expected ${what} of 1 to ${limit} characters A-Za-z0-9._:- but found ${found}`);
}

export const runId = (text: unknown): RunId => checked("a run id", text) as RunId;
export const workerId = (text: unknown): WorkerId => checked("a worker id", text) as WorkerId;
export const pauseToken = (text: unknown): PauseToken =>
  checked("a pause token", text, LIMITS.tokenCharacters) as PauseToken;
export const fingerprintOf = (text: string): Fingerprint => text as Fingerprint;
export const nodePath = (text: string): NodePath => text as NodePath;

export const ROOT_FIBER: FiberKey = "0" as FiberKey;
export const ROOT_PATH: NodePath = "root" as NodePath;

export const childFiber = (parent: FiberKey, number: number): FiberKey => `${parent}.${number}` as FiberKey;
export const childPath = (parent: NodePath, id: string): NodePath => `${parent}/${id}` as NodePath;

/** A loop iteration or an item number appended to the visit of its parent: "2" then "2.7". */
export const childVisit = (parent: string, number: number): string =>
  parent === "" ? `${number}` : `${parent}.${number}`;

/** How a node and its visit are written for people: `root/refine/tighten#3`. */
export const placeOf = (path: string, visit: string): string => (visit === "" ? path : `${path}#${visit}`);

/** A token names its run and fiber, so that an answer needs no search. Run ids may contain ":", so we read from the right. */
export const pauseTokenOf = (run: RunId, fiber: FiberKey, number: number): PauseToken =>
  `${run}:${fiber}:${number}` as PauseToken;

export function partsOfToken(token: PauseToken): { readonly run: RunId; readonly fiber: FiberKey } {
  const last = token.lastIndexOf(":");
  const middle = token.lastIndexOf(":", last - 1);
  if (middle <= 0) throw new FlujoError("PAUSE_UNKNOWN", `"${token}" is not a pause token: expected run:fiber:number`);
  return { run: token.slice(0, middle) as RunId, fiber: token.slice(middle + 1, last) as FiberKey };
}
