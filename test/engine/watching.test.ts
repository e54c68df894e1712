import { flow } from "flujo";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import type { Observation } from "../../src/ports/observer.ts";
import type { StreamItem } from "../../src/runner/stream.ts";
import { codeOf, eventually, gate } from "./reading.ts";
import { Scene, STORES } from "./scene.ts";

const talks = flow("talks", { version: "1" })
  .input(z.array(z.string()))
  .step("talk", async function* (words) {
    for (const word of words) yield word;
    return words.length;
  })
  .step("end", (n, ctx) => {
    ctx.emit({ done: true });
    return n;
  })
  .build();

const short = (item: StreamItem): string =>
  item.kind === "chunk" ? `chunk ${item.path} ${JSON.stringify(item.chunk)}` : item.event.type;

describe.each(STORES)("following a run on %s", (store) => {
  it("gives its history, what its steps emit, and at last its result", async () => {
    await using scene = new Scene(store);
    const flujo = scene.open({ flows: [talks] });
    const items: string[] = [];
    const stream = flujo.stream(talks, ["a", "b"]);
    let next = await stream.next();
    for (; next.done !== true; next = await stream.next()) items.push(short(next.value));
    expect(next.value).toMatchObject({ status: "completed", output: 2 });
    expect(items.filter((item) => !item.startsWith("chunk"))).toEqual([
      "run.started",
      "step.completed",
      "step.completed",
      "fiber.ended",
    ]);
    expect(items.filter((item) => item.startsWith("chunk"))).toEqual([
      'chunk root/talk "a"',
      'chunk root/talk "b"',
      'chunk root/end {"done":true}',
    ]);
  });

  it("gives a chunk while the step is under way", async () => {
    await using scene = new Scene(store);
    const held = gate();
    const slow = flow("slow", { version: "1" })
      .step("talk", async (_, ctx) => {
        ctx.emit("early");
        await held.opened;
      })
      .build();
    const flujo = scene.open({ flows: [slow] });
    for await (const item of flujo.stream(slow, 0)) if (item.kind === "chunk") held.open();
    await held.opened;
  });

  it("ends when the run pauses, and can be taken up again", async () => {
    await using scene = new Scene(store);
    const asks = flow("asks", { version: "1" })
      .human("ask", { message: "?" })
      .step("end", (answer) => answer)
      .build();
    const flujo = scene.open({ flows: [asks] });
    const handle = await flujo.start(asks, 0);
    const first: string[] = [];
    for await (const item of handle.events()) first.push(short(item));
    expect(first).toEqual(["run.started", "wait.opened"]);
    await flujo.resume(handle.runId, 1);
    const all: string[] = [];
    for await (const item of flujo.handle(handle.runId).events()) all.push(short(item));
    expect(all).toEqual(["run.started", "wait.opened", "wait.answered", "step.completed", "fiber.ended"]);
  });

  it("can be left in the middle without a trace", async () => {
    await using scene = new Scene(store);
    const waits = flow("waits", { version: "1" }).sleep("nap", "1 hour").build();
    const flujo = scene.open({ flows: [waits] });
    const handle = await flujo.start(waits, 0);
    for await (const item of handle.events()) if (short(item) === "wait.opened") break;
    expect((await handle.get()).status).toBe("waiting");
  });

  it("works from another engine than the one that runs it, chunks excepted", async () => {
    await using scene = new Scene(store);
    const worker = scene.open({ flows: [talks] });
    const watcher = scene.open({ worker: { queues: ["elsewhere"] } });
    const { runId } = await worker.start(talks, ["a"]);
    const items: string[] = [];
    for await (const item of watcher.handle(runId).events()) items.push(short(item));
    expect(items).toEqual(["run.started", "step.completed", "step.completed", "fiber.ended"]);
  });

  it("is refused for a run that is not there", async () => {
    await using scene = new Scene(store);
    expect(await codeOf(scene.open().handle("nobody").events().next())).toBe("RUN_UNKNOWN");
    expect(await codeOf(scene.open().history("nobody"))).toBe("RUN_UNKNOWN");
    expect(await codeOf(scene.open().get("nobody"))).toBe("RUN_UNKNOWN");
    expect(await codeOf(scene.open().why("nobody"))).toBe("RUN_UNKNOWN");
    expect(await codeOf(scene.open().result("nobody"))).toBe("RUN_UNKNOWN");
  });

  it("can be given up by a signal, and the run goes on", async () => {
    await using scene = new Scene(store);
    const held = gate();
    const slow = flow("slow", { version: "1" })
      .step("work", () => held.opened)
      .build();
    const flujo = scene.open({ flows: [slow] });
    const controller = new AbortController();
    const result = flujo.run(slow, 0, { id: "slow", signal: controller.signal });
    await eventually("the run", async () => (await flujo.list()).items.length === 1);
    controller.abort(new Error("I have waited enough"));
    await expect(result).rejects.toThrow("I have waited enough");
    held.open();
    expect(await flujo.result("slow")).toMatchObject({ status: "completed" });
    await expect(flujo.result("slow", { signal: AbortSignal.abort(new Error("too late")) })).rejects.toThrow(
      "too late",
    );
  });
});

describe.each(STORES)("observers on %s", (store) => {
  it("see what happens, in order", async () => {
    await using scene = new Scene(store);
    const seen: Observation[] = [];
    const flaky = flow("flaky", { version: "1" })
      .step(
        "work",
        (_, { attempt }) => {
          if (attempt === 1) throw new Error("again");
          return 1;
        },
        { retry: { attempts: 2, backoff: "immediate" } },
      )
      .waitForSignal("go", "go")
      .build();
    const flujo = scene.open({ flows: [flaky], observers: [{ observe: (one) => void seen.push(one) }] });
    const { runId } = await flujo.run(flaky, 0);
    await flujo.signal(runId, "go");
    await flujo.handle(runId).output();
    await flujo.close();
    expect(seen.map(({ kind }) => kind)).toEqual([
      "worker.started",
      "run.started",
      "step.started",
      "step.failed",
      "step.started",
      "step.completed",
      "fiber.parked",
      "run.ended",
      "worker.stopped",
    ]);
    expect(seen).toContainEqual(
      expect.objectContaining({ kind: "step.failed", run: runId, path: "root/work", attempt: 1 }) as Observation,
    );
  });

  it.each<readonly [string, () => void | Promise<void>]>([
    [
      "throw",
      () => {
        throw new Error("observer broke");
      },
    ],
    ["reject", () => Promise.reject(new Error("observer broke"))],
    ["never answer", () => new Promise(() => undefined)],
  ])("that %s change nothing", async (_, observe) => {
    await using scene = new Scene(store);
    let seen = 0;
    const work = flow("work", { version: "1" })
      .input(z.number())
      .times("again", 50, (b) => b.step("add", (n) => n + 1))
      .build();
    const flujo = scene.open({ flows: [work], observers: [{ observe }, { observe: () => void (seen += 1) }] });
    expect(await flujo.run(work, 0)).toMatchObject({ status: "completed", output: 50 });
    await eventually("the other observer to have seen it all", () => seen >= 102);
  });

  it("that take their time do not slow the run", async () => {
    await using scene = new Scene(store);
    let slowest = 0;
    const work = flow("work", { version: "1" })
      .input(z.number())
      .times("again", 20, (b) => b.step("add", (n) => n + 1))
      .build();
    const observe = async (): Promise<void> => {
      await new Promise((resolve) => setTimeout(resolve, 20));
      slowest += 1;
    };
    const flujo = scene.open({ flows: [work], observers: [{ observe }] });
    expect(await flujo.run(work, 0)).toMatchObject({ output: 20 });
    expect(slowest).toBeLessThan(10);
  });
});
