import { createHash } from "node:crypto";
import { canonical } from "../../domain/canonical.ts";
import { FlujoError } from "../../domain/errors.ts";
import type { Wire } from "../../domain/wire.ts";
import type { ItemStore } from "../../ports/items.ts";
import type { Veil } from "./veil.ts";
import { isRecord, type Rewrite, throughWire } from "./wire-text.ts";

/*
 * Entries follow one another by number, and each holds the hash of the one before. A link is one item with one or more
 * entries; its key is the number of its first entry, and it is put only where nothing is: of two who append at once, one finds
 * its place taken, reads on, and comes after. So the chain cannot fork, and a crash leaves whole links. A pointer says how far
 * the chain goes, so that its end cannot be cut off unnoticed. It follows the links and may lag behind them, never ahead.
 *
 * Nothing here is secret: who can write the store and rewrites everything to its end makes a sound chain. Keep the
 * `{ seq, hash }` of an append elsewhere, and give it to `verify`.
 */
const AUDIT_COLLECTION = "audit";
const AUDIT_HEAD_COLLECTION = "audit-head";
const HEAD = "head";
const KEY_DIGITS = 16;
const ENTRIES_PER_LINK = 100;
const PAGE = 200;
const FIRST_HASH = "0".repeat(64);

export interface AuditRecord {
  /** Milliseconds since the epoch. */
  readonly at: number;
  readonly actor: string;
  readonly action: string;
  readonly subject: string;
  readonly details?: Wire;
}

export interface AuditEntry extends AuditRecord {
  readonly seq: number;
  readonly previous: string;
  readonly hash: string;
}

export type AuditMark = Pick<AuditEntry, "seq" | "hash">;

export interface AuditLog {
  /** Durable when it resolves. Answers the entry's place in the chain. */
  append(record: AuditRecord): Promise<AuditMark>;
  /** In order, from the entry after `after`; as far as this process can, with originals. */
  entries(options?: { readonly after?: number; readonly limit?: number }): Promise<readonly AuditEntry[]>;
  /** How many entries there are. Throws AUDIT_BROKEN naming the first that was changed, removed or moved. */
  verify(anchor?: AuditMark): Promise<{ readonly entries: number; readonly hash: string }>;
}

/**
 * An audit log in a store's items: open the store yourself and give it to the runner, too. With a veil, actors, subjects and details
 * are concealed; the hashes are over what is stored, so give it the store itself, not one that conceals.
 *
 *   const store = await sqliteStore({ path: "./flujo.db" });
 *   const audit = auditLog(store);
 *   const onGovernanceDecision = ({ subject, name, verdict, run = "", reason = "" }) =>
 *     void audit.append({ at: Date.now(), actor: run, action: `${subject} ${verdict}`, subject: name, details: reason });
 *   await using flujo = new Flujo({ store, onGovernanceDecision });
 */
export const auditLog = (items: ItemStore, options: { readonly veil?: Veil } = {}): AuditLog =>
  new ChainedLog(items, options.veil);

const hashOf = ({ seq, previous, at, actor, action, subject, details }: Omit<AuditEntry, "hash">): string =>
  createHash("sha256")
    .update(canonical({ seq, previous, at, actor, action, subject, details: details ?? null }))
    .digest("hex");

const keyOf = (seq: number): string => String(seq).padStart(KEY_DIGITS, "0");

interface Waiting {
  readonly record: AuditRecord;
  readonly resolve: (mark: AuditMark) => void;
  readonly reject: (error: unknown) => void;
}

class ChainedLog implements AuditLog {
  readonly #items: ItemStore;
  readonly #veil: Veil | undefined;
  #waiting: Waiting[] = [];
  #isWriting = false;
  /** Where the chain ended when last seen; others may have gone on. */
  #end: AuditMark | undefined;

  constructor(items: ItemStore, veil: Veil | undefined) {
    this.#items = items;
    this.#veil = veil;
  }

  append(record: AuditRecord): Promise<AuditMark> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ record, resolve, reject });
      if (!this.#isWriting) void this.#writeAll();
    });
  }

  /** What came while one link was written goes into the next. */
  async #writeAll(): Promise<void> {
    this.#isWriting = true;
    while (this.#waiting.length > 0) {
      const batch = this.#waiting.splice(0, ENTRIES_PER_LINK);
      try {
        const marks = await this.#write(batch.map(({ record }) => record));
        for (const [index, { resolve }] of batch.entries()) resolve(marks[index] ?? { seq: 0, hash: "" });
      } catch (error) {
        for (const { reject } of batch) reject(error);
      }
    }
    this.#isWriting = false;
  }

  async #write(given: readonly AuditRecord[]): Promise<readonly AuditMark[]> {
    const records = await this.#concealed(given);
    for (;;) {
      const end = await this.#findEnd();
      const link = linked(records, end);
      const [outcome] = await this.#items.putItems([
        {
          collection: AUDIT_COLLECTION,
          key: keyOf(end.seq + 1),
          value: { entries: link as unknown as Wire },
          ifVersion: 0,
        },
      ]);
      if (outcome?.status === "rejected") throw outcome.error;
      if (outcome?.status !== "stored") continue; // somebody was faster: read on, and come after
      const last = link.at(-1) ?? end;
      this.#end = { seq: last.seq, hash: last.hash };
      await this.#point(this.#end);
      return link.map(({ seq, hash }) => ({ seq, hash }));
    }
  }

  async #concealed(records: readonly AuditRecord[]): Promise<readonly AuditRecord[]> {
    if (this.#veil === undefined) return records;
    return this.#veil.conceal((hide) => records.map((record) => through(record, hide)));
  }

  /** From where the chain was last seen to its end, which is mostly one look. */
  async #findEnd(): Promise<AuditMark> {
    let end = this.#end ?? (await readHead(this.#items))?.mark ?? { seq: 0, hash: FIRST_HASH };
    for (;;) {
      const links = await linksAfter(this.#items, end.seq);
      const last = links.at(-1)?.entries.at(-1);
      if (last !== undefined) end = { seq: last.seq, hash: last.hash };
      if (links.length < PAGE) return (this.#end = end);
    }
  }

  /** Forward only: a slower appender must not turn the pointer back. */
  async #point(mark: AuditMark): Promise<void> {
    for (;;) {
      const head = await readHead(this.#items);
      if (head !== undefined && head.mark.seq >= mark.seq) return;
      const [outcome] = await this.#items.putItems([
        { collection: AUDIT_HEAD_COLLECTION, key: HEAD, value: { ...mark }, ifVersion: head?.version ?? 0 },
      ]);
      if (outcome?.status === "rejected") throw outcome.error;
      if (outcome?.status === "stored") return;
    }
  }

  async entries({
    after = 0,
    limit = PAGE,
  }: {
    readonly after?: number;
    readonly limit?: number;
  } = {}): Promise<readonly AuditEntry[]> {
    const found: AuditEntry[] = [];
    let from = Math.max(0, after - ENTRIES_PER_LINK); // the entry after may stand within a link that began before
    while (found.length < limit) {
      const links = await linksAfter(this.#items, from);
      found.push(...links.flatMap(({ entries }) => entries).filter(({ seq }) => seq > after));
      if (links.length < PAGE) break;
      from = links.at(-1)?.first ?? from;
    }
    const shown = found.slice(0, limit);
    if (this.#veil === undefined) return shown;
    return this.#veil.reveal((show) => shown.map((entry) => through(entry, show)));
  }

  async verify(anchor?: AuditMark): Promise<{ readonly entries: number; readonly hash: string }> {
    const head = (await readHead(this.#items))?.mark; // before the links: they may grow meanwhile, and never shrink
    let end: AuditMark = { seq: 0, hash: FIRST_HASH };
    const marks = [head, anchor].filter((mark) => mark !== undefined);
    let from = 0;
    for (;;) {
      const links = await linksAfter(this.#items, from);
      for (const { first, entries } of links) {
        if (entries[0]?.seq !== first) throw broken(first, "moved: it stands under another entry's number");
        for (const entry of entries) end = follows(end, entry, marks);
      }
      if (links.length < PAGE) break;
      from = links.at(-1)?.first ?? from;
    }
    for (const { seq } of marks) if (seq > end.seq) throw broken(end.seq + 1, `missing: the log went to entry ${seq}`);
    return { entries: end.seq, hash: end.hash };
  }
}

const through = <T extends AuditRecord>(record: T, rewrite: Rewrite): T => ({
  ...record,
  actor: rewrite(record.actor),
  subject: rewrite(record.subject),
  ...(record.details !== undefined && { details: throughWire(record.details, rewrite) }),
});

function linked(records: readonly AuditRecord[], end: AuditMark): readonly AuditEntry[] {
  let { seq, hash: previous } = end;
  return records.map(({ at, actor, action, subject, details }) => {
    const entry = { seq: ++seq, previous, at, actor, action, subject, ...(details !== undefined && { details }) };
    const hash = hashOf(entry);
    previous = hash;
    return { ...entry, hash };
  });
}

/** The end of the chain with this entry, which has to be the one that follows, whole and in the place that others remember. */
function follows(end: AuditMark, entry: AuditEntry, marks: readonly AuditMark[]): AuditMark {
  const expected = end.seq + 1;
  if (entry.seq > expected) throw broken(expected, `missing: entry ${entry.seq} comes in its place`);
  if (entry.seq < expected) throw broken(entry.seq, "moved: it comes a second time, or too late");
  if (hashOf(entry) !== entry.hash) throw broken(expected, "changed: its content is not what its hash says");
  if (entry.previous !== end.hash) throw broken(expected, "moved or changed: it does not follow the entry before");
  if (marks.some(({ seq, hash }) => seq === expected && hash !== entry.hash))
    throw broken(expected, "changed: it is not the entry that was remembered");
  return { seq: entry.seq, hash: entry.hash };
}

const broken = (seq: number, what: string): FlujoError =>
  new FlujoError("AUDIT_BROKEN", `entry ${seq} of the audit log was ${what}`, { details: { seq } });

interface Link {
  /** Number in its key. */
  readonly first: number;
  readonly entries: readonly AuditEntry[];
}

async function linksAfter(items: ItemStore, seq: number): Promise<readonly Link[]> {
  const found = await items.listItems({ collection: AUDIT_COLLECTION, after: keyOf(seq), limit: PAGE });
  return found.map(({ key, value }) => {
    const entries = isRecord(value) ? value["entries"] : undefined;
    if (!Array.isArray(entries)) throw broken(Number(key), "changed: it is no entry any more");
    return { first: Number(key), entries: entries as unknown as readonly AuditEntry[] };
  });
}

async function readHead(items: ItemStore): Promise<{ readonly mark: AuditMark; readonly version: number } | undefined> {
  const [item] = await items.getItems([{ collection: AUDIT_HEAD_COLLECTION, key: HEAD }]);
  return item && { mark: item.value as unknown as AuditMark, version: item.version };
}
