import { describe, expect, it } from "vitest";
import { flow } from "../../src/dsl/flow.ts";
import { type Fault, faultsFrom, injectFaults, parseFaults } from "../../src/testing/faults.ts";
import { localRunner } from "../../src/testing/local-runner.ts";
import { VirtualClock } from "../../src/testing/virtual-clock.ts";

describe("faults", () => {
  it.each<[string, readonly Fault[]]>([
    ["", []],
    ["after-commit:3:kill", [{ point: "after-commit", hit: 3, action: "kill" }]],
    [
      "before-step:1:throw, after-claim:2:delay=500",
      [
        { point: "before-step", hit: 1, action: "throw" },
        { point: "after-claim", hit: 2, action: { delayMs: 500 } },
      ],
    ],
  ])("are read from %j", (text, expected) => {
    expect(parseFaults(text)).toEqual(expected);
    expect(faultsFrom({ FLUJO_FAULT: text })).toEqual(expected);
  });

  it.each([
    "after-lunch:1:kill",
    "after-commit:0:kill",
    "after-commit:1.5:kill",
    "after-commit:1:sing",
    "after-commit",
    "after-commit:1:kill:2",
  ])("are refused when they read %j", (text) => {
    expect(() => parseFaults(text)).toThrow(/expected a fault such as after-commit:3:kill/);
  });

  it("are none where the environment asks for none", () => {
    expect(faultsFrom({})).toEqual([]);
  });

  it("kill once, at the n-th time, and nothing goes on after that", async () => {
    let killed = 0;
    const { at, hits } = injectFaults(parseFaults("after-commit:2:kill"), { kill: () => (killed += 1) });
    expect(at("after-commit")).toBeUndefined();
    expect(at("after-claim")).toBeUndefined();
    let wentOn = false;
    void at("after-commit")?.then(() => (wentOn = true));
    await new Promise((resolve) => setImmediate(resolve));
    expect({ killed, wentOn, hits: hits("after-commit") }).toEqual({ killed: 1, wentOn: false, hits: 2 });
    expect(at("after-commit")).toBeUndefined();
  });

  it("delay on the clock they are given", async () => {
    const clock = new VirtualClock();
    const { at } = injectFaults([{ point: "before-end", hit: 1, action: { delayMs: 300 } }], { clock });
    const delayed = at("before-end");
    await clock.advance(300);
    await delayed;
  });

  it("that are thrown cost a run nothing but time", async () => {
    const two = flow("two", { version: "1" })
      .step("one", () => 1)
      .step("two", (n) => n + 1)
      .build();
    const { at } = injectFaults(parseFaults("before-commit:1:throw,before-step:2:throw"));
    await using runner = localRunner({ flows: [two], at });
    expect(await runner.run(two, null)).toMatchObject({ status: "completed", output: 2 });
  });
});
