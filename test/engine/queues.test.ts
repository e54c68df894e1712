import { flow } from "flujo";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { eventually, gate } from "./reading.ts";
import { Scene, STORES } from "./scene.ts";

describe.each(STORES)("queues on %s", (store) => {
  const routed = flow("routed", { version: "1" })
    .step("here", (_, { resources }) => [resources["name"]])
    .step("gpu", (names, { resources }) => [...names, resources["name"]], { queue: "gpu" })
    .step("back", (names, { resources }) => [...names, resources["name"]])
    .build();

  it("bring each step to a worker that serves its queue, and the rest back", async () => {
    await using scene = new Scene(store);
    const general = scene.open({ flows: [routed], resources: { name: "general" } });
    const special = scene.open({ flows: [routed], resources: { name: "special" }, worker: { queues: ["gpu"] } });
    await special.open();
    const results = await Promise.all(Array.from({ length: 5 }, () => general.run(routed, 0)));
    for (const result of results) expect(result).toMatchObject({ output: ["general", "special", "general"] });
  });

  it("hold a step until somebody serves its queue, and say so", async () => {
    await using scene = new Scene(store);
    const general = scene.open({ flows: [routed], resources: { name: "general" } });
    const handle = await general.start(routed, 0);
    await eventually("the step to be handed on", async () => (await handle.get()).fibers[0]?.at === "root/gpu");
    expect((await general.why(handle.runId)).reasons).toEqual([
      expect.stringMatching(
        /Fiber 0 is ready in queue "gpu", due now: no worker alive serves that queue; 1 serve default\./,
      ),
    ]);
    const both = scene.open({ flows: [routed], resources: { name: "both" }, worker: { queues: ["default", "gpu"] } });
    await both.open();
    const output = (await handle.output()) as string[];
    expect(output.slice(0, 2)).toEqual(["general", "both"]);
  });

  it("say where a fiber would be found if its worker died, also while that worker keeps it", async () => {
    await using scene = new Scene(store);
    const held = { here: gate(), gpu: gate(), back: gate() };
    const stopping = flow("stopping", { version: "1" })
      .step("here", () => held.here.opened)
      .step("gpu", () => held.gpu.opened, { queue: "gpu", priority: 7 })
      .step("back", () => held.back.opened)
      .build();
    const both = scene.open({ flows: [stopping], worker: { queues: ["default", "gpu"] } });
    const { runId } = await both.start(stopping, 0);
    const rows: unknown[] = [];
    const look = async (path: string): Promise<void> => {
      await eventually(path, async () => (await both.get(runId)).fibers[0]?.at === path);
      const [row] = await (await scene.store()).fibers(runId as never);
      rows.push([row?.position, row?.queue, row?.priority]);
    };
    held.here.open();
    await look("root/gpu");
    held.gpu.open();
    await look("root/back");
    held.back.open();
    await both.result(runId, { until: "end" });
    expect(rows).toEqual([
      ["leased", "gpu", 7],
      ["leased", "default", 0],
    ]);
  });

  it("take a whole run where it is started for one", async () => {
    await using scene = new Scene(store);
    const named = flow("named", { version: "1" })
      .map(
        "each",
        () => [1, 2, 3],
        (b) => b.step("who", (_, { resources }) => String(resources["name"])),
      )
      .build();
    const child = flow("parent", { version: "1" })
      .call("named", named, { input: () => 0 })
      .build();
    const general = scene.open({ flows: [child], resources: { name: "general" } });
    const special = scene.open({ flows: [child], resources: { name: "special" }, worker: { queues: ["mail"] } });
    await special.open();
    expect(await general.run(child, 0, { queue: "mail" })).toMatchObject({ output: ["special", "special", "special"] });
    expect(await general.run(child, 0)).toMatchObject({ output: ["general", "general", "general"] });
  });

  it("give the more important work first", async () => {
    await using scene = new Scene(store);
    const order: number[] = [];
    const begun = gate();
    const held = gate();
    const work = flow("work", { version: "1" })
      .input(z.number())
      .step("work", async (n) => {
        order.push(n);
        if (n === 0) {
          begun.open();
          await held.opened;
        }
      })
      .build();
    const flujo = scene.open({ flows: [work], worker: { concurrency: 1 } });
    const handles = [await flujo.start(work, 0)];
    await begun.opened;
    for (const n of [1, 5, 3, 9, 5]) handles.push(await flujo.start(work, n, { priority: n }));
    held.open();
    await Promise.all(handles.map((handle) => handle.output()));
    expect(order).toEqual([0, 9, 5, 5, 3, 1]);
  });

  it("are refused by name when a worker serves none", async () => {
    await using scene = new Scene(store);
    await expect(scene.open({ worker: { queues: [] } }).open()).rejects.toMatchObject({ code: "OPTION_INVALID" });
  });
});

describe.each(STORES)("two engines on one store, %s,", (store) => {
  const count = flow("count", { version: "1" })
    .input(z.number())
    .times("again", 3, (b) => b.step("add", (n, { resources }) => n + Number(resources["by"])))
    .build();

  it("share the work, and answer for each other's runs", async () => {
    await using scene = new Scene(store);
    const [one, two] = [1, 2].map(() =>
      scene.open({ flows: [count], resources: { by: 1 }, worker: { concurrency: 3 } }),
    );
    if (one === undefined || two === undefined) throw new Error("there are two");
    const handles = await Promise.all(Array.from({ length: 40 }, (_, i) => (i % 2 ? one : two).start(count, i)));
    const outputs = await Promise.all(handles.map(({ runId }, i) => (i % 2 ? two : one).handle(runId).output()));
    expect(outputs).toEqual(handles.map((_, i) => i + 3));
    expect((await one.list({ limit: 100, status: "completed" })).items).toHaveLength(40);
  });

  it("tell each other of signals, answers and cancellations", async () => {
    await using scene = new Scene(store);
    const waits = flow("waits", { version: "1" }).waitForSignal("go", "go").human("ask", { message: "?" }).build();
    const one = scene.open({ flows: [waits] });
    const two = scene.open({ flows: [waits] });
    const [a, b] = [await one.run(waits, 0), await one.run(waits, 0)];
    await two.signal(a.runId, "go");
    await eventually("the question", async () => (await two.get(a.runId)).pauses.length === 1);
    expect(await two.resume(a.runId, "yes")).toMatchObject({ status: "completed", output: "yes" });
    expect(await one.result(a.runId)).toMatchObject({ status: "completed", output: "yes" });
    await two.cancel(b.runId, "by the other");
    expect(await one.result(b.runId, { until: "end" })).toMatchObject({ status: "cancelled", reason: "by the other" });
  });

  it("go on when one of them is closed in the middle", async () => {
    await using scene = new Scene(store);
    const slow = flow("slow", { version: "1" })
      .input(z.number())
      .times("again", 20, (b) =>
        b.step("add", async (n) => {
          await new Promise((resolve) => setImmediate(resolve));
          return n + 1;
        }),
      )
      .build();
    const one = scene.open({ flows: [slow] });
    const two = scene.open({ flows: [slow] });
    await two.open();
    const handles = await Promise.all(Array.from({ length: 20 }, (_, i) => one.start(slow, i)));
    const outputs = Promise.all(handles.map(({ runId }) => two.handle(runId).output()));
    await one.close();
    expect(await outputs).toEqual(handles.map((_, i) => i + 20));
  });

  it("do not take what only the other knows", async () => {
    await using scene = new Scene(store);
    const only = (name: string) =>
      flow(name, { version: "1" })
        .step("who", (_, { resources }) => resources["by"])
        .build();
    const one = scene.open({ flows: [only("a")], resources: { by: "one" } });
    const two = scene.open({ flows: [only("b")], resources: { by: "two" } });
    await two.open();
    const queued = await one.start("a", 0, { queue: "default" });
    expect(await queued.output()).toBe("one");
    expect(await two.run("b", 0)).toMatchObject({ output: "two" });
    await one.register(only("b"));
    expect(await one.run("b", 0)).toMatchObject({ status: "completed" });
  });
});
