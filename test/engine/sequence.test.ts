import { flow } from "flujo";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { outline } from "./reading.ts";
import { Scene, STORES } from "./scene.ts";

describe.each(STORES)("a sequence of steps on %s", (store) => {
  it("feeds each output to the next step and records each once", async () => {
    await using scene = new Scene(store);
    const add = flow("add", { version: "1" })
      .input(z.number())
      .step("one", (n) => n + 1)
      .step("double", async (n) => n * 2)
      .build();
    const flujo = scene.open({ flows: [add] });
    const result = await flujo.run(add, 1);
    expect(result).toMatchObject({ status: "completed", output: 4 });
    expect(await outline(flujo, result.runId)).toEqual([
      "run.started",
      "step.completed root/one",
      "step.completed root/double",
      "fiber.ended",
    ]);
  });
});
