import { flow } from "flujo";
import { describe, expect, it } from "vitest";
import { Scene, STORES } from "./scene.ts";

describe.each(STORES)("a retry after compensation on %s", (store) => {
  it("goes on when what was undone belongs to an attempt that recovered", async () => {
    const did: string[] = [];
    let broken = true;
    const trip = flow("trip", { version: "1" })
      .attempt(
        "book",
        (b) =>
          b
            .step("hotel", () => did.push("hotel"), { compensate: () => void did.push("cancel hotel") })
            .step("flight", () => {
              throw new Error("sold out");
            }),
        { compensate: true, fallback: (b) => b.step("train", () => did.push("train")) },
      )
      .step("pay", () => {
        if (broken) throw new Error("not today");
        return did.push("pay");
      })
      .build();
    await using scene = new Scene(store);
    const flujo = scene.open({ flows: [trip] });
    const failed = await flujo.run(trip, null);
    expect(failed).toMatchObject({ status: "failed", failure: { message: "not today" } });
    broken = false;
    const handle = await flujo.retry(failed.runId);
    expect(await handle.result()).toMatchObject({ status: "completed" });
    expect(did).toEqual(["hotel", "cancel hotel", "train", "pay"]);
  });
});

describe.each(STORES)("a retried call on %s", (store) => {
  it("goes on with the child runs that failed, and repeats nothing that has finished", async () => {
    const ran: string[] = [];
    let broken = true;
    const child = flow("child", { version: "1" })
      .input<number>()
      .step("first", (n) => {
        ran.push(`first ${n}`);
        return n;
      })
      .step("second", (n) => {
        if (n === 2 && broken) throw new Error("not today");
        ran.push(`second ${n}`);
        return n * 10;
      })
      .build();
    const parent = flow("parent", { version: "1" })
      .input<number[]>()
      .callMany("children", child, { inputs: (numbers) => numbers })
      .step("sum", (numbers) => numbers.reduce((sum, n) => sum + n, 0))
      .build();
    await using scene = new Scene(store);
    const flujo = scene.open({ flows: [parent] });
    const failed = await flujo.run(parent, [1, 2]);
    expect(failed).toMatchObject({ status: "failed", failure: { code: "CHILD_FAILED" } });
    broken = false;
    const handle = await flujo.retry(failed.runId);
    expect(await handle.result()).toMatchObject({ status: "completed", output: 30 });
    expect(ran.sort()).toEqual(["first 1", "first 2", "second 1", "second 2"]);
    expect((await flujo.list({ flow: "child" })).items).toHaveLength(2);
  });

  it("hears of a child that ended while its parent was not there to hear it", async () => {
    let broken = true;
    const child = flow("child", { version: "1" })
      .step("work", () => {
        if (broken) throw new Error("not today");
        return "done";
      })
      .build();
    const parent = flow("parent", { version: "1" }).call("child", child).build();
    await using scene = new Scene(store);
    const flujo = scene.open({ flows: [parent] });
    const failed = await flujo.run(parent, null);
    broken = false;
    // As if the process had died between the two halves of a retry: the child goes on, its parent does not know yet.
    const [record] = (await flujo.list({ flow: "child" })).items;
    const again = await flujo.retry(record?.id ?? "");
    expect(await again.result()).toMatchObject({ output: "done" });
    const handle = await flujo.retry(failed.runId);
    expect(await handle.result()).toMatchObject({ status: "completed", output: "done" });
  });
});
