import { flow } from "flujo";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { completedSteps, eventsOf, eventually, gate } from "./reading.ts";
import { wrapped } from "../review/wrapped.ts";
import { Scene, STORES } from "./scene.ts";

/** How many are inside at the same time, in all and by key. */
class Crowd {
  readonly #inside = new Map<string, number>();
  most = 0;
  readonly mostOf = new Map<string, number>();
  readonly order: string[] = [];

  async visit(key: string): Promise<void> {
    this.order.push(key);
    const of = (this.#inside.get(key) ?? 0) + 1;
    this.#inside.set(key, of);
    this.most = Math.max(
      this.most,
      [...this.#inside.values()].reduce((sum, one) => sum + one, 0),
    );
    this.mostOf.set(key, Math.max(this.mostOf.get(key) ?? 0, of));
    for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setImmediate(resolve));
    this.#inside.set(key, (this.#inside.get(key) ?? 0) - 1);
  }
}

const visitor = (crowd: Crowd) =>
  flow("visitor", { version: "1" })
    .input(z.string())
    .step("visit", async (who) => crowd.visit(who))
    .build();

describe.each(STORES)("a queue with rules on %s", (store) => {
  it("lets no more in than its rules say, over several workers, and goes on at once when a place is left", async () => {
    await using scene = new Scene(store);
    const crowd = new Crowd();
    const flows = [visitor(crowd)];
    const [one, two] = [0, 1].map(() => scene.open({ flows, queues: { default: { concurrency: 3 } } }));
    if (one === undefined || two === undefined) throw new Error("there are two");
    await two.open();
    const began = Date.now();
    const handles = await Promise.all(Array.from({ length: 40 }, (_, i) => (i % 2 ? one : two).start("visitor", "x")));
    for (const handle of handles) await handle.output();
    expect(crowd.most).toBeLessThanOrEqual(3);
    expect(crowd.order).toHaveLength(40);
    expect(Date.now() - began).toBeLessThan(5_000); // forty waits for a poll would take longer
  });

  it("lets keys take turns, each within its own limit", async () => {
    await using scene = new Scene(store);
    const crowd = new Crowd();
    const flujo = scene.open({ flows: [visitor(crowd)], worker: false });
    await flujo.setQueue("default", { concurrency: 2, perKey: { concurrency: 1 } });
    const long = await Promise.all(Array.from({ length: 12 }, () => flujo.start("visitor", "long", { key: "long" })));
    const short = await Promise.all(Array.from({ length: 3 }, () => flujo.start("visitor", "short", { key: "short" })));
    const worker = scene.open({ flows: [visitor(crowd)] });
    await worker.open();
    for (const { runId } of [...long, ...short]) await worker.handle(runId).output();
    expect(crowd.mostOf).toEqual(
      new Map([
        ["long", 1],
        ["short", 1],
      ]),
    );
    expect(crowd.order.lastIndexOf("short")).toBeLessThan(8); // not behind all of the long line
  });

  it("holds back what begins too often", async () => {
    await using scene = new Scene(store);
    const crowd = new Crowd();
    const flujo = scene.open({ flows: [visitor(crowd)], queues: { default: { rate: { limit: 2, per: "1 hour" } } } });
    const handles = await Promise.all(Array.from({ length: 5 }, () => flujo.start("visitor", "x")));
    await eventually("two of them", () => crowd.order.length === 2);
    const waiting = await eventually("the reason", async () => {
      for (const { id, fibers } of await Promise.all(handles.map((handle) => handle.get())))
        if (fibers[0]?.position === "ready") return id;
      return undefined;
    });
    expect((await flujo.why(waiting)).reasons).toEqual([
      expect.stringMatching(
        /ready in queue "default", due now: the rate of the queue is used up; there is room again in \d+ s \(at most 2 per 3600000 ms\)\.$/,
      ),
    ]);
    await flujo.setQueue("default", {});
    for (const handle of handles) await handle.output();
    expect(await flujo.queues()).toEqual([]);
  });

  it("says that it is full, to whoever asks why a run waits", async () => {
    await using scene = new Scene(store);
    const held = gate();
    const slow = flow("slow", { version: "1" })
      .step("wait", () => held.opened)
      .build();
    const flujo = scene.open({ flows: [slow], queues: { default: { perKey: { concurrency: 1 } } } });
    const first = await flujo.start(slow, null, { key: "ada" });
    await eventually("the first to begin", async () => (await first.get()).fibers[0]?.position === "leased");
    const second = await flujo.start(slow, null, { key: "ada" });
    expect((await flujo.why(second.runId)).reasons).toEqual([
      'Fiber 0 is ready in queue "default" (key "ada"), due now: the queue is full: it waits for a place (at most 1 at once for each key).',
    ]);
    expect((await second.get()).fibers).toMatchObject([{ queue: "default", lane: "ada", position: "ready" }]);
    held.open();
    await Promise.all([first.output(), second.output()]);
  });

  it("is entered anew by each attempt of a step that names it, and left by the next step", async () => {
    await using scene = new Scene(store);
    const crowd = new Crowd();
    let failures = 0;
    const work = flow("work", { version: "1" })
      .step("before", () => undefined)
      .step(
        "gpu",
        async (_, { attempt }) => {
          await crowd.visit("gpu");
          if (attempt === 1) failures += 1;
          if (attempt === 1) throw new Error("again");
        },
        { queue: "gpu", retry: { attempts: 2, backoff: "immediate" } },
      )
      .step("gpu2", async () => crowd.visit("gpu"), { queue: "gpu" })
      .step("after", () => "done")
      .build();
    const flujo = scene.open({
      flows: [work],
      queues: { gpu: { concurrency: 1 } },
      worker: { queues: ["default", "gpu"] },
    });
    const handles = await Promise.all(Array.from({ length: 6 }, () => flujo.start(work, null)));
    for (const handle of handles) expect(await handle.output()).toBe("done");
    expect(crowd.most).toBe(1);
    expect([crowd.order.length, failures]).toEqual([18, 6]);
  });

  it("gives children of a fork their places one by one, with the key of their run", async () => {
    await using scene = new Scene(store);
    const crowd = new Crowd();
    const fan = flow("fan", { version: "1" })
      .map(
        "each",
        () => Array.from({ length: 12 }, (_, i) => i),
        (b) => b.step("visit", async () => crowd.visit("x")),
      )
      .build();
    const flujo = scene.open({ flows: [fan], queues: { default: { perKey: { concurrency: 2 } } } });
    const [a, b] = await Promise.all([flujo.start(fan, null, { key: "a" }), flujo.start(fan, null, { key: "b" })]);
    await Promise.all([a.output(), b.output()]);
    expect(crowd.order).toHaveLength(24);
    expect(crowd.most).toBeLessThanOrEqual(4);
  });
});

describe.each(STORES)("the key of a step on %s", (store) => {
  const asked: string[] = [];
  const keyed = (crowd: Crowd) =>
    flow("keyed", { version: "1" })
      .input(z.object({ tenant: z.string(), fail: z.boolean().default(false) }))
      .step(
        "call",
        async ({ tenant, fail }) => {
          await crowd.visit(tenant);
          if (fail) throw new Error("no");
          return tenant;
        },
        {
          queue: "models",
          key: ({ tenant }) => {
            asked.push(tenant);
            return tenant;
          },
        },
      )
      .build();

  it("limits the work of each, is asked once, and recorded", async () => {
    await using scene = new Scene(store);
    const crowd = new Crowd();
    const flow1 = keyed(crowd);
    const flujo = scene.open({
      flows: [flow1],
      queues: { models: { perKey: { concurrency: 1 } } },
      worker: { queues: ["default", "models"] },
    });
    asked.length = 0;
    const handles = await Promise.all(
      Array.from({ length: 10 }, (_, i) => flujo.start(flow1, { tenant: i % 2 ? "a" : "b" })),
    );
    await Promise.all(handles.map((handle) => handle.output()));
    expect(crowd.mostOf).toEqual(
      new Map([
        ["a", 1],
        ["b", 1],
      ]),
    );
    const [keyedAt] = await eventsOf(flujo, handles[0]?.runId ?? "", "step.keyed");
    expect(keyedAt).toMatchObject({ path: "root/call", lane: "b" });
    expect(asked).toHaveLength(10);
  });

  it("lasts through a retry of the run, and is asked anew by a fork with another input", async () => {
    await using scene = new Scene(store);
    const crowd = new Crowd();
    const flow1 = keyed(crowd);
    const flujo = scene.open({ flows: [flow1], worker: { queues: ["default", "models"] } });
    const failed = await flujo.run(flow1, { tenant: "a", fail: true });
    expect(failed.status).toBe("failed");
    asked.length = 0;
    await (await flujo.retry(failed.runId)).result();
    expect([asked, crowd.order]).toEqual([[], ["a", "a"]]);
    const forked = await flujo.fork(failed.runId, { input: { tenant: "z" } });
    expect(await forked.output()).toBe("z");
    expect(asked).toEqual(["z"]);
    expect(await completedSteps(flujo, forked.runId)).toEqual(["root/call"]);
  });

  it.each([
    ["nothing", () => ""],
    ["a number", () => 5 as never],
    ["too much", () => "x".repeat(257)],
    ["a promise", () => Promise.resolve("a") as never],
    [
      "an error",
      () => {
        throw new Error("oops");
      },
    ],
  ])("fails the step when its function gives %s", async (_, key) => {
    await using scene = new Scene(store);
    const wrong = flow("wrong", { version: "1" })
      .step("s", () => 1, { key: key as () => string })
      .build();
    const result = await scene.open({ flows: [wrong] }).run(wrong, null);
    expect(result).toMatchObject({ status: "failed", failure: { code: "PREDICATE_FAILED", at: "root/s" } });
  });
});

describe.each(STORES)("the key of a run on %s", (store) => {
  it("is that of its branches and its child runs, and stays in a retry and a fork", async () => {
    await using scene = new Scene(store);
    const [held, again] = [gate(), gate()];
    let failed = false;
    const child = flow("child", { version: "1" })
      .step("wait", () => held.opened)
      .build();
    const parent = flow("parent", { version: "1" })
      .parallel("both", {
        called: (b) => b.call("child", child, { input: () => null }),
        here: (b) => b.step("wait", async () => held.opened),
      })
      .step("fail", async () => {
        if (failed) await again.opened;
        failed = true;
        throw new Error("no");
      })
      .build();
    const flujo = scene.open({ flows: [parent] });
    const { runId } = await flujo.start(parent, null, { key: "ada", queue: "default" });
    const lanes = async (run: string): Promise<unknown[]> =>
      (await (await scene.store()).fibers(run as never)).map(({ lane }) => lane);
    await eventually("the child", async () => (await flujo.list({ flow: "child" })).items.length === 1);
    const [called] = (await flujo.list({ flow: "child" })).items;
    expect([...(await lanes(runId)), ...(await lanes(called?.id ?? ""))]).toEqual(["ada", "ada", "ada", "ada"]);
    held.open();
    await flujo.result(runId, { until: "end" });
    await flujo.retry(runId);
    const forked = await flujo.fork(runId);
    for (const run of [runId, forked.runId]) {
      await eventually("the last step", async () => (await flujo.get(run)).fibers[0]?.at === "root/fail");
      expect(await lanes(run)).toEqual(["ada"]);
    }
    again.open();
    await Promise.all([runId, forked.runId].map((run) => flujo.result(run, { until: "end" })));
  });

  it.each([
    ["", "1 to 256 characters"],
    ["x".repeat(257), "1 to 256"],
    ["a\u0000b", "without control"],
    [7, "found 7"],
  ])("is refused when it is %j", async (key, says) => {
    await using scene = new Scene(store);
    const one = flow("one", { version: "1" })
      .step("s", () => 1)
      .build();
    await expect(scene.open({ flows: [one] }).start(one, null, { key: key as string })).rejects.toMatchObject({
      code: "OPTION_INVALID",
      message: expect.stringContaining(says) as string,
    });
  });
});

it("claims for all the slots that a batch leaves at once, also at the commit after which the event loop gets its turn", async () => {
  await using scene = new Scene("sqlite");
  const limits: number[] = [];
  const store = wrapped(await scene.store(), {
    claim: (real) => async (request) => {
      limits.push(request.limit);
      return real(request);
    },
  });
  const one = flow("one", { version: "1" })
    .step("s", () => 1)
    .build();
  const starter = scene.open({ store, flows: [one], worker: false });
  await starter.setQueue("default", { concurrency: 1_000 });
  const handles = await Promise.all(Array.from({ length: 300 }, () => starter.start(one, null)));
  await scene.open({ store, flows: [one], worker: { concurrency: 50 } }).open();
  for (const { runId } of handles) await starter.handle(runId).output();
  expect(new Set(limits)).toEqual(new Set([50]));
});

describe("rules of queues", () => {
  it.each([
    [{ concurrency: 0 }, "concurrency: expected a whole number of at least 1 but found 0"],
    [{ rate: { limit: 1.5, per: "1s" } }, "rate.limit: expected a whole number"],
    [{ perKey: { rate: { limit: 1, per: "soon" } } }, "perKey.rate.per"],
    [{ concurency: 1 }, 'expected concurrency, rate or perKey but found "concurency"'],
  ])("are refused when they are %j", async (rules, says) => {
    await using scene = new Scene("memory");
    const flujo = scene.open();
    await expect(flujo.setQueue("q", rules as never)).rejects.toMatchObject({
      code: "OPTION_INVALID",
      message: expect.stringContaining(says) as string,
    });
    await expect(flujo.setQueue("no name", {})).rejects.toMatchObject({ code: "OPTION_INVALID" });
  });

  it("are read back as they were given", async () => {
    await using scene = new Scene("sqlite");
    const rules = { concurrency: 4, rate: { limit: 10, per: 60_000 }, perKey: { concurrency: 1 } };
    const flujo = scene.open({ queues: { gpu: rules, mail: {} } });
    expect(await flujo.queues()).toEqual([{ name: "gpu", ...rules }]);
  });
});
