import type { Base } from "./base.ts";
import type { Redo } from "./documents.ts";
import type { Document } from "./driver.ts";

/** A write of a run that changes other documents, too: what is to be done there, and as of which version. */
export interface Pending {
  readonly life: string;
  readonly v: number;
  readonly redo: readonly Redo[];
}

/** Fields by which others find a child: they stand elsewhere until it is born, so that no filter needs to know of the unborn. */
const BIRTH = { bornKey: "key", bornParent: "parent", bornDue: "due", bornLease: "lease" } as const;

/**
 * Carries a run's write over to the documents of its children. Doing it twice, or late, changes nothing: an update holds only for
 * documents that no later version has written (`w`), none of them inserts, and those of another life have another `life`.
 */
export async function applyRedo(base: Base, pending: readonly Pending[]): Promise<void> {
  const operations = pending.flatMap(({ life, v, redo }) => redo.flatMap((op) => operationsOf(op, life, v)));
  if (operations.length === 0) return;
  await base.in.runs.bulkWrite(operations, { ordered: true });
}

function operationsOf(op: Redo, life: string, v: number): readonly Document[] {
  const alive = { life, w: { $lte: v } };
  switch (op.op) {
    case "born":
      return [
        {
          updateMany: {
            filter: { life, unborn: op.tag },
            update: { $set: { w: v }, $rename: BIRTH, $unset: { unborn: "" } },
          },
        },
      ];
    case "cancel": {
      const children = { ...alive, parent: op.parent, fork: op.fork, ended: { $exists: false } };
      return [
        {
          updateMany: { filter: { ...children, cancel: { $exists: false } }, update: { $set: { cancel: op.reason } } },
        },
        {
          updateMany: {
            filter: {
              ...children,
              lease: { $exists: false },
              $or: [{ due: { $exists: false } }, { due: { $gt: op.now } }],
            },
            update: { $set: { due: op.now } },
          },
        },
      ];
    }
    case "drop":
      return [{ deleteMany: { filter: { ...alive, parent: op.parent, fork: op.fork, ended: { $exists: true } } } }];
    case "delete":
      return [{ deleteOne: { filter: { _id: op.id, ...alive } } }];
    case "put": {
      const unset = Object.fromEntries(op.unset.map((field) => [field, ""]));
      const update = { $set: { ...op.set, w: v }, ...(op.unset.length > 0 && { $unset: unset }) };
      return [{ updateOne: { filter: { _id: op.id, ...alive }, update } }];
    }
    case "end":
      return [{ deleteMany: { filter: { life, w: { $exists: true } } } }];
  }
}
