import { flow } from "flujo";
import { describe, expect, it } from "vitest";
import { memoryStore } from "../../src/testing.ts";
import type { Store } from "../../src/ports/store.ts";
import { eventually } from "../engine/reading.ts";
import { Scene } from "../engine/scene.ts";
import { wait, within } from "./waiting.ts";
import { wrapped } from "./wrapped.ts";

describe("closing while the store is away", () => {
  it("ends within its drain time, although a fork could not be committed", async () => {
    let away = false;
    let refused = 0;
    const commit =
      (real: Store["commit"]): Store["commit"] =>
      async (batch) => {
        if (away && ++refused > 0) throw new Error("the store is away");
        return real(batch);
      };
    const claim =
      (real: Store["claim"]): Store["claim"] =>
      async (request) => {
        if (away) throw new Error("the store is away");
        return real(request);
      };
    const store = wrapped(memoryStore(), { commit, claim });
    await using scene = new Scene("memory");
    const forking = flow("forking", { version: "1" })
      .step("s", () => {
        away = true; // the result of this step, and the fork after it, are one commit
        return [1, 2];
      })
      .map("m", (b) => b.step("t", (n) => n))
      .build();
    const flujo = scene.open({ store, flows: [forking], worker: { drain: 100, pollInterval: 20 } });
    await flujo.start(forking, null);
    await eventually("a commit to fail", () => refused > 0);
    await wait(300); // a claim fails too, and leaves a doubt
    const closing = flujo.close().then(() => "closed");
    const first = await within(closing, 5_000);
    away = false;
    await closing;
    await store.close();
    await wait(2_100); // the committer does not cancel its last back-off when it is closed
    expect(first).toBe("closed");
  });
});
