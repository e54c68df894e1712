import { ROOT_FIBER } from "../../domain/ids.ts";
import { blobOf, newRun, OTHER_RUN, OTHER_WORKER, RUN, START_MS, WORKER } from "./records.ts";
import type { AspectSuite } from "./suite.ts";
import { endRun } from "./transitions.ts";

export const start: AspectSuite = {
  aspect: "start",
  title: "starts a run once",
  define({ it, expect }) {
    it("answers with the run that has the id already", async (scene) => {
      await scene.start({ input: "first" });
      const first = await scene.store.load(RUN);
      expect(await scene.store.createRuns([newRun({ input: "second" })])).toEqual([{ status: "exists", run: first }]);
    });

    it("changes nothing for an id that exists", async (scene) => {
      await scene.start({ input: "first" });
      const before = await scene.picture(RUN);
      const root = { priority: 9, state: "other" };
      await scene.store.createRuns([newRun({ input: "second", flow: "other", metadata: { a: 1 }, root })]);
      expect(await scene.picture(RUN)).toEqual(before);
    });

    it("does not start an ended run again", async (scene) => {
      await scene.pass(endRun(await scene.hold(await scene.worker()), { output: "done" }));
      const [outcome] = await scene.store.createRuns([newRun()]);
      expect(outcome).toMatchObject({ status: "exists", run: { status: "completed", output: "done" } });
      expect(await scene.store.fibers(RUN)).toEqual([]);
    });

    it("creates an id once when it comes twice in one batch", async (scene) => {
      const outcomes = await scene.store.createRuns([newRun({ input: 1 }), newRun({ input: 2 })]);
      expect(outcomes).toMatchObject([{ status: "created" }, { status: "exists", run: { id: RUN, input: 1 } }]);
      expect(await scene.facts()).toEqual(["created"].map((fact) => [fact]));
    });

    it("creates an id once when many callers start it at the same time", async (scene) => {
      const calls = Array.from({ length: 20 }, async (_, i) => scene.store.createRuns([newRun({ input: i })]));
      const outcomes = (await Promise.all(calls)).flat();
      expect(outcomes.filter(({ status }) => status === "created")).toEqual([{ status: "created", leased: false }]);
      expect(await scene.facts()).toEqual([["created"]]);
      expect(await scene.claim(await scene.worker())).toMatchObject([{ run: RUN }]);
    });

    it("creates the new runs of a batch beside those that exist", async (scene) => {
      await scene.start();
      const outcomes = await scene.store.createRuns([newRun(), newRun({ id: OTHER_RUN })]);
      expect(outcomes.map(({ status }) => status)).toEqual(["exists", "created"]);
      expect(await scene.status(OTHER_RUN)).toBe("pending");
    });

    it("accepts an empty batch", async ({ store }) => {
      expect(await store.createRuns([])).toEqual([]);
    });

    it("leases the root to the worker that starts the run", async (scene) => {
      const lease = await scene.worker();
      await scene.hold(lease);
      expect(await scene.fiber()).toMatchObject({ position: "leased", owner: lease });
      expect(await scene.claim(lease)).toEqual([]);
    });

    for (const [what, epochOf] of [
      ["an epoch that is no longer current", (epoch: number) => epoch],
      ["an epoch that never was", (epoch: number) => epoch + 7],
    ] as const) {
      it(`leaves the root ready when the lease names ${what}`, async (scene) => {
        const { epoch } = await scene.worker();
        await scene.worker();
        const run = newRun({ lease: { worker: WORKER, epoch: epochOf(epoch) }, root: { leased: true } });
        expect(await scene.store.createRuns([run])).toEqual([{ status: "created", leased: false }]);
        expect((await scene.fiber())?.owner).toBe(undefined);
        expect(await scene.claim(await scene.worker(OTHER_WORKER))).toMatchObject([{ run: RUN, key: ROOT_FIBER }]);
      });
    }

    it("leaves the root ready when the worker is unknown", async (scene) => {
      const run = newRun({ lease: { worker: WORKER, epoch: 1 }, root: { leased: true } });
      expect(await scene.store.createRuns([run])).toEqual([{ status: "created", leased: false }]);
      expect(await scene.status()).toBe("pending");
    });

    it("does not lease an existing run to the second caller", async (scene) => {
      await scene.start();
      const lease = await scene.worker();
      await scene.store.createRuns([newRun({ lease, root: { leased: true } })]);
      expect((await scene.fiber())?.position).toBe("ready");
    });

    it("writes the first event of the run", async (scene) => {
      await scene.start({ event: { at: START_MS + 3, facts: { started: ["by hand"] } } });
      const [event] = await scene.store.history(RUN);
      expect(event).toMatchObject({ at: START_MS + 3, fiber: ROOT_FIBER, facts: { started: ["by hand"] } });
    });

    it("keeps the blobs of a start", async (scene) => {
      const blob = blobOf("a long text");
      await scene.start({ blobs: [blob], input: { $blob: blob.hash } });
      expect(await scene.store.blob(blob.hash)).toBe("a long text");
    });
  },
};
