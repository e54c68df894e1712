import { expect, it } from "vitest";
import { completedSteps } from "../engine/reading.ts";
import { Scene } from "../engine/scene.ts";
import { describeOn, SHARED_BACKENDS } from "../setup/backends.ts";
import { SHORT_LEASE } from "./flows.ts";
import { poisoned } from "./poisoned.ts";
import { Process } from "./process.ts";

const POISON = new URL("poison.ts", import.meta.url);

/* Not on memory: there the process that dies takes the run with it. */
describeOn(SHARED_BACKENDS, "a step that kills its worker on %s", (backend) => {
  it("fails its run visibly after as many deaths as are allowed, and can be retried", async () => {
    await using scene = new Scene(backend);
    const flujo = scene.open({ flows: [poisoned], worker: false });
    const handle = await flujo.start(poisoned, 0);
    // The first death follows on progress; those that count are without any.
    for (let deaths = 0; deaths < 3; deaths++) {
      await using worker = new Process(POISON, { store: scene.address });
      expect(await worker.ended).toMatchObject({ signal: "SIGKILL" });
    }
    {
      await using worker = new Process(POISON, { store: scene.address });
      const result = await handle.result({ until: "end", signal: AbortSignal.timeout(10_000) });
      expect(result).toMatchObject({
        status: "failed",
        failure: { code: "WORKER_LOST", at: "root/poison", message: expect.stringMatching(/2 workers/) as string },
      });
      worker.tell("stop");
      await worker.finished();
    }
    expect(await completedSteps(flujo, handle.runId)).toEqual(["root/fine"]);
    const cured = scene.open({ flows: [poisoned], resources: { antidote: true }, worker: SHORT_LEASE });
    const again = await cured.retry(handle.runId);
    expect(await again.output()).toBe("alive");
  });
});
