import { flow, type Flujo } from "flujo";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { VirtualClock } from "./clock.ts";
import { codeOf, completedSteps, eventsOf, eventually, gate, outline } from "./reading.ts";
import { Scene, STORES } from "./scene.ts";

/** Steps that count their calls, and fail while they are named in `broken`. */
class Bench {
  readonly calls: string[] = [];
  readonly broken = new Set<string>();

  step(name: string): (n: number) => number {
    return (n) => {
      this.calls.push(name);
      if (this.broken.has(name)) throw new Error(`${name} is broken`);
      return n + 1;
    };
  }
}

async function seqOf(flujo: Flujo, run: string, place: string): Promise<number> {
  const event = (await flujo.history(run)).find(
    (one) => "path" in one && `${one.type} ${one.path}#${one.visit}` === place,
  );
  if (event === undefined) throw new Error(`${place} is not in the history`);
  return event.seq;
}

describe.each(STORES)("a retry of a failed run on %s", (store) => {
  it("does not repeat finished branches, items, iterations or child runs", async () => {
    await using scene = new Scene(store);
    const bench = new Bench();
    const child = flow("child", { version: "1" }).input(z.number()).step("inner", bench.step("inner")).build();
    const wide = flow("wide", { version: "1" })
      .input(z.number())
      .step("before", bench.step("before"))
      .call("child", child)
      .parallel(
        "both",
        {
          left: (b) => b.step("l1", bench.step("l1")).step("l2", bench.step("l2")),
          right: (b) =>
            b.map(
              "each",
              () => [1, 2, 3],
              (c) => c.step("item", (n) => bench.step(`item ${n}`)(n)),
              { concurrency: 1 },
            ),
        },
        { concurrency: 1 },
      )
      .step("after", ({ left, right }) => left + right.length)
      .build();
    const flujo = scene.open({ flows: [wide] });
    bench.broken.add("item 2");
    const failed = await flujo.run(wide, 0);
    expect(failed).toMatchObject({ status: "failed", failure: { message: "item 2 is broken" } });
    bench.broken.clear();
    const handle = await flujo.retry(failed.runId);
    expect(await handle.output()).toBe(7);
    expect(bench.calls).toEqual(["before", "inner", "l1", "l2", "item 1", "item 2", "item 2", "item 3"]);
    expect((await flujo.list({ parent: failed.runId })).items).toHaveLength(1);
    const places = await completedSteps(flujo, failed.runId);
    expect(new Set(places).size).toBe(places.length);
    expect(await outline(flujo, failed.runId)).toContain("run.retried");
  });

  it("goes on with siblings that were cancelled, from where they were", async () => {
    await using scene = new Scene(store);
    const bench = new Bench();
    const begun = gate();
    let patient = true;
    const race = flow("race", { version: "1" })
      .input(z.number())
      .parallel("both", {
        slow: (b) =>
          b.step("first", bench.step("first")).step("second", async (n, { signal }) => {
            bench.calls.push("second");
            begun.open();
            if (patient)
              await new Promise((_resolve, reject) =>
                signal.addEventListener("abort", () => reject(signal.reason as Error)),
              );
            return n + 1;
          }),
        bad: (b) => b.step("wait", () => begun.opened).step("bad", () => bench.step("bad")(0)),
        waits: (b) => b.waitForSignal("go", "go"),
      })
      .build();
    const flujo = scene.open({ flows: [race] });
    bench.broken.add("bad");
    const failed = await flujo.run(race, 0);
    expect(failed).toMatchObject({ status: "failed" });
    bench.broken.clear();
    patient = false;
    await flujo.retry(failed.runId);
    await flujo.signal(failed.runId, "go", "gone");
    expect(await flujo.handle(failed.runId).output()).toEqual({ slow: 2, bad: 1, waits: "gone" });
    expect(bench.calls).toEqual(["first", "second", "bad", "second", "bad"]);
  });

  it("can be repeated, and begins its attempts anew each time", async () => {
    await using scene = new Scene(store);
    const attempts: number[] = [];
    let broken = true;
    const fragile = flow("fragile", { version: "1" })
      .step("ok", () => 1)
      .step(
        "work",
        (n, { attempt }) => {
          attempts.push(attempt);
          if (broken) throw new Error("no");
          return n;
        },
        { retry: { attempts: 2, backoff: "immediate" } },
      )
      .build();
    const flujo = scene.open({ flows: [fragile] });
    const { runId } = await flujo.run(fragile, 0);
    for (let i = 0; i < 2; i++) expect(await (await flujo.retry(runId)).result()).toMatchObject({ status: "failed" });
    broken = false;
    expect(await (await flujo.retry(runId)).output()).toBe(1);
    expect(attempts).toEqual([1, 2, 1, 2, 1, 2, 1]);
    expect(await codeOf(flujo.retry(runId))).toBe("RUN_NOT_FAILED");
  });

  it("after it was cancelled goes on where it was", async () => {
    await using scene = new Scene(store);
    const bench = new Bench();
    const waits = flow("waits", { version: "1" })
      .input(z.number())
      .step("before", bench.step("before"))
      .waitForSignal("go", "go", { schema: z.number() })
      .step("after", bench.step("after"))
      .build();
    const flujo = scene.open({ flows: [waits] });
    const { runId } = await flujo.run(waits, 0);
    await flujo.cancel(runId, "too early");
    await flujo.result(runId, { until: "end" });
    await flujo.retry(runId);
    expect(await flujo.result(runId)).toMatchObject({ status: "waiting", signals: ["go"] });
    await flujo.signal(runId, "go", 5);
    expect(await flujo.handle(runId).output()).toBe(6);
    expect(bench.calls).toEqual(["before", "after"]);
  });

  it("asks again what was asked, and takes the answer", async () => {
    await using scene = new Scene(store);
    const asks = flow("asks", { version: "1" })
      .parallel("both", {
        asks: (b) => b.human("ask", { message: "?" }),
        fails: (b) =>
          b.waitForSignal("wait", "fail").step("fail", (data) => {
            if (data === "bad") throw new Error("bad");
            return data;
          }),
      })
      .build();
    const flujo = scene.open({ flows: [asks] });
    const { runId } = await flujo.run(asks, 0);
    await flujo.signal(runId, "fail", "bad");
    expect(await flujo.result(runId, { until: "end" })).toMatchObject({ status: "failed" });
    await flujo.retry(runId);
    const again = await flujo.result(runId, { until: "end", signal: AbortSignal.timeout(500) }).catch(() => undefined);
    expect(again).toMatchObject({ status: "failed" }); // the signal that made it fail is still its answer
    expect(await eventsOf(flujo, runId, "wait.opened")).toHaveLength(2);
  });

  it("still has the signals that were accepted before it ended and not taken yet", async () => {
    await using scene = new Scene(store);
    const waits = flow("waits", { version: "1" }).waitForSignal("first", "first").waitForSignal("go", "go").build();
    const flujo = scene.open({ flows: [waits] });
    const { runId } = await flujo.run(waits, 0);
    expect(await flujo.signal(runId, "go", "early", { id: "a" })).toBe("delivered");
    await flujo.cancel(runId);
    await flujo.result(runId, { until: "end" });
    await flujo.retry(runId);
    expect((await flujo.get(runId)).unconsumed).toMatchObject([{ name: "go", id: "a" }]);
    await flujo.signal(runId, "first");
    expect(await flujo.handle(runId).output()).toBe("early");
  });

  it("does not repeat the step before a decision that failed", async () => {
    await using scene = new Scene(store);
    const bench = new Bench();
    let broken = true;
    const decide = <T>(answer: T): T => {
      if (broken) throw new Error("undecided");
      return answer;
    };
    const start = (name: string) => flow(name, { version: "1" }).input(z.number()).step("a", bench.step(name));
    const flows = [
      start("if").if(
        "if",
        () => decide(true),
        (b) => b.step("b", (n) => n),
      ),
      start("map").map(
        "map",
        () => decide([5]),
        (b) => b.step("b", (n) => n),
      ),
      start("while").while(
        "while",
        (n) => decide(n < 2),
        (b) => b.step("b", (n) => n + 1),
        { max: 3 },
      ),
      start("sleep").sleep("sleep", () => decide(0)),
      start("wait").waitForSignal("wait", "w", { deadline: () => decide(0), onTimeout: () => "late" }),
    ].map((one) => one.build());
    const flujo = scene.open({ flows });
    for (const one of flows) {
      broken = true;
      const failed = await flujo.run(one, 0);
      expect(failed).toMatchObject({ status: "failed", failure: { message: "undecided" } });
      broken = false;
      const again = await flujo.retry(failed.runId);
      expect([one.name, (await again.result({ until: "end" })).status]).toEqual([one.name, "completed"]);
      const places = await completedSteps(flujo, failed.runId);
      expect([one.name, new Set(places).size]).toEqual([one.name, places.length]);
    }
    expect(bench.calls).toEqual(flows.map(({ name }) => name));
  });

  it("gives a wait whose deadline has passed its time again", async () => {
    const clock = new VirtualClock();
    await using scene = new Scene(store, clock);
    const asks = flow("asks", { version: "1" })
      .input(z.number())
      .step("a", (n) => n)
      .human("ask", { message: "?", deadline: "1 hour" })
      .build();
    const flujo = scene.open({ flows: [asks] });
    const { runId } = await clock.until(flujo.run(asks, 0));
    await clock.pass(3_600_000);
    await clock.until(flujo.result(runId, { until: "end" }), 5_000);
    await flujo.retry(runId);
    const again = await clock.until(flujo.result(runId), 5_000);
    expect(again).toMatchObject({ status: "paused", pauses: [{ path: "root/ask" }] });
    expect(await clock.until(flujo.resume(runId, "yes"))).toMatchObject({ status: "completed", output: "yes" });
  });

  it("is refused while it goes on, has completed, or is unknown", async () => {
    await using scene = new Scene(store);
    const waits = flow("waits", { version: "1" }).waitForSignal("go", "go").build();
    const flujo = scene.open({ flows: [waits] });
    const { runId } = await flujo.run(waits, 0);
    expect(await codeOf(flujo.retry(runId))).toBe("RUN_NOT_FAILED");
    await flujo.signal(runId, "go");
    await flujo.handle(runId).output();
    expect(await codeOf(flujo.retry(runId))).toBe("RUN_NOT_FAILED");
    expect(await codeOf(flujo.retry("nobody"))).toBe("RUN_UNKNOWN");
  });

  it("happens once when it is asked for by several at once", async () => {
    await using scene = new Scene(store);
    const bench = new Bench();
    const fragile = flow("fragile", { version: "1" }).input(z.number()).step("work", bench.step("work")).build();
    const flujo = scene.open({ flows: [fragile] });
    bench.broken.add("work");
    const { runId } = await flujo.run(fragile, 0);
    bench.broken.clear();
    const codes = await Promise.all([1, 2, 3].map(() => codeOf(flujo.retry(runId))));
    expect(codes.sort()).toEqual(["RUN_NOT_FAILED", "RUN_NOT_FAILED", "nothing"]);
    expect(await flujo.handle(runId).output()).toBe(1);
    expect(bench.calls).toEqual(["work", "work"]);
  });
});

describe.each(STORES)("a fork of a run on %s", (store) => {
  const steps = (bench: Bench) =>
    flow("steps", { version: "1" })
      .input(z.number())
      .step("a", bench.step("a"))
      .step("b", bench.step("b"))
      .step("c", bench.step("c"))
      .build();

  it("begins after any event with what was known then, and leaves the old run alone", async () => {
    await using scene = new Scene(store);
    const bench = new Bench();
    const flujo = scene.open({ flows: [steps(bench)] });
    const { runId } = await flujo.run("steps", 0);
    const before = await flujo.history(runId);
    bench.calls.length = 0;
    const from = await seqOf(flujo, runId, "step.completed root/a#");
    const fork = await flujo.fork(runId, { at: from });
    expect(await fork.output()).toBe(3);
    expect(bench.calls).toEqual(["b", "c"]);
    expect(fork.runId).not.toBe(runId);
    expect(await flujo.history(runId)).toEqual(before);
    expect((await outline(flujo, fork.runId)).slice(0, 3)).toEqual([
      "run.started",
      "step.completed root/a",
      "run.forked",
    ]);
  });

  it("takes another value at its beginning", async () => {
    await using scene = new Scene(store);
    const bench = new Bench();
    const flujo = scene.open({ flows: [steps(bench)] });
    const { runId } = await flujo.run("steps", 0);
    const at = await seqOf(flujo, runId, "step.completed root/b#");
    const fork = await flujo.fork(runId, { at, input: 100, id: "what-if" });
    expect(await fork.output()).toBe(101);
    expect(fork.runId).toBe("what-if");
    const fromStart = await flujo.fork(runId, { input: 50 });
    expect(await fromStart.output()).toBe(53);
    expect(await codeOf(flujo.fork(runId, { id: "what-if" }))).toBe("RUN_EXISTS");
  });

  it("from each event of a run with every construct ends as that run did", async () => {
    await using scene = new Scene(store);
    const child = flow("child", { version: "1" })
      .input(z.number())
      .step("double", (n) => n * 2)
      .build();
    const every = flow("every", { version: "1" })
      .input(z.number())
      .context(z.object({ seen: z.array(z.number()).default([]) }))
      .step("a", (n, ctx) => {
        ctx.context.seen.push(n);
        return n + 1;
      })
      .parallel(
        "p",
        {
          left: (b) => b.step("l", (n, ctx) => ctx.context.seen.push(n) + n).call("child", child),
          right: (b) =>
            b.map(
              "m",
              (n) => [n, n + 1, n + 2],
              (c) =>
                c.if(
                  "even",
                  (n) => n % 2 === 0,
                  (d) => d.step("half", (n) => n / 2),
                ),
              { concurrency: 2 },
            ),
        },
        { merge: { reducers: { seen: "append" } } },
      )
      .attempt(
        "t",
        (b) =>
          b.step("fail", () => {
            throw new Error("caught");
          }),
        { catch: (b) => b.step("caught", ({ input }) => input.left + input.right.length) },
      )
      .loop("l", (b) => b.step("more", (n) => n + 1), { until: (n) => n % 5 === 0, max: 9 })
      .callMany("many", child, { inputs: (n) => [n, n + 1] })
      .waitForSignal("w", "go", { schema: z.number() })
      .step("end", (n, ctx) => [n, ctx.context.seen])
      .build();
    const flujo = scene.open({ flows: [every] });
    const { runId } = await flujo.run(every, 1);
    await flujo.signal(runId, "go", 9);
    const output = await flujo.handle(runId).output();
    const history = await flujo.history(runId);
    const last = history.at(-1)?.seq ?? 0;
    const seqs = [...new Set(history.map(({ seq }) => seq))].filter((seq) => seq < last);
    expect(seqs.length).toBeGreaterThan(15);
    for (const at of seqs) {
      const fork = await flujo.fork(runId, { at });
      const answered = history.some((event) => event.type === "wait.answered" && event.seq <= at);
      if (!answered) await flujo.signal(fork.runId, "go", 9);
      const result = await flujo.result(fork.runId, { until: "end" });
      expect([at, result]).toMatchObject([at, { status: "completed", output }]);
    }
    expect(await codeOf(flujo.fork(runId, { at: last }))).toBe("EVENT_UNKNOWN");
  });

  it("in the middle of a parallel, a map and a wait does not repeat finished siblings", async () => {
    await using scene = new Scene(store);
    const bench = new Bench();
    const wide = flow("wide", { version: "1" })
      .input(z.number())
      .parallel("both", {
        done: (b) => b.step("done", bench.step("done")),
        items: (b) =>
          b.map(
            "each",
            () => [0, 1],
            (c) => c.step("item", (n) => bench.step(`item ${n}`)(n)).human("ask", { question: (n) => n }),
          ),
      })
      .build();
    const flujo = scene.open({ flows: [wide] });
    const { runId } = await flujo.run(wide, 0);
    const calls = bench.calls.length;
    const at = Math.max(...(await flujo.history(runId)).map(({ seq }) => seq));
    const fork = await flujo.fork(runId, { at });
    const paused = await fork.result();
    const pauses = paused.status === "paused" ? paused.pauses : [];
    expect(pauses.map(({ runId: asking, question }) => [asking, question])).toEqual([
      [fork.runId, 1],
      [fork.runId, 2],
    ]);
    for (const { token, question } of pauses) await flujo.answer(fork.runId, `fork ${String(question)}`, { token });
    expect(await fork.output()).toEqual({ done: 1, items: ["fork 1", "fork 2"] });
    expect(bench.calls).toHaveLength(calls);
    expect(await flujo.result(runId)).toMatchObject({ status: "paused" }); // the old one still asks its own questions
  });

  it("is refused for what is not in the history, or cannot be stored", async () => {
    await using scene = new Scene(store);
    const flujo = scene.open({ flows: [steps(new Bench())] });
    const { runId } = await flujo.run("steps", 0);
    expect(await codeOf(flujo.fork(runId, { at: 99_999 }))).toBe("EVENT_UNKNOWN");
    expect(await codeOf(flujo.fork(runId, { at: -1 }))).toBe("EVENT_UNKNOWN");
    expect(await codeOf(flujo.fork("nobody"))).toBe("RUN_UNKNOWN");
    expect(await codeOf(flujo.fork(runId, { id: "no id" }))).toBe("ID_INVALID");
    expect(await codeOf(flujo.fork(runId, { input: () => 1 }))).toBe("INPUT_INVALID");
    const at = await seqOf(flujo, runId, "step.completed root/a#");
    expect(await codeOf(flujo.fork(runId, { at, input: () => 1 }))).toBe("VALUE_NOT_SERIALIZABLE");
    expect((await flujo.list()).items).toHaveLength(1);
  });

  it("of a run whose large values are gone to blobs carries them", async () => {
    await using scene = new Scene(store);
    const big = "z".repeat(200_000);
    const heavy = flow("heavy", { version: "1" })
      .input(z.string())
      .step("a", (text) => `${text}a`)
      .step("b", (text) => text.length)
      .build();
    const flujo = scene.open({ flows: [heavy] });
    const { runId } = await flujo.run(heavy, big);
    const fork = await flujo.fork(runId, { at: await seqOf(flujo, runId, "step.completed root/a#") });
    expect(await fork.output()).toBe(200_001);
    await eventually("the end", async () => (await fork.get()).status === "completed");
    expect(await flujo.prune({ endedBefore: Date.now() + 60_000 })).toBe(2);
  });
});
