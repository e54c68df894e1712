import { flow } from "flujo";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { fallbackModels } from "../../../src/agents/models/fallback.ts";
import { scriptedModel } from "../../../src/agents/models/scripted/scripted-model.ts";
import { VirtualClock } from "../../engine/clock.ts";
import { eventsOf } from "../../engine/reading.ts";
import { Scene } from "../../engine/scene.ts";

describe("a step whose model asks to slow down", () => {
  it.each([
    ["alone", 1],
    ["with its fallback", 2],
  ])("is tried again when it was asked to, and its failure keeps its code: %s", async (_, count) => {
    const clock = new VirtualClock();
    await using scene = new Scene("memory", clock);
    const models = Array.from({ length: count }, () =>
      scriptedModel([{ error: { status: 429, retryAfterMs: 30_000 } }, "served"]),
    );
    const model = fallbackModels(models);
    const polite = flow("polite", { version: "1" })
      .input(z.string())
      .step(
        "ask",
        async (text, { signal, idempotencyKey }) => {
          const request = { messages: [{ role: "user", text }], settings: {} } as const;
          return (await model.generate(request, { signal, idempotencyKey })).text;
        },
        { retry: { attempts: 2, backoff: "immediate" } },
      )
      .build();
    const flujo = scene.open();
    const result = await clock.until(flujo.run(polite, "hello"), 40_000);
    expect(result).toMatchObject({ output: "served" });
    const [failed] = await eventsOf(flujo, result.runId, "step.failed");
    expect(failed?.failure.code).toBe("MODEL_RATE_LIMITED");
    expect((failed?.retryAt ?? 0) - (failed?.at ?? 0)).toBe(30_000);
  });
});
