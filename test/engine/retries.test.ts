import { flow, NonRetryableError, RetryAfter } from "flujo";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import type { RetryOptions } from "../../src/domain/retry.ts";
import { VirtualClock } from "./clock.ts";
import { eventsOf } from "./reading.ts";
import { Scene, STORES } from "./scene.ts";

/** A step that fails until its `failures` are spent; tells its attempts. */
const flaky = (failures: number, retry: RetryOptions | number, seen: number[] = []) =>
  flow("flaky", { version: "1" })
    .step(
      "call",
      (_, { attempt }) => {
        seen.push(attempt);
        if (attempt <= failures) throw new Error(`failure ${attempt}`);
        return attempt;
      },
      { retry },
    )
    .build();
const now: RetryOptions = { backoff: "immediate" };

describe.each(STORES)("a retry policy on %s", (store) => {
  it.each<readonly [string, RetryOptions | number, number]>([
    ["a number is the total of attempts", 3, 3],
    ["attempts are the total", { ...now, attempts: 4 }, 4],
    ["three when a policy says nothing else", now, 3],
    ["one", { ...now, attempts: 1 }, 1],
  ])("counts attempts, the first included: %s", async (_, retry, total) => {
    const clock = new VirtualClock();
    await using scene = new Scene(store, clock);
    const seen: number[] = [];
    const flujo = scene.open();
    const result = await clock.until(flujo.run(flaky(99, retry, seen), 0), 120_000);
    expect(result).toMatchObject({ status: "failed", failure: { message: `failure ${total}`, attempt: total } });
    expect(seen).toEqual(Array.from({ length: total }, (__, i) => i + 1));
    expect((await eventsOf(flujo, result.runId, "step.failed")).map(({ retryAt }) => retryAt !== undefined)).toEqual(
      seen.map((attempt) => attempt < total),
    );
  });

  it("makes one attempt when there is no policy", async () => {
    await using scene = new Scene(store);
    let calls = 0;
    const once = flow("once", { version: "1" })
      .step("call", () => {
        calls += 1;
        throw new Error("no");
      })
      .build();
    expect(await scene.open().run(once, 0)).toMatchObject({ status: "failed" });
    expect(calls).toBe(1);
  });

  it.each<readonly [string, RetryOptions, readonly number[]]>([
    ["exponential", { backoff: "exponential", delay: 100, factor: 3 }, [100, 300, 900]],
    ["capped", { backoff: "exponential", delay: 100, factor: 3, maxDelay: 250 }, [100, 250, 250]],
    ["constant", { backoff: "constant", delay: "1s" }, [1_000, 1_000, 1_000]],
    ["immediate", { backoff: "immediate" }, [0, 0, 0]],
  ])("waits between attempts: %s", async (_, retry, delays) => {
    const clock = new VirtualClock();
    await using scene = new Scene(store, clock);
    const flujo = scene.open();
    const result = await clock.until(flujo.run(flaky(3, { attempts: 4, jitter: "none", ...retry }), 0), 10_000);
    expect(result).toMatchObject({ status: "completed", output: 4 });
    const failed = await eventsOf(flujo, result.runId, "step.failed");
    expect(failed.map(({ at, retryAt }) => (retryAt ?? 0) - at)).toEqual(delays);
  });

  it("draws each delay below its bound when it has jitter", async () => {
    const clock = new VirtualClock();
    await using scene = new Scene(store, clock);
    const flujo = scene.open();
    const result = await clock.until(flujo.run(flaky(5, { attempts: 6, delay: 1_000, factor: 1 }), 0), 10_000);
    const delays = (await eventsOf(flujo, result.runId, "step.failed")).map(({ at, retryAt }) => (retryAt ?? 0) - at);
    expect(delays.every((ms) => ms >= 0 && ms <= 1_000)).toBe(true);
    expect(new Set(delays).size).toBeGreaterThan(1);
  });

  it("tries again when the step says so", async () => {
    const clock = new VirtualClock();
    await using scene = new Scene(store, clock);
    const polite = flow("polite", { version: "1" })
      .step(
        "call",
        (_, { attempt }) => {
          if (attempt === 1) throw new RetryAfter(30_000, "too many requests");
          return "served";
        },
        { retry: { attempts: 2, backoff: "immediate" } },
      )
      .build();
    const flujo = scene.open();
    const began = clock.now();
    const result = await clock.until(flujo.run(polite, 0), 40_000);
    expect(result).toMatchObject({ output: "served" });
    expect(clock.now() - began).toBeGreaterThanOrEqual(30_000);
  });

  it.each([Number.NaN, Number.POSITIVE_INFINITY, 30 * 86_400_000 + 1])(
    "fails an attempt that asks to be tried again in %d ms, and keeps its own delay",
    async (delayMs) => {
      const clock = new VirtualClock();
      await using scene = new Scene(store, clock);
      const rude = flow("rude", { version: "1" })
        .step(
          "call",
          (_, { attempt }) => {
            if (attempt === 1) throw new RetryAfter(delayMs);
            return "served";
          },
          { retry: { attempts: 2, delay: 1_000, jitter: "none" } },
        )
        .build();
      const flujo = scene.open();
      const result = await clock.until(flujo.run(rude, 0), 10_000);
      expect(result).toMatchObject({ output: "served" });
      const [failed] = await eventsOf(flujo, result.runId, "step.failed");
      expect(failed?.failure).toMatchObject({ code: "OPTION_INVALID", message: expect.stringContaining("RetryAfter") });
      expect((failed?.retryAt ?? 0) - (failed?.at ?? 0)).toBe(1_000);
    },
  );

  it("asks retryIf with the error that was thrown, and the attempt", async () => {
    await using scene = new Scene(store);
    const asked: unknown[] = [];
    class Transient extends Error {}
    const picky = flow("picky", { version: "1" })
      .step(
        "call",
        (_, { attempt }) => {
          throw attempt < 3 ? new Transient("again") : new TypeError("never");
        },
        {
          retry: {
            attempts: 10,
            backoff: "immediate",
            retryIf: (error, attempt) => {
              asked.push([error instanceof Transient, attempt]);
              return error instanceof Transient;
            },
          },
        },
      )
      .build();
    expect(await scene.open().run(picky, 0)).toMatchObject({ failure: { message: "never", attempt: 3 } });
    expect(asked).toEqual([
      [true, 1],
      [true, 2],
      [false, 3],
    ]);
  });

  it.each<readonly [string, () => boolean]>([
    [
      "throws",
      () => {
        throw new Error("retryIf broke");
      },
    ],
    ["answers a promise", () => Promise.reject(new Error("async")) as never],
  ])("reports the step's own failure when retryIf %s", async (_, retryIf) => {
    await using scene = new Scene(store);
    const bad = flaky(9, { attempts: 2, backoff: "immediate", retryIf });
    expect(await scene.open().run(bad, 0)).toMatchObject({
      status: "failed",
      failure: { message: expect.stringMatching(/^failure/) as string },
    });
  });

  it.each<readonly [string, () => unknown]>([
    [
      "says it is pointless",
      () => {
        throw new NonRetryableError("no");
      },
    ],
    [
      "says so in a class of its own",
      () => {
        throw new (class Declined extends NonRetryableError {})("no");
      },
    ],
    ["gives what cannot be stored", () => () => 1],
  ])("makes no other attempt when the step %s", async (_, work) => {
    await using scene = new Scene(store);
    let calls = 0;
    const final = flow("final", { version: "1" })
      .step(
        "call",
        () => {
          calls += 1;
          return work();
        },
        { retry: { attempts: 5, backoff: "immediate" } },
      )
      .build();
    expect(await scene.open().run(final, 0)).toMatchObject({ status: "failed" });
    expect(calls).toBe(1);
  });

  it("counts on after the process has changed, and waits no longer than was left", async () => {
    const clock = new VirtualClock();
    await using scene = new Scene(store, clock);
    const seen: number[] = [];
    const patient = flaky(
      2,
      { attempts: 3, backoff: "constant", delay: "1 hour", maxDelay: "1 hour", jitter: "none" },
      seen,
    );
    const first = scene.open({ flows: [patient] });
    const { runId } = await first.start(patient, 0);
    await clock.pass(0);
    await clock.pass(3_600_000);
    await clock.goOn(1_500); // a process that was suspended first renews its lease, then looks for work
    expect(seen).toEqual([1, 2]);
    await clock.until(first.close());
    await clock.pass(3_400_000);
    const second = scene.open({ flows: [patient] });
    await clock.until(second.open());
    expect((await second.get(runId)).fibers).toMatchObject([{ attempt: 3, position: "ready" }]);
    await clock.pass(200_000);
    expect(await clock.until(second.handle(runId).output())).toBe(3);
    expect(seen).toEqual([1, 2, 3]);
  });

  it("holds no slot while it waits for the next attempt", async () => {
    const clock = new VirtualClock();
    await using scene = new Scene(store, clock);
    const patient = flaky(1, { attempts: 2, backoff: "constant", delay: "1 hour", maxDelay: "1 hour", jitter: "none" });
    const quick = flow("quick", { version: "1" })
      .step("x", () => "x")
      .build();
    const flujo = scene.open({ flows: [patient, quick], worker: { concurrency: 1 } });
    await flujo.start(patient, 0);
    await clock.pass(0);
    expect(await clock.until(flujo.run(quick, 0), 50)).toMatchObject({ output: "x" });
  });

  it.each<readonly [string, RetryOptions]>([
    ["no attempt", { attempts: 0 }],
    ["half an attempt", { attempts: 1.5 }],
    ["a million attempts", { attempts: 1_000_000 }],
    ["a shrinking factor", { factor: 0.5 }],
    ["a delay of nonsense", { delay: "soon" as never }],
  ])("is refused when it asks for %s", (_, retry) => {
    expect(() => flaky(1, retry)).toThrow(expect.objectContaining({ code: "DEFINITION_INVALID" }) as Error);
  });
});

describe.each(STORES)("the idempotency key of a step on %s", (store) => {
  it("is the same for every attempt and in every process, and differs between places and runs", async () => {
    const clock = new VirtualClock();
    await using scene = new Scene(store, clock);
    const keys: string[] = [];
    const keyed = flow("keyed", { version: "1" })
      .input(z.number())
      .times("twice", 2, (b) =>
        b.step(
          "charge",
          (n, { idempotencyKey, attempt, visit }) => {
            keys.push(`${visit} ${idempotencyKey}`);
            if (attempt < 3) throw new Error("again");
            return n;
          },
          { retry: { attempts: 3, backoff: "constant", delay: 100, jitter: "none" } },
        ),
      )
      .build();
    const first = scene.open({ flows: [keyed] });
    const { runId } = await first.start(keyed, 0);
    await clock.pass(0);
    await clock.until(first.close());
    const second = scene.open({ flows: [keyed] });
    await clock.until(second.handle(runId).output(), 5_000);
    await clock.until(second.run(keyed, 0), 5_000);
    expect(keys).toHaveLength(12);
    expect(new Set(keys.slice(0, 6)).size).toBe(2);
    expect(new Set(keys).size).toBe(4);
  });
});
