import { ROOT_FIBER } from "../../domain/ids.ts";
import type {
  ChildDocument,
  FiberData,
  FiberFields,
  Happening,
  Letter,
  Outgoing,
  Redo,
  RunFields,
} from "./documents.ts";
import type { Blob } from "../../ports/store.ts";
import type { Document } from "./driver.ts";

/** Written by the latest writers of a run: enough that a writer whose answer was lost finds his mark when he looks again. */
const MARKS = 12;

/** A fiber as a decision sees and changes it. `undefined` = the field goes. */
export class Row {
  readonly id: string;
  readonly key: string;
  readonly root: boolean;
  fields: FiberFields;
  readonly changes: Map<string, unknown> = new Map();

  constructor(id: string, fields: FiberFields & { readonly key: string }) {
    this.id = id;
    this.key = fields.key;
    this.root = fields.key === ROOT_FIBER;
    this.fields = fields;
  }

  write(
    changes: { readonly [Field in keyof (FiberFields & FiberData)]: (FiberFields & FiberData)[Field] | undefined },
  ): void {
    this.fields = { ...this.fields, ...changes } as FiberFields;
    for (const [field, value] of Object.entries(changes)) this.changes.set(field, value);
  }
}

const FIBER_FIELDS = "key seq queue priority lane fp due lease names wait waitKind ended cancel deliveries".split(" ");
const DATA_FIELDS = ["state", "value", "context", "aside"];

/**
 * A run as one decision sees it: its document at version `v`, and those of its children that the decision needs. A decision
 * changes the image; the image then says what to write, on condition that the document still has that version.
 */
export class Image {
  readonly id: string;
  readonly v: number;
  fields: RunFields;
  readonly rows: Map<string, Row> = new Map();
  readonly box: Map<number, Letter>;
  /** Ids that were heard long ago, as far as somebody asked for them. */
  readonly known: Set<string> = new Set();
  /** False until it was compared with the database: an image that was kept may be old. */
  fresh: boolean;

  /** What the decision adds, besides changed fields. */
  readonly changes: Map<string, unknown> = new Map();
  readonly happened: Happening[] = [];
  readonly outgoing: Outgoing[] = [];
  readonly newTags: string[] = [];
  readonly staged: Document[] = [];
  readonly redo: Redo[] = [];
  readonly blobs: (Blob | string)[] = [];
  dirty = false;
  /** Characters of text that the decision writes: one document takes so much at once. */
  size = 0;

  constructor(found: RunFields & FiberFields, fresh: boolean) {
    this.id = found._id;
    this.v = found.v;
    this.fields = found;
    this.fresh = fresh;
    this.box = new Map(Object.entries(found.box ?? {}).map(([n, letter]) => [Number(n), letter]));
    if (found.seq !== undefined) {
      const root = Object.fromEntries(FIBER_FIELDS.map((field) => [field, (found as unknown as Document)[field]]));
      this.rows.set(ROOT_FIBER, new Row(found._id, { ...root, key: ROOT_FIBER }));
    }
  }

  get story(): string {
    return this.fields.story;
  }

  get ended(): boolean {
    return this.fields.endedAt !== undefined;
  }

  get root(): Row | undefined {
    return this.rows.get(ROOT_FIBER);
  }

  addChild(found: ChildDocument): void {
    const key = found.key ?? "";
    if (!this.rows.has(key)) this.rows.set(key, new Row(found._id, { ...found, key }));
  }

  write(
    changes: { readonly [Field in keyof RunFields]?: RunFields[Field] | undefined } & {
      output?: string | undefined;
      failure?: string | undefined;
    },
  ): void {
    this.dirty = true;
    this.fields = { ...this.fields, ...changes } as RunFields;
    for (const [field, value] of Object.entries(changes)) this.changes.set(field, value);
  }

  post(letter: Letter): number {
    const n = this.fields.letters + 1;
    this.write({ letters: n });
    this.box.set(n, letter);
    this.changes.set(`box.${n}`, letter);
    this.size += letter.data.length;
    return n;
  }

  /** Takes a message out; its id is remembered. */
  unpost(n: number): void {
    const letter = this.box.get(n);
    if (letter === undefined) return;
    this.box.delete(n);
    this.dirty = true;
    this.changes.set(`box.${n}`, undefined);
    const token = tokenOf(letter);
    if (token !== undefined) this.write({ heard: [...(this.fields.heard ?? []), token] });
  }

  add(happening: Omit<Happening, "n">): void {
    const n = this.fields.events + 1;
    this.write({ events: n });
    this.happened.push({ n, ...happening });
    this.size += happening.facts.length;
  }

  /** The next tag of an effect: unique for ever, since runs under one id differ in their story. */
  nextTag(): string {
    this.write({ effects: this.fields.effects + 1 });
    return `${this.fields.story}/${this.fields.effects}`;
  }

  /** Whether a message under that id was accepted before. */
  hasHeard(token: string): boolean {
    if (this.fields.heard?.includes(token) === true || this.known.has(token)) return true;
    return [...this.box.values()].some((letter) => tokenOf(letter) === token);
  }

  get written(): boolean {
    return this.dirty || this.redo.length > 0 || [...this.rows.values()].some(({ changes }) => changes.size > 0);
  }

  /** Children that change go into the redo list, whole, after everything that concerns many. */
  #finalRedo(): readonly Redo[] {
    const order = ["born", "cancel", "drop", "delete", "end"];
    const ops = [...this.redo].sort((a, b) => order.indexOf(a.op) - order.indexOf(b.op));
    const puts = [...this.rows.values()].flatMap((row): readonly Redo[] => {
      if (row.root || row.changes.size === 0) return [];
      const { set, unset } = split(row.changes);
      return [{ op: "put", id: row.id, set, unset }];
    });
    return [...ops, ...puts];
  }

  /** The one write that makes the decision true. */
  update(
    mark: string,
    now: number,
  ): { readonly filter: Document; readonly update: Document; readonly redo: readonly Redo[] } {
    const redo = this.#finalRedo();
    const { set, unset } = split(new Map([...this.changes, ...(this.root?.changes ?? [])]));
    set["v"] = this.v + 1;
    set["marks"] = [...this.fields.marks, mark].slice(-MARKS);
    if (redo.length > 0) {
      set["redo"] = redo;
      set["kids"] = true;
    } else if (this.fields.redo !== undefined) unset.push("redo");
    const left = redo.length > 0 || this.outgoing.length > 0 || (this.fields.out?.length ?? 0) > 0;
    if (left) set["todo"] = now;
    else if (this.fields.todo !== undefined) unset.push("todo");
    const push: Record<string, unknown> = {};
    if (this.changes.has("tail")) set["tail"] = this.happened;
    else if (this.happened.length > 0) push["tail"] = { $each: this.happened };
    if (this.outgoing.length > 0) push["out"] = { $each: this.outgoing };
    if (this.newTags.length > 0) push["tags"] = { $each: this.newTags };
    const update = {
      $set: set,
      ...(unset.length > 0 && { $unset: Object.fromEntries(unset.map((field) => [field, ""])) }),
      ...(Object.keys(push).length > 0 && { $push: push }),
    };
    return { filter: { _id: this.id, v: this.v }, update, redo };
  }

  /** The image that stands in the database once that was written. */
  after(mark: string, redo: readonly Redo[], now: number): Image {
    const { tail } = this.fields;
    const flushed = this.changes.has("tail");
    const box = Object.fromEntries([...this.box].map(([n, letter]) => [String(n), letter]));
    const { redo: _redo, todo: _todo, ...rest } = this.fields;
    const left = redo.length > 0 || (this.fields.out?.length ?? 0) > 0;
    const fields: RunFields = {
      ...rest,
      v: this.v + 1,
      marks: [...this.fields.marks, mark].slice(-MARKS),
      tail: flushed ? this.happened : [...tail, ...this.happened],
      box,
      ...(this.newTags.length > 0 && { tags: [...(this.fields.tags ?? []), ...this.newTags] }),
      ...(redo.length > 0 && { redo, kids: true }),
      ...(left && { todo: now }),
    };
    const next = new Image({ ...fields, ...(this.root?.fields ?? NO_ROOT) } as RunFields & FiberFields, false);
    for (const row of this.rows.values())
      if (!row.root) next.rows.set(row.key, new Row(row.id, { ...row.fields, key: row.key }));
    return next;
  }
}

const NO_ROOT: FiberFields = Object.fromEntries(FIBER_FIELDS.map((field) => [field, undefined]));

/** Everything of the root that goes with the end of its run. */
export const WITHOUT_ROOT: Readonly<Record<string, undefined>> = Object.fromEntries(
  [...FIBER_FIELDS, ...DATA_FIELDS].map((field) => [field, undefined]),
);

/** How a message is known as long as its run is kept: ids and onces are different kinds. */
export function tokenOf({ id, once }: Pick<Letter, "id" | "once">): string | undefined {
  if (id !== undefined) return `i:${id}`;
  return once === undefined ? undefined : `o:${once}`;
}

function split(changes: ReadonlyMap<string, unknown>): {
  readonly set: Record<string, unknown>;
  readonly unset: string[];
} {
  const set: Record<string, unknown> = {};
  const unset: string[] = [];
  for (const [field, value] of changes) {
    if (field === "tail") continue; // written by itself
    if (value === undefined) unset.push(field);
    else set[field] = value;
  }
  return { set, unset };
}
