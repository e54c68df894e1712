import { flow, FlujoError, RetryAfter } from "flujo";
import { describe, expect, it } from "vitest";
import { memoryStore } from "../../src/testing.ts";
import { VirtualClock } from "../engine/clock.ts";
import { codeOf, eventually, gate } from "../engine/reading.ts";
import { Scene, STORES } from "../engine/scene.ts";
import { wrapped } from "./wrapped.ts";

const block = (ms: number): void => {
  for (const until = Date.now() + ms; Date.now() < until; );
};

describe.each(STORES)("a worker on %s", (store) => {
  it("advances no more fibers at once than its concurrency says, also when runs are started all at once", async () => {
    await using scene = new Scene(store);
    let now = 0;
    let most = 0;
    const busy = flow("busy", { version: "1" })
      .step("s", async () => {
        most = Math.max(most, ++now);
        await new Promise((resolve) => setTimeout(resolve, 20));
        now--;
      })
      .build();
    const flujo = scene.open({ flows: [busy], worker: { concurrency: 2 } });
    await Promise.all(Array.from({ length: 10 }, () => flujo.run(busy, null)));
    expect(most).toBeLessThanOrEqual(2);
  });

  it("advances no more fibers at once than its concurrency says, also when several runs fork at once", async () => {
    await using scene = new Scene(store);
    let now = 0;
    let most = 0;
    const forking = flow("forking", { version: "1" })
      .waitForSignal("go", "go")
      .map(
        "items",
        () => [1, 2, 3, 4],
        (b) =>
          b.step("s", async () => {
            most = Math.max(most, ++now);
            await new Promise((resolve) => setTimeout(resolve, 20));
            now--;
          }),
      )
      .build();
    const flujo = scene.open({ flows: [forking], worker: { concurrency: 4 } });
    const runs = await Promise.all(Array.from({ length: 2 }, () => flujo.run(forking, null)));
    await Promise.all(runs.map(({ runId }) => flujo.signal(runId, "go")));
    await Promise.all(runs.map(({ runId }) => flujo.result(runId, { until: "end" })));
    expect(most).toBeLessThanOrEqual(4);
  });

  it("does not run a step of a queue that it does not serve, when the run is born in its process", async () => {
    await using scene = new Scene(store);
    const ran: string[] = [];
    const plain = flow("plain", { version: "1" })
      .step("s", (_, ctx) => {
        ran.push(String(ctx.resources["where"]));
      })
      .build();
    const gpu = scene.open({ flows: [plain], worker: { queues: ["gpu"] }, resources: { where: "gpu" } });
    const { runId } = await gpu.start(plain, null);
    await new Promise((resolve) => setTimeout(resolve, 100));
    const cpu = scene.open({ flows: [plain], resources: { where: "cpu" } });
    await cpu.result(runId, { until: "end" });
    expect(ran).toEqual(["cpu"]);
  });

  it("does not run children of a fork whose queue it does not serve", async () => {
    await using scene = new Scene(store);
    const ran: string[] = [];
    const note = (what: string) => (_: unknown, ctx: { readonly resources: Readonly<Record<string, unknown>> }) =>
      void ran.push(`${what} on ${String(ctx.resources["where"])}`);
    const mixed = flow("mixed", { version: "1" })
      .step("g", note("g"), { queue: "gpu" })
      .parallel("p", { a: (b) => b.step("s", note("a")), b: (b) => b.step("s", note("b")) })
      .build();
    scene.open({ flows: [mixed], worker: { queues: ["gpu"] }, resources: { where: "gpu" } });
    const gpu = scene.open({ flows: [mixed], worker: { queues: ["gpu"] }, resources: { where: "gpu" } });
    await gpu.open();
    const cpu = scene.open({ flows: [mixed], resources: { where: "cpu" } });
    await cpu.run(mixed, null);
    expect(ran.sort()).toEqual(["a on cpu", "b on cpu", "g on gpu"]);
  });

  it("does not repeat a step that blocks the event loop longer than the lease, then waits", async () => {
    await using scene = new Scene(store);
    let calls = 0;
    const heavy = flow("heavy", { version: "1" })
      .step("s", async () => {
        calls++;
        block(700);
        await new Promise((resolve) => setTimeout(resolve, 30));
        return "done";
      })
      .build();
    const flujo = scene.open({
      flows: [heavy],
      worker: { lease: 300, heartbeat: 100, sweep: 50, maxDeliveries: 2 },
    });
    expect(await flujo.run(heavy, null)).toMatchObject({ status: "completed" });
    expect(calls).toBe(1);
  });

  it("runs a step once, whatever its error carries", async () => {
    const clock = new VirtualClock();
    await using scene = new Scene(store, clock);
    let calls = 0;
    const odd = flow("odd", { version: "1" })
      .attempt(
        "try",
        (b) =>
          b.step("s", () => {
            calls++;
            throw new FlujoError("STEP_FAILED", "no luck", { details: { big: 10n } });
          }),
        { catch: (b) => b.step("caught", () => "caught") },
      )
      .build();
    const flujo = scene.open({ flows: [odd] });
    const result = await clock.until(flujo.run(odd, null), 120_000);
    expect({ calls, result }).toMatchObject({ calls: 1, result: { status: "completed", output: "caught" } });
  });

  it("hands an error to a handler as it was, whatever its details look like", async () => {
    await using scene = new Scene(store);
    const odd = flow("odd", { version: "1" })
      .attempt(
        "try",
        (b) =>
          b.step("s", () => {
            throw new FlujoError("STEP_FAILED", "no luck", { details: { $ref: "#/definitions/a" } });
          }),
        { catch: (b) => b.step("caught", ({ error }) => error.details) },
      )
      .build();
    const flujo = scene.open({ flows: [odd] });
    expect(await flujo.run(odd, null)).toMatchObject({ status: "completed", output: { $ref: "#/definitions/a" } });
  });

  it("gives a compensation an idempotency key of its own", async () => {
    await using scene = new Scene(store);
    const keys: string[] = [];
    const saga = flow("saga", { version: "1" })
      .step("charge", (_, ctx) => keys.push(ctx.idempotencyKey), {
        compensate: (_, ctx) => keys.push(ctx.idempotencyKey),
      })
      .step("ship", () => {
        throw new Error("no stock");
      })
      .build();
    await scene.open({ flows: [saga] }).run(saga, null);
    expect(keys).toHaveLength(2);
    expect(keys[0]).not.toBe(keys[1]);
  });

  it("refuses a start that could never begin, and no other start of the same moment with it", async () => {
    await using scene = new Scene(store);
    const simple = flow("simple", { version: "1" })
      .step("s", () => "done")
      .build();
    const flujo = scene.open({ flows: [simple] });
    await flujo.open();
    const [bad, good] = await Promise.allSettled([
      flujo.start(simple, null, { priority: Number.NaN }),
      flujo.run(simple, null),
    ]);
    expect(good).toMatchObject({ status: "fulfilled", value: { status: "completed" } });
    expect(bad.status).toBe("rejected");
  });

  it("refuses to start at an invalid date, instead of never", async () => {
    await using scene = new Scene(store);
    const simple = flow("simple", { version: "1" })
      .step("s", () => "done")
      .build();
    const flujo = scene.open({ flows: [simple] });
    let id = "";
    const start = flujo.start(simple, null, { startAt: new Date(Number.NaN) }).then(({ runId }) => (id = runId));
    const code = await codeOf(start);
    if (id !== "") await flujo.cancel(id);
    if (id !== "") await flujo.result(id, { until: "end" });
    expect(code).toBe("OPTION_INVALID");
  });

  it("tries again some day, whatever RetryAfter says", async () => {
    const clock = new VirtualClock();
    await using scene = new Scene(store, clock);
    let calls = 0;
    const shy = flow("shy", { version: "1" })
      .step(
        "s",
        () => {
          if (++calls === 1) throw new RetryAfter(Number.POSITIVE_INFINITY);
          return "done";
        },
        { retry: 2 },
      )
      .build();
    const flujo = scene.open({ flows: [shy] });
    const { runId } = await flujo.start(shy, null);
    const over = flujo.result(runId, { until: "end" });
    const ended = await clock.until(over, (365 * 86_400_000) / 1_000).then(
      () => true,
      () => false,
    );
    if (!ended) await flujo.cancel(runId);
    if (!ended) await clock.until(over);
    expect(ended).toBe(true);
  });
});

describe.each(STORES)("the time of a run on %s", (store) => {
  it("ends a run of many short steps", async () => {
    await using scene = new Scene(store);
    const eager = flow("eager", { version: "1", timeout: 50 })
      .times("again", 40, (b) => b.step("s", () => block(5)))
      .build();
    const flujo = scene.open({ flows: [eager] });
    const result = await flujo.run(eager, null);
    expect(result).toMatchObject({ status: "failed", failure: { code: "RUN_TIMEOUT" } });
  });

  it("does not call a step once it is up", async () => {
    const clock = new VirtualClock();
    await using scene = new Scene(store, clock);
    let late = 0;
    const slow = flow("slow", { version: "1", timeout: 100 })
      .map(
        "m",
        () => [1],
        (b) =>
          b.step(
            "a",
            (_, ctx) =>
              new Promise((_resolve, reject) => {
                ctx.signal.addEventListener("abort", () => reject(new Error("aborted")));
              }),
          ),
        { join: "settled" },
      )
      .step("b", () => {
        late++;
        return "late";
      })
      .build();
    const flujo = scene.open({ flows: [slow] });
    const result = await clock.until(flujo.run(slow, null), 10_000);
    expect(late).toBe(0);
    expect(result).toMatchObject({ status: "failed", failure: { code: "RUN_TIMEOUT" } });
  });

  it("is up while a step waits for its next attempt", async () => {
    const clock = new VirtualClock();
    await using scene = new Scene(store, clock);
    const flaky = flow("flaky", { version: "1", timeout: "10s" })
      .step(
        "s",
        () => {
          throw new Error("not yet");
        },
        { retry: { attempts: 2, delay: "10 minutes", maxDelay: "10 minutes", jitter: "none" } },
      )
      .build();
    const flujo = scene.open({ flows: [flaky] });
    const began = clock.now();
    const result = await clock.until(flujo.run(flaky, null), 3_600_000);
    expect(result).toMatchObject({ status: "failed", failure: { code: "RUN_TIMEOUT" } });
    expect(clock.now() - began).toBeLessThan(15_000);
  });
});

describe("an answer that comes while its wait times out", () => {
  it("is refused or heard, never taken and dropped", async () => {
    const clock = new VirtualClock();
    await using scene = new Scene("memory", clock);
    const ask = flow("ask", { version: "1" })
      .human("q", { message: "?", deadline: 1_000, onTimeout: () => "nobody" })
      .build();
    let said = "not asked";
    const answered = gate();
    const flujo = scene.open({
      flows: [ask],
      at: async (point, { run, path }) => {
        if (path !== "root/q" || point !== "before-end") return;
        said = await codeOf(flujo.answer(run, "me"));
        answered.open();
      },
    });
    const { runId } = await clock.until(flujo.run(ask, null));
    const result = await clock.until(flujo.result(runId, { until: "end" }), 10_000);
    await answered.opened;
    expect([said, result.status === "completed" && result.output]).not.toEqual(["nothing", "nobody"]);
  });
});

describe("a commit whose answer was lost", () => {
  it("does not make the worker give away the fiber that has come to it again meanwhile", async () => {
    const held = gate();
    let lose = false;
    const store = wrapped(memoryStore(), {
      commit: (real) => async (batch) => {
        const outcomes = await real(batch);
        if (lose && batch.some(({ position }) => position.kind === "parked")) {
          lose = false;
          throw new Error("the answer was lost");
        }
        return outcomes;
      },
    });
    await using scene = new Scene("memory");
    let running = 0;
    let most = 0;
    const two = flow("two", { version: "1" })
      .waitForSignal("go", "go")
      .step("s", async () => {
        most = Math.max(most, ++running);
        await held.opened;
        running--;
        return "done";
      })
      .build();
    const flujo = scene.open({ store, flows: [two] });
    await flujo.open();
    lose = true;
    const { runId } = await flujo.start(two, null);
    await flujo.signal(runId, "go");
    await eventually("the step to run", () => running > 0);
    await new Promise((resolve) => setTimeout(resolve, 400));
    held.open();
    await flujo.result(runId, { until: "end" });
    await flujo.close();
    await store.close();
    expect(most).toBe(1);
  });

  it("never runs one step twice at once, when the store was away for longer than the lease", async () => {
    const held = gate();
    let away = false;
    let wasAway = false;
    const failing =
      <A extends readonly unknown[], R>(real: (...args: A) => Promise<R>) =>
      async (...args: A): Promise<R> => {
        if (away) throw new Error("the store is away");
        return real(...args);
      };
    const store = wrapped(memoryStore(), {
      commit: failing,
      claim: failing,
      heartbeat: failing,
      register: failing,
      release: failing,
      nextDue: failing,
    });
    await using scene = new Scene("memory");
    const running = new Map<string, number>();
    let most = 0;
    const two = flow("two", { version: "1" })
      .step("a", () => {
        away = !wasAway;
        wasAway = true;
        return 1;
      })
      .step("b", async (_, ctx) => {
        const now = (running.get(ctx.run.id) ?? 0) + 1;
        running.set(ctx.run.id, now);
        most = Math.max(most, now);
        await held.opened;
        running.set(ctx.run.id, now - 1);
      })
      .build();
    const flujo = scene.open({
      store,
      flows: [two],
      worker: { lease: 200, heartbeat: 50, sweep: 25, pollInterval: 20 },
    });
    const { runId } = await flujo.start(two, null);
    await new Promise((resolve) => setTimeout(resolve, 500));
    away = false;
    await new Promise((resolve) => setTimeout(resolve, 2_500));
    held.open();
    await flujo.result(runId, { until: "end" });
    await flujo.close();
    await store.close();
    expect(most).toBe(1);
  });
});
