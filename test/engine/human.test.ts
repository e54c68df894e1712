import { flow } from "flujo";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { VirtualClock } from "./clock.ts";
import { codeOf, eventsOf, eventually } from "./reading.ts";
import { Scene, STORES } from "./scene.ts";

const review = flow("review", { version: "1" })
  .input(z.string())
  .human("approve", {
    question: (text) => ({ title: "Publish?", text }),
    answer: z.object({ ok: z.boolean() }),
  })
  .step("end", ({ ok }) => (ok ? "published" : "rejected"))
  .build();

const four = flow("four", { version: "1" })
  .parallel("eyes", {
    first: (b) => b.human("ask", { message: "first?" }),
    second: (b) => b.human("ask", { message: "second?" }),
  })
  .build();

describe.each(STORES)("a question on %s", (store) => {
  it("pauses the run, shows itself, and gives the answer", async () => {
    await using scene = new Scene(store);
    const flujo = scene.open({ flows: [review] });
    const result = await flujo.run(review, "A text");
    expect(result).toMatchObject({
      status: "paused",
      pauses: [
        { runId: result.runId, path: "root/approve", visit: "", question: { title: "Publish?", text: "A text" } },
      ],
    });
    expect(await flujo.get(result.runId)).toMatchObject({ status: "paused", fibers: [{ wait: "human" }] });
    expect(await flujo.resume(result.runId, { ok: true })).toMatchObject({ status: "completed", output: "published" });
  });

  it.each<readonly [string, unknown]>([
    ["of the wrong shape", { ok: "sure" }],
    ["missing", undefined],
    ["null", null],
    ["not storable", { ok: true, call: (): number => 1 }],
  ])("stays open after an answer that is %s", async (_, answer) => {
    await using scene = new Scene(store);
    const strict = flow("strict", { version: "1" })
      .human("approve", { message: "?", answer: z.strictObject({ ok: z.boolean() }) })
      .build();
    const flujo = scene.open({ flows: [strict] });
    const { runId } = await flujo.run(strict, 0);
    expect(await codeOf(flujo.resume(runId, answer))).toBe("ANSWER_INVALID");
    expect(await flujo.result(runId)).toMatchObject({ status: "paused", pauses: [{ path: "root/approve" }] });
    expect(await flujo.resume(runId, { ok: false })).toMatchObject({ status: "completed", output: { ok: false } });
  });

  it("stays open after a wrong answer by somebody who does not know the flow, and takes the next one", async () => {
    await using scene = new Scene(store);
    const flujo = scene.open({ flows: [review] });
    const { runId } = await flujo.run(review, "x");
    const ignorant = scene.open({ worker: { queues: ["elsewhere"] } });
    await ignorant.answer(runId, { ok: "sure" });
    await eventually(
      "the answer to be rejected",
      async () => (await eventsOf(flujo, runId, "wait.rejected")).length === 1,
    );
    expect(await flujo.result(runId)).toMatchObject({ status: "paused", pauses: [{ path: "root/approve" }] });
    await ignorant.answer(runId, { ok: false });
    expect(await flujo.handle(runId).output()).toBe("rejected");
  });

  it("is answered once: the second answer is refused, also when both come at once", async () => {
    await using scene = new Scene(store);
    const slow = flow("slow", { version: "1" }).human("a", { message: "a?" }).human("b", { message: "b?" }).build();
    const flujo = scene.open({ flows: [slow] });
    const paused = await flujo.run(slow, 0);
    const token = paused.status === "paused" ? (paused.pauses[0]?.token ?? "") : "";
    const answers = await Promise.all([1, 2, 3].map((answer) => codeOf(flujo.answer(paused.runId, answer, { token }))));
    expect(answers.sort()).toEqual(["PAUSE_UNKNOWN", "PAUSE_UNKNOWN", "nothing"]);
    expect(await codeOf(flujo.answer(paused.runId, 4, { token }))).toBe("PAUSE_UNKNOWN");
    expect(await flujo.result(paused.runId)).toMatchObject({ status: "paused", pauses: [{ path: "root/b" }] });
    expect(await flujo.resume(paused.runId, "end")).toMatchObject({ status: "completed", output: "end" });
    expect(await codeOf(flujo.resume(paused.runId, "again"))).toBe("RUN_ENDED");
  });

  it("must be named by its token where several are open", async () => {
    await using scene = new Scene(store);
    const flujo = scene.open({ flows: [four] });
    const { runId } = await flujo.run(four, 0);
    const ambiguous = flujo.resume(runId, "yes");
    expect(await codeOf(ambiguous)).toBe("PAUSE_AMBIGUOUS");
    await expect(ambiguous).rejects.toThrow(/has 2 open pauses: .*root\/eyes\/first\/ask.*root\/eyes\/second\/ask/);
    const { pauses } = await flujo.get(runId);
    const second = pauses.find(({ question }) => question === "second?");
    expect(await flujo.resume(runId, "B", { token: second?.token ?? "" })).toMatchObject({ status: "paused" });
    expect(await flujo.resume(runId, "A")).toMatchObject({ output: { first: "A", second: "B" } });
  });

  it.each<readonly [string, string, string]>([
    ["no token", "nonsense", "PAUSE_UNKNOWN"],
    ["of another run", "other:0:0", "PAUSE_UNKNOWN"],
    ["of no form", "a b", "ID_INVALID"],
  ])("is not found by a token that is %s", async (_, token, code) => {
    await using scene = new Scene(store);
    const flujo = scene.open({ flows: [review] });
    const { runId } = await flujo.run(review, "x");
    expect(await codeOf(flujo.answer(runId, { ok: true }, { token }))).toBe(code);
    expect((await flujo.get(runId)).status).toBe("paused");
  });

  it("is not answered through another run's id", async () => {
    await using scene = new Scene(store);
    const flujo = scene.open({ flows: [review] });
    const [one, other] = [await flujo.run(review, "one"), await flujo.run(review, "other")];
    const token = other.status === "paused" ? (other.pauses[0]?.token ?? "") : "";
    expect(await codeOf(flujo.answer(one.runId, { ok: true }, { token }))).toBe("PAUSE_UNKNOWN");
    expect((await flujo.get(other.runId)).status).toBe("paused");
  });

  it("of a child run is answered through its parent", async () => {
    await using scene = new Scene(store);
    const parent = flow("parent", { version: "1" })
      .call("review", review, { input: () => "from the parent" })
      .step("end", (text) => text.toUpperCase())
      .build();
    const flujo = scene.open({ flows: [parent] });
    const paused = await flujo.run(parent, 0);
    expect(paused).toMatchObject({ status: "paused", pauses: [{ question: { text: "from the parent" } }] });
    expect(await flujo.resume(paused.runId, { ok: true })).toMatchObject({ status: "completed", output: "PUBLISHED" });
  });

  it("pauses the run only when nothing else moves", async () => {
    await using scene = new Scene(store);
    const busy = flow("busy", { version: "1" })
      .parallel("both", {
        asks: (b) => b.human("ask", { message: "?" }),
        waits: (b) => b.waitForSignal("go", "go"),
      })
      .build();
    const flujo = scene.open({ flows: [busy] });
    const result = await flujo.run(busy, 0);
    expect(result.status).toBe("paused");
    expect(await flujo.resume(result.runId, 1)).toMatchObject({ status: "waiting", signals: ["go"] });
    await flujo.signal(result.runId, "go", 2);
    expect(await flujo.handle(result.runId).output()).toEqual({ asks: 1, waits: 2 });
  });

  it.each<readonly [string, () => unknown]>([
    [
      "throws",
      () => {
        throw new Error("no words");
      },
    ],
    ["is not storable", () => () => 1],
    ["is a promise", () => Promise.resolve("?")],
  ])("fails its run, and is not stuck, when it %s", async (_, question) => {
    await using scene = new Scene(store);
    const bad = flow("bad", { version: "1" }).human("ask", { question }).build();
    expect(await scene.open().run(bad, 0, { signal: AbortSignal.timeout(3_000) })).toMatchObject({
      status: "failed",
      failure: { at: "root/ask" },
    });
  });

  it("survives a schema that throws", async () => {
    await using scene = new Scene(store);
    const touchy = flow("touchy", { version: "1" })
      .human("ask", {
        message: "?",
        answer: z.string().refine((text) => {
          if (text === "boom") throw new Error("the check itself broke");
          return true;
        }),
      })
      .build();
    const flujo = scene.open({ flows: [touchy] });
    const { runId } = await flujo.run(touchy, 0);
    await expect(flujo.resume(runId, "boom")).rejects.toThrow("the check itself broke");
    expect((await flujo.get(runId)).status).toBe("paused");
    const ignorant = scene.open({ worker: { queues: ["elsewhere"] } });
    await ignorant.answer(runId, "boom");
    await eventually(
      "the answer to be rejected",
      async () => (await eventsOf(flujo, runId, "wait.rejected")).length === 1,
    );
    expect(await flujo.resume(runId, "fine")).toMatchObject({ output: "fine" });
  });
});

describe.each(STORES)("an unanswered question on %s", (store) => {
  it("is never a yes: without onTimeout its run fails", async () => {
    const clock = new VirtualClock();
    await using scene = new Scene(store, clock);
    const timed = flow("timed", { version: "1" }).human("ask", { message: "?", deadline: "2 days" }).build();
    const flujo = scene.open();
    const paused = await clock.until(flujo.run(timed, 0));
    const deadlineAt = paused.status === "paused" ? Number(paused.pauses[0]?.deadlineAt) : 0;
    expect(deadlineAt - clock.now()).toBeGreaterThan(1.9 * 86_400_000);
    await clock.pass(2 * 86_400_000);
    expect(await clock.until(flujo.result(paused.runId, { until: "end" }))).toMatchObject({
      status: "failed",
      failure: { code: "DEADLINE_EXCEEDED", at: "root/ask" },
    });
    expect(await codeOf(clock.until(flujo.resume(paused.runId, "late")))).toBe("RUN_ENDED");
  });

  it("gives what onTimeout says, from the value and the context", async () => {
    const clock = new VirtualClock();
    await using scene = new Scene(store, clock);
    const timed = flow("timed", { version: "1" })
      .input(z.object({ urgent: z.boolean() }))
      .human("ask", {
        message: ({ urgent }) => (urgent ? "now?" : "some time?"),
        deadline: ({ urgent }) => (urgent ? 1_000 : "1 week"),
        onTimeout: ({ urgent }) => ({ ok: false, urgent }),
      })
      .build();
    const flujo = scene.open();
    const handle = await flujo.start(timed, { urgent: true });
    await clock.until(handle.result());
    expect((await handle.get()).pauses).toMatchObject([{ question: "now?" }]);
    await clock.pass(1_000);
    expect(await clock.until(handle.output())).toEqual({ ok: false, urgent: true });
    expect(await eventsOf(flujo, handle.runId, "wait.timed_out")).toHaveLength(1);
  });
});
