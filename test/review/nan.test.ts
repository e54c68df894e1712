import { flow } from "flujo";
import { describe, expect, it } from "vitest";
import { Scene } from "../engine/scene.ts";
import { within } from "./waiting.ts";

describe("a queue in memory", () => {
  it("goes on waking others although one run was started at an invalid date", async () => {
    await using scene = new Scene("memory");
    const nap = flow("nap", { version: "1" }).sleep("z", 50).build();
    const flujo = scene.open({ flows: [nap] });
    const bad = await flujo.start(nap, null, { startAt: new Date(Number.NaN) }).catch(() => undefined);
    const good = flujo.run(nap, null);
    const first = await within(good, 3_000);
    if (bad !== undefined) await bad.cancel();
    await good;
    expect(first).toMatchObject({ status: "completed" });
  });
});
