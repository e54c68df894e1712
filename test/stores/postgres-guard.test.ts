import { describe, expect, it } from "vitest";
import { ROOT_FIBER } from "../../src/domain/ids.ts";
import type { LeaseGuard } from "../../src/ports/queue.ts";
import { postgresStore } from "../../src/postgres.ts";
import { ManualClock } from "../../src/testing/conformance/clock.ts";
import { newRun, RUN, START_MS, WORKER } from "../../src/testing/conformance/records.ts";
import { transition } from "../../src/testing/conformance/transitions.ts";
import { freshSchema, sharedServer, titled } from "../setup/servers.ts";

const postgres = await sharedServer("postgres");
const LEASE_MS = 400;

/** Computes: nothing else of this process comes round meanwhile. */
const block = (ms: number): unknown => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);

interface Given {
  readonly giveUpMs: number;
  readonly blockedMs: number;
  readonly leaseMs?: number;
  /** By how much the guard's epoch is older than the worker's. */
  readonly late?: number;
}

/** A worker that holds a fiber while its process computes; then somebody sweeps, and it commits what it computed. */
async function whileBlocked({ giveUpMs, blockedMs, leaseMs = LEASE_MS, late = 0 }: Given): Promise<{
  readonly renewed: boolean;
  readonly swept: readonly unknown[];
  readonly commit: string | undefined;
}> {
  await using fresh = freshSchema(postgres);
  await using store = await postgresStore({ url: fresh.url, schema: fresh.schema });
  const { epoch } = await store.register(WORKER, leaseMs);
  const lease = { worker: WORKER, epoch };
  await store.createRuns([newRun({ lease, root: { leased: true } })]);
  const request = { worker: WORKER, epoch: epoch - late, leaseMs, everyMs: leaseMs / 8 };
  const guard = store.guard?.({ ...request, giveUpMs }) as LeaseGuard;
  const starts = giveUpMs > 0 && late === 0;
  await expect // the thread has started once it renewed for the first time, or never will
    .poll(() => guard.renewedAt > 0 || !starts, { interval: 1 })
    .toBe(true);
  await store.heartbeat(WORKER, epoch, leaseMs);
  guard.beaten();
  const before = guard.renewedAt;
  block(blockedMs);
  const { workers: swept } = await store.sweep();
  const renewed = guard.renewedAt > before;
  const [outcome] = await store.commit([transition({ run: RUN, fiber: ROOT_FIBER, lease, seq: 0 })]);
  await guard.stop();
  return { renewed, swept, commit: outcome?.status };
}

describe.skipIf(!postgres.run)(titled("the guard of a lease in Postgres", postgres), () => {
  it("keeps the fibers of a process that computes for 5 s under a lease of 3 s", async () => {
    expect(await whileBlocked({ giveUpMs: 60_000, blockedMs: 5_000, leaseMs: 3_000 })).toEqual({
      renewed: true,
      swept: [],
      commit: "committed",
    });
  });

  it("keeps no lease of a process that hangs", async () => {
    expect(await whileBlocked({ giveUpMs: 0, blockedMs: 2 * LEASE_MS })).toEqual({
      renewed: false,
      swept: [WORKER],
      commit: "lost",
    });
  });

  it("keeps no lease of an epoch that is over", async () => {
    expect(await whileBlocked({ giveUpMs: 60_000, blockedMs: 2 * LEASE_MS, late: 1 })).toEqual({
      renewed: false,
      swept: [WORKER],
      commit: "lost",
    });
  });

  it("is not there under a clock of a test", async () => {
    await using fresh = freshSchema(postgres);
    await using store = await postgresStore({ ...fresh, clock: new ManualClock(START_MS) });
    expect(typeof store.guard).toBe("undefined");
  });
});
