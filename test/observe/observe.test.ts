import { describe, expect, it, vi } from "vitest";
import { compositeObserver } from "../../src/observe/composite.ts";
import { Distribution } from "../../src/observe/distribution.ts";
import { Fanout } from "../../src/observe/fanout.ts";
import { jsonLine } from "../../src/observe/log-line.ts";
import { loggingObserver } from "../../src/observe/logging.ts";
import { metricsObserver } from "../../src/observe/metrics.ts";
import type { Observation, Observer } from "../../src/ports/observer.ts";
import { flow, Flujo } from "../../src/index.ts";

const at = Date.UTC(2026, 0, 1, 12, 0, 0, 5);
const started: Observation = { kind: "run.started", at, run: "r", flow: "f", version: "1" };
const step = { run: "r", flow: "f", path: "root/a", visit: "2", attempt: 1 } as const;
const failure = { code: "STEP_FAILED", name: "Error", message: "boom", stack: "secret stack" } as const;
const done = (durationMs: number): Observation => ({ kind: "step.completed", at, ...step, durationMs });
const ended = (status: "completed" | "failed" | "cancelled", run = "r"): Observation => ({
  kind: "run.ended",
  at: at + 500,
  run,
  flow: "f",
  status,
  ...(status === "failed" && { failure }),
});
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe("the logging observer", () => {
  const logged = (observations: readonly Observation[], options = {}): string[] => {
    const lines: string[] = [];
    const observer = loggingObserver({ write: (line) => lines.push(line), ...options });
    for (const one of observations) void observer.observe(one);
    return lines;
  };

  it("writes JSON lines: info for runs, error for failures, nothing of steps", () => {
    const lines = logged([started, done(3), ended("failed")]).map((line) => JSON.parse(line) as unknown);
    expect(lines).toEqual([
      {
        time: "2026-01-01T12:00:00.005Z",
        level: "info",
        message: "run r of f@1 started",
        event: "run.started",
        run: "r",
        flow: "f",
        version: "1",
      },
      expect.objectContaining({ level: "error", message: "run r of f failed", code: "STEP_FAILED", error: "boom" }),
    ]);
  });

  it("writes text for people", () => {
    const lines = logged([done(3)], { level: "debug", format: "text" });
    expect(lines).toEqual([
      "12:00:00.005 debug root/a#2 completed in 3 ms event=step.completed run=r flow=f path=root/a visit=2 attempt=1 durationMs=3\n",
    ]);
  });

  it.each([
    ["debug", 4],
    ["info", 3],
    ["warn", 2],
    ["error", 1],
  ])("writes from %s on", (level, count) => {
    const lost: Observation = { kind: "lease.lost", at, run: "r", flow: "f", worker: "w" };
    expect(logged([started, done(1), lost, ended("failed")], { level })).toHaveLength(count);
  });

  it("has a line for whatever can be logged", () => {
    const circular: Record<string, unknown> = { n: 1n };
    circular["self"] = circular;
    expect(jsonLine({ at, level: "warn", message: "m", fields: { big: 5n } })).toContain('"big":"5"');
    expect(jsonLine({ at, level: "warn", message: "m", fields: circular })).toContain("not serializable");
  });
});

describe("the metrics observer", () => {
  it("counts", () => {
    const metrics = metricsObserver();
    const observations: Observation[] = [
      started,
      { ...started, run: "r2" },
      { ...started, run: "r3" },
      { kind: "step.started", at, ...step },
      { kind: "step.failed", at, ...step, durationMs: 1, failure },
      { kind: "step.started", at, ...step, attempt: 2 },
      done(10),
      ended("completed"),
      ended("failed", "r2"),
      ended("cancelled", "elsewhere"),
      { kind: "lease.lost", at, run: "r", flow: "f", worker: "w" },
      { kind: "worker.swept", at, worker: "w", fibers: 3 },
      { kind: "store.failed", at, operation: "commit", failure },
      { kind: "worker.started", at, worker: "w" },
      { kind: "fiber.parked", at, run: "r", flow: "f", path: "root/a", visit: "", wait: "human" },
    ];
    for (const one of observations) void metrics.observe(one);
    expect(metrics.snapshot()).toMatchObject({
      runsStarted: 3,
      runsCompleted: 1,
      runsFailed: 1,
      runsCancelled: 1,
      stepsCompleted: 1,
      stepsFailed: 1,
      stepsRetried: 1,
      leasesLost: 1,
      workersSwept: 1,
      storeFailures: 1,
      pending: 1,
      runDurations: [{ flow: "f", count: 2, p50Ms: 500 }],
      stepDurations: [{ flow: "f", step: "root/a", count: 2, sumMs: 11, minMs: 1, maxMs: 10 }],
    });
  });

  it("speaks Prometheus", () => {
    const metrics = metricsObserver();
    void metrics.observe({ ...(done(20) as Extract<Observation, { kind: "step.completed" }>), flow: 'f"1\n' });
    const text = metrics.prometheus();
    expect(text).toContain("# TYPE flujo_steps_completed_total counter\nflujo_steps_completed_total 1\n");
    expect(text).toContain('flujo_step_duration_seconds{flow="f\\"1\\n",step="root/a",quantile="0.5"} 0.02\n');
    expect(text).toContain('flujo_step_duration_seconds_count{flow="f\\"1\\n",step="root/a"} 1\n');
  });

  it("keeps its memory bounded", () => {
    const metrics = metricsObserver();
    for (let i = 0; i < 5_000; i++)
      void metrics.observe({ ...(done(1) as Extract<Observation, { kind: "step.completed" }>), path: `root/${i}` });
    const { stepDurations } = metrics.snapshot();
    expect(stepDurations).toHaveLength(2_001);
    expect(stepDurations.find(({ step: name }) => name === "other")?.count).toBe(3_000);
  });

  it("knows quantiles to two percent", () => {
    const distribution = new Distribution();
    for (let ms = 1; ms <= 10_000; ms++) distribution.record(ms);
    const { p50Ms, p95Ms, p99Ms } = distribution.summary();
    for (const [found, exact] of [
      [p50Ms, 5_000],
      [p95Ms, 9_500],
      [p99Ms, 9_900],
    ] as const)
      expect(Math.abs(found / exact - 1)).toBeLessThan(0.021);
    expect(new Distribution().summary()).toMatchObject({ count: 0, p50Ms: 0, minMs: 0 });
  });
});

describe("the composite observer", () => {
  it("is nothing without members, and a single member itself", () => {
    const one: Observer = { observe: () => undefined };
    expect(compositeObserver(null, one, undefined, false)).toBe(one);
    expect(compositeObserver(null).observe(started)).toBeUndefined();
  });

  it("tells all of them, whoever throws or rejects", async () => {
    const told = vi.fn();
    const composite = compositeObserver(
      {
        observe: () => {
          throw new Error("no");
        },
      },
      { observe: () => Promise.reject(new Error("no")) },
      { observe: told },
    );
    await composite.observe(started);
    expect(told).toHaveBeenCalledExactlyOnceWith(started);
  });
});

describe("the fan-out", () => {
  it("tells observers later, in order, and counts what failed", async () => {
    const told: number[] = [];
    const fanout = new Fanout([
      { observe: (one) => void told.push(one.at) },
      {
        observe: () => {
          throw new Error("no");
        },
      },
    ]);
    for (let n = 0; n < 600; n++) fanout.observe({ ...started, at: n });
    expect(told).toEqual([]);
    await fanout.close();
    expect(told).toEqual(Array.from({ length: 600 }, (_, n) => n));
    expect(fanout.dropped).toBe(600);
  });

  it("drops the oldest of an observer that hangs, at once and for it alone", async () => {
    const told = vi.fn();
    let release = (): void => undefined;
    const first = new Promise<void>((resolve) => {
      release = resolve;
    });
    const seen: number[] = [];
    const fanout = new Fanout([
      {
        observe: (one) => {
          seen.push(one.at);
          return first;
        },
      },
      { observe: told },
    ]);
    fanout.observe({ ...started, at: 0 });
    await turn();
    for (let n = 1; n <= 30_000; n++) fanout.observe({ ...started, at: n });
    release();
    await fanout.close();
    expect(seen.slice(0, 2)).toEqual([0, 20_001]);
    expect(seen.at(-1)).toBe(30_000);
    expect(seen).toHaveLength(10_001);
    fanout.observe(started);
    expect(fanout.dropped).toBeGreaterThanOrEqual(20_001);
  });
});

describe("observers of a real run", () => {
  const work = flow("observed", { version: "1" })
    .step("a", () => 1)
    .step("b", (n) => n + 1)
    .build();

  it("are told what happened", async () => {
    const metrics = metricsObserver();
    const flujo = new Flujo({ store: "memory:", flows: [work], observers: [metrics] });
    await flujo.run(work, undefined);
    await flujo.close();
    expect(metrics.snapshot()).toMatchObject({ runsStarted: 1, runsCompleted: 1, stepsCompleted: 2, pending: 0 });
  });

  it("change nothing when they throw, reject or hang", async () => {
    const observers: Observer[] = [
      {
        observe: () => {
          throw new Error("no");
        },
      },
      { observe: () => Promise.reject(new Error("no")) },
      { observe: () => new Promise(() => undefined) },
    ];
    await using flujo = new Flujo({ store: "memory:", flows: [work], observers });
    expect(await flujo.run(work, undefined)).toMatchObject({ status: "completed", output: 2 });
  });
});
