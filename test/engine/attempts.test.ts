import { flow } from "flujo";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { VirtualClock } from "./clock.ts";
import { codeOf, completedSteps, eventsOf, outline } from "./reading.ts";
import { Scene, STORES } from "./scene.ts";

const boom = (message: string) => (): never => {
  throw new Error(message);
};

describe.each(STORES)("an attempt on %s", (store) => {
  it("gives what its body gives when that succeeds", async () => {
    await using scene = new Scene(store);
    const fine = flow("fine", { version: "1" })
      .input(z.number())
      .attempt("try", (b) => b.step("work", (n) => n + 1), { fallback: (b) => b.step("other", () => -1) })
      .build();
    expect(await scene.open().run(fine, 1)).toMatchObject({ output: 2 });
  });

  it("continues with a fallback on the value that its body was given", async () => {
    await using scene = new Scene(store);
    const saved = flow("saved", { version: "1" })
      .input(z.number())
      .attempt("try", (b) => b.step("change", (n) => n * 100).step("work", boom("broken")), {
        fallback: (b) => b.step("other", (n) => `other ${n}`),
      })
      .build();
    const flujo = scene.open();
    const result = await flujo.run(saved, 7);
    expect(result).toMatchObject({ status: "completed", output: "other 7" });
    expect(await outline(flujo, result.runId)).toEqual([
      "run.started",
      "step.completed root/try/body/change",
      "step.failed root/try/body/work",
      "step.completed root/try/fallback/other",
      "fiber.ended",
    ]);
  });

  it("hands the failure and the value to a catch, without the stack", async () => {
    await using scene = new Scene(store);
    const caught = flow("caught", { version: "1" })
      .input(z.number())
      .attempt("try", (b) => b.step("work", boom("broken")), { catch: (b) => b.step("see", (caught) => caught) })
      .build();
    const result = await scene.open().run(caught, 7);
    expect(result).toMatchObject({
      output: {
        input: 7,
        error: { code: "STEP_FAILED", name: "Error", message: "broken", at: "root/try/body/work", attempt: 1 },
      },
    });
    expect(JSON.stringify(result.status === "completed" && result.output)).not.toContain("stack");
  });

  it("catches failures of every construct in it", async () => {
    await using scene = new Scene(store);
    const flujo = scene.open();
    const start = (name: string) => flow(name, { version: "1" }).input(z.number());
    const code = (c: { readonly error: { readonly code: string } }): string => c.error.code;
    const flows = [
      start("if")
        .attempt("t", (b) => b.if("x", boom("x"), (c) => c.step("s", () => 1)), { catch: (b) => b.step("c", code) })
        .build(),
      start("map")
        .attempt(
          "t",
          (b) =>
            b.map(
              "x",
              () => [1],
              (c) => c.step("s", boom("x")),
            ),
          { catch: (b) => b.step("c", code) },
        )
        .build(),
      start("loop")
        .attempt("t", (b) => b.loop("x", (c) => c.step("s", (n) => n), { until: () => false, max: 1 }), {
          catch: (b) => b.step("c", code),
        })
        .build(),
      start("parallel")
        .attempt(
          "t",
          (b) => b.parallel("x", { a: (c) => c.step("s", boom("x")), b: (c) => c.waitForSignal("w", "w") }),
          {
            catch: (b) => b.step("c", code),
          },
        )
        .build(),
      start("attempt")
        .attempt(
          "t",
          (b) => b.attempt("x", (c) => c.step("s", boom("x")), { fallback: (c) => c.step("f", boom("y")) }),
          {
            catch: (b) => b.step("c", ({ error }) => error.message),
          },
        )
        .build(),
    ];
    const outputs = [];
    for (const one of flows) {
      const result = await flujo.run(one, 1);
      outputs.push([one.name, result.status === "completed" ? result.output : result.status]);
    }
    expect(outputs).toEqual([
      ["if", "PREDICATE_FAILED"],
      ["map", "STEP_FAILED"],
      ["loop", "LOOP_LIMIT"],
      ["parallel", "STEP_FAILED"],
      ["attempt", "y"],
    ]);
  });

  it("fails with the failure of its handler", async () => {
    await using scene = new Scene(store);
    const worse = flow("worse", { version: "1" })
      .attempt("try", (b) => b.step("work", boom("bad")), { catch: (b) => b.step("handle", boom("worse")) })
      .build();
    expect(await scene.open().run(worse, 0)).toMatchObject({
      status: "failed",
      failure: { message: "worse", at: "root/try/catch/handle" },
    });
  });

  it("does not stop a run from being cancelled", async () => {
    await using scene = new Scene(store);
    const handled: string[] = [];
    const waits = flow("waits", { version: "1" })
      .attempt("try", (b) => b.waitForSignal("go", "go"), {
        fallback: (b) => b.step("other", () => handled.push("other")),
      })
      .build();
    const flujo = scene.open({ flows: [waits] });
    const { runId } = await flujo.run(waits, 0);
    await flujo.cancel(runId);
    expect(await flujo.result(runId, { until: "end" })).toMatchObject({ status: "cancelled" });
    expect(handled).toEqual([]);
  });

  it("begins its body anew in each iteration of a loop", async () => {
    await using scene = new Scene(store);
    const each = flow("each", { version: "1" })
      .input(z.array(z.string()))
      .times("again", 3, (b) =>
        b.attempt(
          "try",
          (c) =>
            c.step("odd", (list, { visit }) => {
              if (visit === "2") throw new Error("even");
              return [...list, visit];
            }),
          { fallback: (c) => c.step("even", (list, { visit }) => [...list, `fallback ${visit}`]) },
        ),
      )
      .build();
    expect(await scene.open().run(each, [])).toMatchObject({ output: ["1", "fallback 2", "3"] });
  });
});

/** Books three things, then fails; what was undone is told in `undone`. */
function trip(undone: string[], { broken = "" }: { readonly broken?: string } = {}) {
  const undo =
    (name: string) =>
    (output: string): void => {
      if (name === broken) throw new Error(`cannot undo ${name}`);
      undone.push(`${name}: ${output}`);
    };
  return flow("trip", { version: "1" })
    .input(z.string())
    .step("hotel", (who) => `${who}/hotel`, { compensate: undo("hotel") })
    .step("nothing", (ticket) => ticket)
    .step("train", (ticket) => `${ticket}/train`, { compensate: undo("train") })
    .times("extras", 2, (b) =>
      b.step("extra", (ticket, { visit }) => `${ticket}/x${visit}`, { compensate: undo("extra") }),
    )
    .waitForSignal("wait", "pay")
    .step("pay", boom("no money"), { compensate: undo("pay") })
    .build();
}

describe.each(STORES)("compensation on %s", (store) => {
  const order = [
    "extra: Ada/hotel/train/x1/x2",
    "extra: Ada/hotel/train/x1",
    "train: Ada/hotel/train",
    "hotel: Ada/hotel",
  ];

  it("undoes finished steps in reverse order when the run fails, each with its own output", async () => {
    await using scene = new Scene(store);
    const undone: string[] = [];
    const flujo = scene.open({ flows: [trip(undone)] });
    const { runId } = await flujo.run("trip", "Ada");
    await flujo.signal(runId, "pay");
    expect(await flujo.result(runId, { until: "end" })).toMatchObject({
      status: "failed",
      failure: { message: "no money", at: "root/pay" },
    });
    expect(undone).toEqual(order);
    expect(await eventsOf(flujo, runId, "undo.completed")).toHaveLength(4);
    expect(await codeOf(flujo.retry(runId))).toBe("RUN_COMPENSATED");
  });

  it("undoes finished steps when the run is cancelled, in another process than did them", async () => {
    await using scene = new Scene(store);
    const undone: string[] = [];
    const first = scene.open({ flows: [trip([])] });
    const { runId } = await first.run("trip", "Ada");
    await first.close();
    const second = scene.open({ flows: [trip(undone)] });
    await second.cancel(runId, "changed my mind");
    expect(await second.result(runId, { until: "end" })).toMatchObject({
      status: "cancelled",
      reason: "changed my mind",
    });
    expect(undone).toEqual(order);
  });

  it("goes on with the others when one compensation fails, and says so", async () => {
    await using scene = new Scene(store);
    const undone: string[] = [];
    const flujo = scene.open({ flows: [trip(undone, { broken: "train" })] });
    const { runId } = await flujo.run("trip", "Ada");
    await flujo.signal(runId, "pay");
    expect(await flujo.result(runId, { until: "end" })).toMatchObject({
      status: "failed",
      failure: {
        code: "COMPENSATION_FAILED",
        message: "cannot undo train",
        at: "root/train",
        cause: { message: "no money", at: "root/pay" },
      },
    });
    expect(undone).toEqual(order.filter((line) => !line.startsWith("train")));
  });

  it("undoes inside an attempt only what the attempt did, then goes on", async () => {
    await using scene = new Scene(store);
    const undone: string[] = [];
    const undo =
      (name: string) =>
      (output: unknown): void =>
        void undone.push(`${name} ${String(output)}`);
    const inner = flow("inner", { version: "1" })
      .input(z.number())
      .step("outside", (n) => n + 1, { compensate: undo("outside") })
      .attempt(
        "try",
        (b) =>
          b
            .step("a", (n) => n + 10, { compensate: undo("a") })
            .parallel("p", {
              left: (c) => c.step("l", (n) => n + 100, { compensate: undo("left") }),
              right: (c) => c.step("r", (n) => n + 200, { compensate: undo("right") }),
            })
            .step("fail", boom("inner")),
        { compensate: true, fallback: (b) => b.step("instead", (n) => n * 2) },
      )
      .build();
    const flujo = scene.open();
    expect(await flujo.run(inner, 0)).toMatchObject({ status: "completed", output: 2 });
    expect(undone).toEqual(["right 211", "left 111", "a 11"]);
  });

  it("undoes what branches had done when a sibling fails", async () => {
    await using scene = new Scene(store);
    const undone: string[] = [];
    const fork = flow("fork", { version: "1" })
      .map(
        "each",
        () => [1, 2, 3],
        (b) =>
          b
            .step("book", (n) => n, { compensate: (n) => void undone.push(`book ${n}`) })
            .step("check", (n) => {
              if (n === 3) throw new Error("3 is too many");
              return n;
            }),
        { concurrency: 1 },
      )
      .build();
    expect(await scene.open().run(fork, 0)).toMatchObject({ status: "failed", failure: { message: "3 is too many" } });
    expect(undone).toEqual(["book 3", "book 2", "book 1"]);
  });

  it("does not undo what the handler of an attempt without compensate leaves standing", async () => {
    await using scene = new Scene(store);
    const undone: string[] = [];
    const kept = flow("kept", { version: "1" })
      .attempt(
        "try",
        (b) => b.step("a", () => 1, { compensate: () => void undone.push("a") }).step("fail", boom("x")),
        { fallback: (b) => b.step("instead", () => 2) },
      )
      .step("later", boom("later"))
      .build();
    const result = await scene.open().run(kept, 0);
    expect(result).toMatchObject({ status: "failed", failure: { message: "later" } });
    expect(undone).toEqual(["a"]); // at the end of the run it still is undone: it was done
  });

  it("is retried by its own policy, with a durable counter", async () => {
    const clock = new VirtualClock();
    await using scene = new Scene(store, clock);
    const tries: number[] = [];
    const stubborn = flow("stubborn", { version: "1" })
      .step("book", () => "ticket", {
        compensate: {
          run: (_, { attempt }) => {
            tries.push(attempt);
            if (attempt < 3) throw new Error("try again");
          },
          retry: { attempts: 3, backoff: "constant", delay: 1_000, jitter: "none" },
        },
      })
      .step("fail", boom("no"))
      .build();
    const first = scene.open({ flows: [stubborn] });
    const { runId } = await first.start(stubborn, 0);
    await clock.pass(0);
    await clock.pass(1_000);
    await clock.until(first.close());
    expect(tries).toEqual([1, 2]);
    await clock.pass(1_000);
    const second = scene.open({ flows: [stubborn] });
    expect(await clock.until(second.result(runId, { until: "end" }))).toMatchObject({ failure: { message: "no" } });
    expect(tries).toEqual([1, 2, 3]);
  });

  it("does not happen when the run completes", async () => {
    await using scene = new Scene(store);
    const undone: string[] = [];
    const fine = flow("fine", { version: "1" })
      .step("a", () => 1, { compensate: () => void undone.push("a") })
      .step("b", () => 2)
      .build();
    const flujo = scene.open();
    const result = await flujo.run(fine, 0);
    expect(result).toMatchObject({ status: "completed" });
    expect([undone, await completedSteps(flujo, result.runId)]).toEqual([[], ["root/a", "root/b"]]);
  });
});
