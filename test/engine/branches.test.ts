import { flow } from "flujo";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { eventsOf, outline } from "./reading.ts";
import { Scene, STORES } from "./scene.ts";

describe.each(STORES)("an if on %s", (store) => {
  const sized = flow("sized", { version: "1" })
    .input(z.number())
    .if(
      "large",
      (n) => n > 10,
      (b) => b.step("shrink", (n) => n / 10),
      (b) => b.step("grow", (n) => n * 10),
    )
    .build();

  it.each([
    [20, 2, "then"],
    [3, 30, "else"],
  ])("runs one of its sides: %d gives %d", async (input, output, key) => {
    await using scene = new Scene(store);
    const flujo = scene.open({ flows: [sized] });
    const result = await flujo.run(sized, input);
    expect(result).toMatchObject({ status: "completed", output });
    expect(await eventsOf(flujo, result.runId, "branch.chosen")).toMatchObject([{ path: "root/large", key }]);
  });

  it("passes the value through when it has no other side", async () => {
    await using scene = new Scene(store);
    const only = flow("only", { version: "1" })
      .input(z.number())
      .if(
        "odd",
        (n) => n % 2 === 1,
        (b) => b.step("even", (n) => n + 1),
      )
      .step("end", (n) => [n])
      .build();
    const flujo = scene.open({ flows: [only] });
    expect(await flujo.run(only, 4)).toMatchObject({ output: [4] });
    expect(await flujo.run(only, 5)).toMatchObject({ output: [6] });
  });

  it("sees the context, as a copy", async () => {
    await using scene = new Scene(store);
    const seen = flow("seen", { version: "1" })
      .context(z.object({ tier: z.string() }))
      .if(
        "gold",
        (_, { context }) => {
          const gold = context.tier === "gold";
          context.tier = "stolen";
          return gold;
        },
        (b) => b.step("tier", (_, ctx) => ctx.context.tier),
      )
      .build();
    const flujo = scene.open({ flows: [seen] });
    expect(await flujo.run(seen, 0, { context: { tier: "gold" } })).toMatchObject({ output: "gold" });
  });

  it.each([
    [
      "throws",
      () => {
        throw new RangeError("no idea");
      },
      "no idea",
    ],
    ["answers neither true nor false", () => "yes" as never, "when: expected true or false but found string"],
    ["answers a promise", () => Promise.resolve(true) as never, "expected a plain answer but found a promise"],
  ])("fails when its predicate %s", async (_, when: () => boolean, message) => {
    await using scene = new Scene(store);
    const bad = flow("bad", { version: "1" })
      .if("when", when, (b) => b.step("never", () => 1))
      .build();
    const flujo = scene.open({ flows: [bad] });
    expect(await flujo.run(bad, 0)).toMatchObject({
      status: "failed",
      failure: { code: "PREDICATE_FAILED", message: expect.stringContaining(message) as string, at: "root/when" },
    });
  });
});

describe.each(STORES)("a switch on %s", (store) => {
  const shapes = flow("shapes", { version: "1" })
    .input(z.string())
    .switch("shape", (name) => name, {
      circle: (b) => b.step("round", () => "round"),
      square: (b) => b.step("edgy", () => "edgy"),
    })
    .build();

  it.each([
    ["circle", "round"],
    ["square", "edgy"],
    ["triangle", "triangle"],
    ["constructor", "constructor"],
    ["", ""],
  ])("takes the case that the selector names, or passes the value through: %j gives %j", async (input, output) => {
    await using scene = new Scene(store);
    expect(await scene.open({ flows: [shapes] }).run(shapes, input)).toMatchObject({ status: "completed", output });
  });

  it("takes the default when no case has the name", async () => {
    await using scene = new Scene(store);
    const fallback = flow("fallback", { version: "1" })
      .input(z.string())
      .switch(
        "kind",
        (name) => name,
        { known: (b) => b.step("known", () => "known") },
        {
          default: (b) => b.step("other", (name) => `no ${name}`),
        },
      )
      .build();
    const flujo = scene.open({ flows: [fallback] });
    const result = await flujo.run(fallback, "seal");
    expect(result).toMatchObject({ output: "no seal" });
    expect(await outline(flujo, result.runId)).toContain("step.completed root/kind/default/other");
    expect(await eventsOf(flujo, result.runId, "branch.chosen")).toMatchObject([{ key: "seal", taken: "otherwise" }]);
  });

  it("is decided once: a retry of its run does not ask again", async () => {
    await using scene = new Scene(store);
    scene.decidesBy("a mood that has changed");
    const mood = { key: "left" as "left" | "right", broken: true };
    const moody = flow("moody", { version: "1" })
      .switch("way", () => mood.key, {
        left: (b) =>
          b.step("left", () => {
            if (mood.broken) throw new Error("blocked");
            return "left";
          }),
        right: (b) => b.step("right", () => "right"),
      })
      .build();
    const flujo = scene.open({ flows: [moody] });
    const { runId } = await flujo.run(moody, 0);
    mood.key = "right";
    mood.broken = false;
    await flujo.retry(runId);
    expect(await flujo.handle(runId).output()).toBe("left");
  });
});
