import { flow, NonRetryableError } from "flujo";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { VirtualClock } from "../engine/clock.ts";
import { completedSteps, eventsOf, gate, outline } from "../engine/reading.ts";
import { Scene } from "../engine/scene.ts";
import { BACKENDS, describeOn } from "../setup/backends.ts";

/** Acceptance scenarios 1 to 10, as far as one process can show them; the others are in processes.test.ts. */
describeOn(BACKENDS, "a run on %s", (store) => {
  it("scenario 1: adds one, doubles, and leaves a history of both", async () => {
    await using scene = new Scene(store);
    const sum = flow("sum", { version: "1" })
      .input(z.number())
      .step("add", (n) => n + 1)
      .step("double", (n) => n * 2)
      .build();
    const flujo = scene.open({ flows: [sum] });
    const result = await flujo.run(sum, 1);
    expect(result).toMatchObject({ status: "completed", output: 4 });
    expect(await flujo.get(result.runId)).toMatchObject({ status: "completed", input: 1, output: 4, fibers: [] });
    expect(await outline(flujo, result.runId)).toEqual([
      "run.started",
      "step.completed root/add",
      "step.completed root/double",
      "fiber.ended",
    ]);
  });

  /** Three steps, the second of which throws while `broken.now`. */
  const fragile = (broken: { now: boolean }, calls: string[]) =>
    flow("fragile", { version: "1" })
      .input(z.number())
      .step("first", (n) => {
        calls.push("first");
        return n + 1;
      })
      .step("second", (n) => {
        calls.push("second");
        if (broken.now) throw new TypeError("the printer is on fire");
        return n * 2;
      })
      .step("third", (n) => {
        calls.push("third");
        return n + 100;
      })
      .build();

  it("scenario 2: fails with the error of its second step, which is kept, and never calls the third", async () => {
    await using scene = new Scene(store);
    const calls: string[] = [];
    const broken = fragile({ now: true }, calls);
    const flujo = scene.open({ flows: [broken] });
    const result = await flujo.run(broken, 1);
    expect(result).toMatchObject({ status: "failed", failure: { code: "STEP_FAILED", at: "root/second" } });
    expect(calls).toEqual(["first", "second"]);
    await flujo.close();
    const later = scene.open({ worker: false });
    expect(await later.get(result.runId)).toMatchObject({
      status: "failed",
      failure: { name: "TypeError", message: "the printer is on fire", at: "root/second" },
    });
    expect(await completedSteps(later, result.runId)).toEqual(["root/first"]);
  });

  it("scenario 3: goes on from the failed step under its own id when it is retried", async () => {
    await using scene = new Scene(store);
    const calls: string[] = [];
    const broken = { now: true };
    const flows = [fragile(broken, calls)];
    const failed = await scene.open({ flows }).run("fragile", 1);
    broken.now = false;
    const flujo = scene.open({ flows });
    const handle = await flujo.retry(failed.runId);
    expect(handle.runId).toBe(failed.runId);
    expect(await handle.output()).toBe(104);
    expect(calls).toEqual(["first", "second", "second", "third"]);
  });

  const flaky = (failures: number, attempts: number, calls: number[]) =>
    flow("flaky", { version: "1" })
      .step(
        "call",
        (_, { attempt }) => {
          calls.push(attempt);
          if (attempt <= failures) throw new Error(`no answer to call ${attempt}`);
          return attempt;
        },
        { retry: { attempts, delay: 20, factor: 2, jitter: "none" } },
      )
      .build();

  it("scenario 5: completes on the third attempt, 60 ms after the first", async () => {
    const clock = new VirtualClock();
    await using scene = new Scene(store, clock);
    const calls: number[] = [];
    const patient = flaky(2, 3, calls);
    const flujo = scene.open({ flows: [patient] });
    const began = clock.now();
    const result = await clock.until(flujo.run(patient, null));
    expect(result).toMatchObject({ status: "completed", output: 3 });
    expect(clock.now() - began).toBeGreaterThanOrEqual(60);
    expect(calls).toEqual([1, 2, 3]);
    const retries = await eventsOf(flujo, result.runId, "step.failed");
    expect(retries.map(({ at, retryAt }) => (retryAt ?? 0) - at)).toEqual([20, 40]);
  });

  it("scenario 5: fails when its attempts are spent", async () => {
    const clock = new VirtualClock();
    await using scene = new Scene(store, clock);
    const calls: number[] = [];
    const impatient = flaky(2, 2, calls);
    const flujo = scene.open({ flows: [impatient] });
    const result = await clock.until(flujo.run(impatient, null));
    expect(result).toMatchObject({
      status: "failed",
      failure: { message: "no answer to call 2", attempt: 2, at: "root/call" },
    });
    expect(calls).toEqual([1, 2]);
  });

  it("scenario 6: calls a step once that says trying again is pointless", async () => {
    await using scene = new Scene(store);
    let calls = 0;
    const hopeless = flow("hopeless", { version: "1" })
      .step(
        "call",
        () => {
          calls += 1;
          throw new NonRetryableError("card expired");
        },
        { retry: { attempts: 5, backoff: "immediate" } },
      )
      .build();
    const result = await scene.open({ flows: [hopeless] }).run(hopeless, null);
    expect(result).toMatchObject({ status: "failed", failure: { name: "NonRetryableError", message: "card expired" } });
    expect(calls).toBe(1);
  });

  it("scenario 7: runs branches at the same time and gives their outputs in declared order", async () => {
    const clock = new VirtualClock();
    await using scene = new Scene(store, clock);
    const slow = (ms: number) => (): Promise<number> => new Promise((resolve) => clock.after(ms, () => resolve(ms)));
    const race = flow("race", { version: "1" })
      .parallel("all", {
        slowest: (b) => b.step("slowest", slow(300)),
        fastest: (b) => b.step("fastest", slow(100)),
        middle: (b) => b.step("middle", slow(200)),
      })
      .build();
    const flujo = scene.open({ flows: [race] });
    const began = clock.now();
    const result = await clock.until(flujo.run(race, null));
    expect(result.status === "completed" && Object.entries(result.output)).toEqual([
      ["slowest", 300],
      ["fastest", 100],
      ["middle", 200],
    ]);
    expect(clock.now() - began).toBeLessThan(400);
    expect(await completedSteps(flujo, result.runId)).toEqual(
      ["fastest", "middle", "slowest"].map((name) => `root/all/${name}/${name}`),
    );
  });

  it("scenario 9: fails with the error of one branch, aborts the others and does not go on", async () => {
    await using scene = new Scene(store);
    const begun = gate();
    const aborted: string[] = [];
    let joined = 0;
    const waiting =
      (name: string) =>
      (_: unknown, { signal }: { readonly signal: AbortSignal }) =>
        new Promise<never>((_resolve, reject) => {
          signal.addEventListener("abort", () => {
            aborted.push(name);
            reject(signal.reason as Error);
          });
          if (name === "right") begun.open();
        });
    const group = flow("group", { version: "1" })
      .parallel("all", {
        left: (b) => b.step("left", waiting("left")),
        broken: (b) =>
          b.step("broken", async () => {
            await begun.opened;
            throw new Error("the bridge is out");
          }),
        right: (b) => b.step("right", waiting("right")),
      })
      .step("after", () => (joined += 1))
      .build();
    const flujo = scene.open({ flows: [group] });
    const result = await flujo.run(group, null);
    expect(result).toMatchObject({
      status: "failed",
      failure: { message: "the bridge is out", at: "root/all/broken/broken" },
    });
    expect(aborted.sort()).toEqual(["left", "right"]);
    expect(joined).toBe(0);
  });

  const squares = (flight: { now: number; most: number }) =>
    flow("squares", { version: "1" })
      .input(z.unknown())
      .map(
        "each",
        (value) => value as number[],
        (b) =>
          b.step("square", async (n) => {
            flight.now += 1;
            flight.most = Math.max(flight.most, flight.now);
            // Long enough for the others of its window to come: one turn is not, where they arrive with an answer of the store.
            for (let turn = 0; turn < 50 && flight.now < 5; turn++)
              await new Promise((resolve) => setImmediate(resolve));
            flight.now -= 1;
            return n * n;
          }),
        { concurrency: 5 },
      )
      .build();

  it("scenario 10: maps a hundred items in order, never more than five at a time", async () => {
    await using scene = new Scene(store);
    const flight = { now: 0, most: 0 };
    const items = Array.from({ length: 100 }, (_, i) => i + 1);
    const square = squares(flight);
    const result = await scene.open({ flows: [square] }).run(square, items);
    expect(result).toMatchObject({ status: "completed", output: items.map((n) => n * n) });
    expect(flight.most).toBe(5);
  });

  it("scenario 10: maps an empty list to an empty list, and refuses what is no list", async () => {
    await using scene = new Scene(store);
    const square = squares({ now: 0, most: 0 });
    const flujo = scene.open({ flows: [square] });
    expect(await flujo.run(square, [])).toMatchObject({ status: "completed", output: [] });
    expect(await flujo.run(square, 7)).toMatchObject({
      status: "failed",
      failure: { code: "ITEMS_INVALID", message: "expected an array to map over but found number", at: "root/each" },
    });
  });
});

describe("the engine's own share", () => {
  it("scenario 20: is below a millisecond for each of a thousand steps on memory", async () => {
    await using scene = new Scene("memory");
    const thousand = flow("thousand", { version: "1" })
      .input(z.number())
      .times("again", 1_000, (b) => b.step("nothing", (n) => n + 1))
      .build();
    const flujo = scene.open({ flows: [thousand] });
    const began = performance.now();
    const result = await flujo.run(thousand, 0);
    const tookMs = performance.now() - began;
    expect(result).toMatchObject({ status: "completed", output: 1_000 });
    expect(tookMs / 1_000).toBeLessThan(1);
  });
});
