import type { Wire } from "../domain/wire.ts";
import type { WorkerRecord } from "../ports/queue.ts";
import type { WorkerAbout } from "../worker/about.ts";

/** A worker of the store, as it told about itself. */
export interface WorkerView {
  readonly id: string;
  /** Its lease stands. A worker whose lease has run out is shown until another one has taken over what it held. */
  readonly alive: boolean;
  readonly leaseUntil: Date;
  /** Fibers that it holds, and how many it takes at once. */
  readonly held: number;
  readonly concurrency?: number;
  readonly queues: readonly string[];
  readonly flows: readonly { readonly name: string; readonly version: string; readonly fingerprint: string }[];
  readonly host?: string;
  readonly pid?: number;
  /** Version of this package that it runs. */
  readonly flujo?: string;
  readonly startedAt?: Date;
}

/** What a worker of another version says of itself may lack anything. */
export function workerView({ worker, leaseUntil, held, about }: WorkerRecord, now: number): WorkerView {
  const { host, pid, flujo, startedAt, concurrency, queues = [], flows = [] } = aboutIn(about);
  return {
    id: worker,
    alive: leaseUntil > now,
    leaseUntil: new Date(leaseUntil),
    held,
    queues,
    flows,
    ...(concurrency !== undefined && { concurrency }),
    ...(host !== undefined && { host }),
    ...(pid !== undefined && { pid }),
    ...(flujo !== undefined && { flujo }),
    ...(startedAt !== undefined && { startedAt: new Date(startedAt) }),
  };
}

const aboutIn = (about: Wire): Partial<WorkerAbout> =>
  typeof about === "object" && about !== null ? (about as unknown as Partial<WorkerAbout>) : {};
