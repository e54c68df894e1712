import type { Blob, StoredDefinition } from "../../ports/store.ts";
import type { Connection } from "./driver.ts";
import { storedDefinition, textIn } from "./rows.ts";
import { blobsIn, json, original, storable } from "../../ports/stored-text.ts";

/** Blobs that arrive with a run belong to it, and stay until every run that has them is pruned. */
export function insertBlobs(db: Connection, run: string, blobs: readonly Blob[]): void {
  for (const { hash, text } of blobs) {
    db.run("INSERT OR IGNORE INTO blobs (hash, text) VALUES (?, ?)", hash, storable(text));
    db.run("INSERT OR IGNORE INTO blob_refs (run, hash) VALUES (?, ?)", run, hash);
  }
}

/**
 * A value that crosses from one run into another may refer to a blob that came with the first one only: the second needs it
 * too, or pruning the first would take it away.
 */
export function shareBlobs(db: Connection, run: string, texts: readonly string[]): void {
  for (const text of texts) {
    for (const hash of blobsIn(text)) db.run("INSERT OR IGNORE INTO blob_refs (run, hash) VALUES (?, ?)", run, hash);
  }
}

const DELETE_BLOBS_ONLY_OF = `
  DELETE FROM blobs WHERE hash IN (
    SELECT hash FROM blob_refs AS own WHERE run = ?1
      AND NOT EXISTS (SELECT 1 FROM blob_refs AS other WHERE other.hash = own.hash AND other.run <> ?1))`;

export function releaseBlobs(db: Connection, run: string): void {
  db.run(DELETE_BLOBS_ONLY_OF, run);
  db.run("DELETE FROM blob_refs WHERE run = ?", run);
}

export function readBlob(db: Connection, hash: string): string | undefined {
  const row = db.get("SELECT text FROM blobs WHERE hash = ?", hash);
  return row === undefined ? undefined : original(textIn(row, "text"));
}

export function insertDefinition(db: Connection, { fingerprint, name, version, described }: StoredDefinition): void {
  db.run(
    "INSERT OR IGNORE INTO definitions (fingerprint, name, version, described) VALUES (?, ?, ?, ?)",
    fingerprint,
    storable(name),
    storable(version),
    json(described),
  );
}

export function readDefinition(db: Connection, fingerprint: string): StoredDefinition | undefined {
  const row = db.get(
    "SELECT fingerprint, name, version, described FROM definitions WHERE fingerprint = ?",
    fingerprint,
  );
  return row === undefined ? undefined : storedDefinition(row);
}
