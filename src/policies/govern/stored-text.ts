import type { Failure } from "../../domain/failure.ts";
import type { Metadata } from "../../domain/run.ts";
import { isBlobRef, type Wire } from "../../domain/wire.ts";
import { isRecord, type Rewrite, throughEntries, throughList, throughWire } from "./wire-text.ts";

/*
 * Where users' texts stand in the records of the engine. States, facts and specifications of schedules are opaque to stores
 * but not alike inside: ids, paths and names of messages must stay what they are, or a run could not go on without the key.
 */

/** Fields of the engine's records that hold ids, names, places and kinds. Whatever is not listed is a user's. */
const STRUCTURE: ReadonlySet<string> = new Set(
  (
    "v type kind root path visit key lane queue priority name names message token from target runs run code fiber wait outcome " +
    "taken verdict at counters rhythm flow version phase worker operation schedule status why id quota limits slice slices amount spent"
  ).split(" "),
);
const RECORDS: ReadonlySet<string> = new Set(["frames", "doing", "ending", "undo"]);

const same: Rewrite = (text) => text;

/** A record of the engine, or a list of them: its values rewritten, its structure untouched. */
export function throughRecord(record: Wire, rewrite: Rewrite): Wire {
  if (Array.isArray(record)) return throughList(record as readonly Wire[], (one) => throughRecord(one, rewrite));
  if (!isRecord(record)) return throughWire(record, rewrite);
  if (isBlobRef(record)) return record;
  return throughEntries(record, same, (value, key) => {
    if (STRUCTURE.has(key)) return value;
    if (RECORDS.has(key)) return throughRecord(value, rewrite);
    if (key === "metadata")
      return isRecord(value) ? throughEntries(value, same, (one) => throughWire(one, rewrite)) : value;
    if (key === "held")
      return isRecord(value) ? throughEntries(value, same, (one) => throughWire(one, rewrite)) : value;
    return key === "failure" ? throughFailureWire(value, rewrite) : throughWire(value, rewrite);
  });
}

const FAILURE_STRUCTURE: ReadonlySet<string> = new Set(["code", "name", "at", "attempt"]);

function throughFailureWire(failure: Wire, rewrite: Rewrite): Wire {
  if (!isRecord(failure)) return throughWire(failure, rewrite);
  return throughEntries(failure, same, (value, key) => {
    if (FAILURE_STRUCTURE.has(key)) return value;
    return key === "cause" ? throughFailureWire(value, rewrite) : throughWire(value, rewrite);
  });
}

/** Message, stack, details, and those of its causes. */
export const throughFailure = (failure: Failure, rewrite: Rewrite): Failure =>
  throughFailureWire(failure as unknown as Wire, rewrite) as unknown as Failure;

/** Its values; what they are called stays, so that they can be searched by. */
export const throughMetadata = (metadata: Metadata, rewrite: Rewrite): Metadata =>
  throughEntries(metadata, same, (value) => throughWire(value, rewrite)) as Metadata;

/** The text of a stored value. Its hash is that of the original, and the concealed text is a function of it. */
export function throughStoredText(text: string, rewrite: Rewrite): string {
  const wire = parsed(text);
  if (wire === undefined) return rewrite(text);
  const after = throughWire(wire, rewrite);
  return after === wire ? text : JSON.stringify(after);
}

function parsed(text: string): Wire | undefined {
  try {
    return JSON.parse(text) as Wire;
  } catch {
    return undefined; // no value of ours, so a text like any other
  }
}
