import type { Lease, NewFiber } from "../../ports/store.ts";
import { NO_LANE } from "../../ports/queue-rules.ts";
import { storable } from "../../ports/stored-text.ts";
import type { FiberData, FiberFields } from "./documents.ts";
import { type Image, Row } from "./image.ts";

/** A fiber's place as it is born. */
export function newFields(
  fiber: NewFiber,
  lease: Lease | undefined,
  fingerprint: string,
): FiberFields & { readonly key: string } {
  const { key, parent, fork, ordinal, queue, priority, lane, readyAt, ended } = fiber;
  const waits = lease === undefined && ended === undefined;
  return {
    key,
    ...(parent !== undefined && { parent }),
    ...(fork !== undefined && { fork }),
    ...(ordinal !== undefined && { ordinal }),
    seq: 0,
    queue: storable(queue),
    priority,
    lane: storable(lane ?? NO_LANE),
    fp: fingerprint,
    deliveries: 0,
    ...(waits && { due: readyAt }),
    ...(lease !== undefined && ended === undefined && { lease: `${lease.worker}@${lease.epoch}` }),
    ...(ended !== undefined && { ended }),
  };
}

export interface Birth {
  readonly data: Required<FiberData>;
  /** Of the worker that commits; for a child born leased. */
  readonly lease: Lease | undefined;
  readonly unique: () => string;
}

/**
 * A child whose document is written before its run, invisible, and shown by the run's redo. All children of one write have one tag.
 */
export function stagedChild(image: Image, fiber: NewFiber, { data, lease, unique }: Birth): void {
  const born = image.redo.find((op) => op.op === "born");
  const tag = born?.op === "born" ? born.tag : unique();
  if (born === undefined) image.redo.push({ op: "born", tag });
  const { life, fingerprint } = image.fields;
  const fields = newFields(fiber, fiber.leased ? lease : undefined, fingerprint);
  const { key, parent, due, lease: held, ...rest } = fields;
  const id = `${life}/${key}/${tag}`;
  image.staged.push({
    ...rest,
    ...data,
    _id: id,
    run: image.id,
    life,
    w: 0,
    unborn: tag,
    bornKey: key,
    ...(parent !== undefined && { bornParent: parent }),
    ...(due !== undefined && { bornDue: due }),
    ...(held !== undefined && { bornLease: held }),
  });
  image.rows.set(key, new Row(id, fields));
  image.dirty = true;
  image.size += data.state.length + data.value.length + data.context.length + data.aside.length;
}
