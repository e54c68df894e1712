import { describe, expect, it } from "vitest";
import type { LeaseGuard } from "../../src/ports/queue.ts";
import { ManualClock } from "../../src/testing/conformance/clock.ts";
import { START_MS, WORKER } from "../../src/testing/conformance/records.ts";
import { freshPrefix, sharedServer, titled } from "../setup/servers.ts";
import { sceneAt } from "./redis-servers.ts";

const redis = await sharedServer("redis");
const LEASE_MS = 400;

/** Computes: nothing else of this process comes round meanwhile. */
const block = (ms: number): unknown => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);

async function whileBlocked(
  given: { readonly giveUpMs: number; readonly epochOf?: (epoch: number) => number },
  ms: number,
): Promise<{ readonly renewed: boolean; readonly left: readonly unknown[] }> {
  await using fresh = freshPrefix(redis);
  await using opened = await sceneAt({ url: fresh.url, prefix: fresh.prefix });
  const { store } = opened;
  const { epoch } = await store.register(WORKER, LEASE_MS);
  const request = { worker: WORKER, epoch: given.epochOf?.(epoch) ?? epoch, leaseMs: LEASE_MS, everyMs: 50 };
  const guard = store.guard?.({ ...request, giveUpMs: given.giveUpMs }) as LeaseGuard;
  await expect // the thread has started once it renewed for the first time, or never will
    .poll(() => guard.renewedAt > 0 || given.giveUpMs === 0 || given.epochOf !== undefined, { interval: 1 })
    .toBe(true);
  guard.beaten();
  const before = guard.renewedAt;
  block(ms);
  const { workers: left } = await store.sweep();
  const renewed = guard.renewedAt > before;
  await guard.stop();
  return { renewed, left };
}

describe.skipIf(!redis.run)(titled("the guard of a lease in Redis", redis), () => {
  it("keeps the lease while the event loop is blocked for longer than the lease", async () => {
    expect(await whileBlocked({ giveUpMs: 60_000 }, 3 * LEASE_MS)).toEqual({ renewed: true, left: [] });
  });

  it("keeps no lease of a process that hangs", async () => {
    expect(await whileBlocked({ giveUpMs: 0 }, 2 * LEASE_MS)).toEqual({ renewed: false, left: [WORKER] });
  });

  it("keeps no lease of an epoch that is over", async () => {
    const epochOf = (epoch: number): number => epoch - 1;
    expect(await whileBlocked({ giveUpMs: 60_000, epochOf }, 2 * LEASE_MS)).toEqual({ renewed: false, left: [WORKER] });
  });

  it("is not there under a clock of a test", async () => {
    await using fresh = freshPrefix(redis);
    await using opened = await sceneAt({ url: fresh.url, prefix: fresh.prefix, clock: new ManualClock(START_MS) });
    expect("guard" in opened.store && typeof opened.store.guard).not.toBe("function");
  });
});
