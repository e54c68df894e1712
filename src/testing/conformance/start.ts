import { ROOT_FIBER } from "../../domain/ids.ts";
import {
  blobOf,
  child,
  newChild,
  newMessage,
  newRun,
  OTHER_RUN,
  OTHER_WORKER,
  RUN,
  type RunOverrides,
  START_MS,
  WORKER,
} from "./records.ts";
import type { AspectSuite } from "./suite.ts";
import { endRun, newEvent, transition } from "./transitions.ts";

const continuation: RunOverrides = {
  continued: {
    events: [
      { ...newEvent("once", 5), fiber: ROOT_FIBER },
      { ...newEvent("twice", 6), fiber: child(1) },
    ],
    fibers: [newChild(1, { ended: "failed", value: "result" }), newChild(2, { readyAt: START_MS + 40 })],
    messages: [newMessage({ id: "kept" })],
  },
};

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

    for (const root of [{ priority: Number.NaN }, { readyAt: Number.NaN }]) {
      it(`rejects a run whose ${Object.keys(root).join()} is not a number, and creates its neighbours`, async (scene) => {
        const outcomes = await scene.store.createRuns([newRun({ root }), newRun({ id: OTHER_RUN })]);
        expect(outcomes.map(({ status }) => status)).toEqual(["rejected", "created"]);
        expect(await scene.store.load(RUN)).toBe(undefined);
        expect(await scene.claim(await scene.worker())).toMatchObject([{ run: OTHER_RUN }]);
      });
    }

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

    it("brings along the history, fibers and messages of the run that it continues", async (scene) => {
      await scene.start(continuation);
      expect(await scene.facts()).toEqual(["once", "twice", ["created"]]);
      expect((await scene.store.history(RUN)).map(({ fiber, at }) => [fiber, at])).toEqual([
        [ROOT_FIBER, 5],
        [child(1), 6],
        [ROOT_FIBER, START_MS],
      ]);
      expect(await scene.store.fibers(RUN)).toMatchObject([
        { key: ROOT_FIBER, position: "ready" },
        { key: child(1), position: "ended", parent: ROOT_FIBER },
        { key: child(2), position: "ready", readyAt: START_MS + 40 },
      ]);
      expect(await scene.store.children(RUN, ROOT_FIBER, 1)).toMatchObject([
        { ordinal: 1, outcome: "failed", value: "result" },
      ]);
      expect(await scene.mailbox()).toEqual(["kept"]);
      expect(await scene.signal({ id: "kept" })).toBe("duplicate");
      expect(await scene.claimedKeys(await scene.worker())).toEqual([`${RUN}/${ROOT_FIBER}`]);
    });

    it("continues with a root that is born leased", async (scene) => {
      const held = await scene.hold(await scene.worker(), continuation);
      expect((await scene.fiber(RUN, child(2)))?.position).toBe("ready");
      await scene.pass(transition(held, { dropFork: 1 }));
      expect((await scene.store.fibers(RUN)).map(({ key }) => key)).toEqual([ROOT_FIBER, child(2)]);
    });

    it("brings nothing along to a run that exists", async (scene) => {
      await scene.start();
      const before = await scene.picture(RUN);
      expect(await scene.store.createRuns([newRun(continuation)])).toMatchObject([{ status: "exists" }]);
      expect(await scene.picture(RUN)).toEqual(before);
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
