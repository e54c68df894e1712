import { flow } from "flujo";
import { describe, expect, it } from "vitest";
import type { Clock } from "../../src/domain/ambient.ts";
import type { Store } from "../../src/ports/store.ts";
import { memoryStore } from "../../src/testing.ts";
import { LeaseKeeper } from "../../src/worker/lease-keeper.ts";
import { workerSettings } from "../../src/worker/options.ts";
import { Waiters } from "../../src/runner/waiters.ts";
import { wrapped } from "../review/wrapped.ts";
import { ambientOf, VirtualClock } from "./clock.ts";
import { Scene } from "./scene.ts";

/** The same time, shown wrongly: so much later or earlier, until somebody sets it again. */
class WrongClock implements Clock {
  readonly #true: VirtualClock;
  wrongByMs: number;

  constructor(right: VirtualClock, wrongByMs: number) {
    this.#true = right;
    this.wrongByMs = wrongByMs;
  }

  now(): number {
    return this.#true.now() + this.wrongByMs;
  }

  monotonic(): number {
    return this.#true.monotonic();
  }

  after(delayMs: number, callback: () => void): () => void {
    return this.#true.after(delayMs, callback);
  }
}

describe("a worker whose clock is wrong", () => {
  const sleeper = flow("sleeper", { version: "1" })
    .sleep("nap", "10s")
    .waitForSignal("go", "go", { deadline: "10s", onTimeout: () => "late" })
    .build();

  it.each([-60_000, -500, 0, 500, 60_000])(
    "by %i ms keeps time, and asks no more often for that",
    async (wrongByMs) => {
      const clock = new VirtualClock();
      await using scene = new Scene("memory", clock);
      const real = memoryStore({ clock });
      let claims = 0;
      const store = wrapped(real, {
        claim: (claim) => (request) => {
          claims += 1;
          return claim(request);
        },
      });
      const flujo = scene.open({ store, flows: [sleeper], ambient: ambientOf(new WrongClock(clock, wrongByMs)) });
      const { runId } = await clock.until(flujo.start(sleeper, null));
      const began = clock.now();
      const result = flujo.result(runId, { until: "end" });
      expect(await clock.until(result, 200_000)).toMatchObject({ output: "late" });
      // Deadlines that this worker itself has set are wrong as its clock is; what the store says is due, is.
      expect(clock.now() - began).toBeLessThanOrEqual(20_000 + 2 * Math.max(0, wrongByMs) + 12_000);
      expect(claims).toBeLessThan(60 + (2 * Math.abs(wrongByMs)) / 1_000);
      await clock.until(flujo.close(), 20_000);
      await real.close();
    },
  );
});

describe("a lease", () => {
  it.each([-3_600_000, 3_600_000])("is renewed in time although the clock is set by %i ms", async (setMs) => {
    const clock = new VirtualClock();
    const store = memoryStore({ clock });
    const wrong = new WrongClock(clock, 0);
    const events: string[] = [];
    const beats: number[] = [];
    const counted = wrapped(store, {
      heartbeat: (beat) => (worker, epoch, leaseMs, about) => {
        beats.push(clock.now());
        return beat(worker, epoch, leaseMs, about);
      },
    });
    const keeper = busyKeeper(counted, wrong, events);
    await clock.until(keeper.start());
    await clock.goOn(3_000);
    wrong.wrongByMs = setMs;
    const before = beats.length;
    await clock.goOn(6_000);
    expect(events).toEqual(["registered"]);
    expect(beats.length - before).toBeGreaterThanOrEqual(11);
    expect(beats.length - before).toBeLessThanOrEqual(13);
    await clock.until(keeper.stop());
    await store.close();
  });

  const busyKeeper = (store: Store, clock: Clock, events: string[], busy = () => true): LeaseKeeper => {
    const told = (what: string) => () => void events.push(what);
    return new LeaseKeeper(store, "w" as never, {
      settings: workerSettings({}),
      ambient: ambientOf(clock),
      events: {
        cancelled: told("cancelled"),
        lost: told("lost"),
        registered: told("registered"),
        swept: told("swept"),
        failed: told("failed"),
      },
      sweeps: true,
      about: () => null,
      busy,
    });
  };

  it("is kept when work ends and begins again, whenever that is: the next beat obeys the lease that the last one asked for", async () => {
    const clock = new VirtualClock();
    const store = memoryStore({ clock });
    const events: string[] = [];
    let busy = true;
    const keeper = busyKeeper(store, clock, events, () => busy);
    await clock.until(keeper.start());
    for (let workMs = 50; workMs < 2_000; workMs += 150) {
      await clock.goOn(workMs);
      busy = false;
      await clock.goOn(4_000 + workMs);
      busy = true;
    }
    expect(events).toEqual(["registered"]);
    await clock.until(keeper.stop());
    await store.close();
  });

  it("is kept through a pause of more than a second, whenever it comes", async () => {
    const clock = new VirtualClock();
    const store = memoryStore({ clock });
    const events: string[] = [];
    const keeper = busyKeeper(store, clock, events);
    await clock.until(keeper.start());
    await clock.goOn(2_000);
    for (let afterBeatMs = 0; afterBeatMs < 500; afterBeatMs += 50) {
      await clock.pass(afterBeatMs);
      await clock.pass(1_400);
      expect(await store.sweep()).toEqual({ workers: [], fibers: 0 });
      await clock.goOn(2_000);
    }
    expect(events).toEqual(["registered"]);
    await clock.until(keeper.stop());
    await store.close();
  });

  it("is not guarded from a thread because its store answers late: the event loop is alive", async () => {
    const clock = new VirtualClock();
    const store = memoryStore({ clock });
    const beaten: number[] = [];
    let beats = 0;
    const late = wrapped(store, {
      heartbeat: (beat) => (worker, epoch, leaseMs, about) =>
        ++beats < 3 ? beat(worker, epoch, leaseMs, about) : new Promise(() => undefined),
      guard: () => () => ({
        beaten: () => void beaten.push(clock.now()),
        renewedAt: 0,
        stop: () => Promise.resolve(),
      }),
    });
    const keeper = busyKeeper(late, clock, []);
    await clock.until(keeper.start());
    await clock.goOn(1_500);
    expect(beats).toBe(3);
    expect(beaten.at(-1)).toBe(clock.now());
    await store.close();
  });

  it("is given up when the machine slept longer than it lasts", async () => {
    const clock = new VirtualClock();
    const store = memoryStore({ clock });
    const events: string[] = [];
    const keeper = busyKeeper(store, clock, events);
    await clock.until(keeper.start());
    await clock.goOn(2_000);
    await clock.pass(60_000);
    await clock.goOn(1_000);
    expect(events).toEqual(["registered", "lost", "registered"]);
    expect(keeper.held).toBe(true);
    await clock.until(keeper.stop());
    await store.close();
  });
});

describe("waiting for a result", () => {
  it.each([-3_600_000, 3_600_000])("goes on although the clock is set by %i ms", async (setMs) => {
    const clock = new VirtualClock();
    const wrong = new WrongClock(clock, 0);
    let looks = 0;
    let over = false;
    const waiters = new Waiters(() => {
      looks += 1;
      return Promise.resolve({ status: over ? "completed" : "running", runId: "r" } as never);
    }, ambientOf(wrong));
    const waiting = waiters.wait("r" as never, "end");
    await clock.goOn(2_000);
    wrong.wrongByMs = setMs;
    const before = looks;
    await clock.goOn(5_000);
    expect(looks - before).toBeGreaterThanOrEqual(8);
    expect(looks - before).toBeLessThanOrEqual(12);
    over = true;
    expect(await clock.until(waiting, 1_000)).toMatchObject({ status: "completed" });
    waiters.close(new Error("over"));
  });
});
