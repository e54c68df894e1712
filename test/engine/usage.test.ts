import { agent, flow, scriptedModel } from "flujo";
import { expect, it } from "vitest";
import type { HistoryEvent } from "../../src/domain/event.ts";
import { FlujoError } from "../../src/domain/errors.ts";
import { runId } from "../../src/domain/ids.ts";
import { usageOf } from "../../src/runner/usage.ts";
import { Scene } from "./scene.ts";

it("counts what a child run told at its end when the child itself was pruned", async () => {
  await using scene = new Scene("memory");
  const model = scriptedModel(["one", "two"], { price: { input: 1_000_000, output: 1_000_000 } });
  const asks = flow("asks", { version: "1" })
    .input<string>()
    .agent("ask", agent({ name: "asked", model }))
    .build();
  const parent = flow("parent", { version: "1" })
    .callMany("both", asks, { inputs: () => ["a", "b"] })
    .build();
  const flujo = scene.open({ flows: [parent], limits: { costUsd: 1 } });
  const result = await flujo.run(parent, null);
  const whole = await flujo.usage(result.runId);
  expect(whole).toMatchObject({ requests: 2 });
  expect(whole.costUsd).toBeGreaterThan(0);
  const own = await flujo.history(result.runId);
  const pruned = (run: string): Promise<readonly HistoryEvent[]> =>
    run === result.runId
      ? Promise.resolve(own)
      : Promise.reject(new FlujoError("RUN_UNKNOWN", `no run has the id "${run}"`));
  expect(await usageOf(pruned, runId(result.runId))).toEqual(whole);
});
