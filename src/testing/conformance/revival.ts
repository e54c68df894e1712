import { failure } from "../../domain/failure.ts";
import { ROOT_FIBER } from "../../domain/ids.ts";
import type { Revival } from "../../ports/store.ts";
import { blobOf, child, newChild, newFiber, newMessage, RUN, START_MS } from "./records.ts";
import type { AspectSuite } from "./suite.ts";
import { endRun, newEvent, park, transition } from "./transitions.ts";

const revival = (given: Partial<Revival> = {}): Revival => ({
  run: RUN,
  fibers: [newFiber({ state: "revived" })],
  event: newEvent("revived"),
  messages: [],
  blobs: [],
  ...given,
});

export const reviving: AspectSuite = {
  aspect: "revive",
  title: "puts an ended run back to work",
  define({ it, expect }) {
    it("answers unknown for a run that never was", async ({ store }) => {
      expect(await store.revive(revival())).toBe("unknown");
    });

    it("refuses a run that has not ended, and changes nothing", async (scene) => {
      await scene.pass(park(await scene.hold(await scene.worker())));
      const before = await scene.picture(RUN);
      expect(await scene.store.revive(revival({ messages: [newMessage()], fibers: [newFiber(), newChild(1)] }))).toBe(
        "not-ended",
      );
      expect(await scene.picture(RUN)).toEqual(before);
    });

    for (const status of ["failed", "cancelled", "completed"] as const) {
      it(`revives a run that is ${status}`, async (scene) => {
        const held = await scene.hold(await scene.worker());
        await scene.pass(endRun(held, { status, output: 1, failure: failure("STEP_FAILED", "broken") }));
        expect(await scene.store.revive(revival())).toBe("revived");
        const run = await scene.store.load(RUN);
        expect(run?.status).toBe("running");
        expect([run?.output, run?.failure, run?.endedAt]).toEqual([undefined, undefined, undefined]);
        expect(await scene.facts()).toEqual([["created"], "revived"]);
        expect((await scene.claimOne(held.lease)).fiber).toMatchObject({
          run: RUN,
          state: "revived",
          seq: 0,
          deliveries: 1,
        });
      });
    }

    it("revives once when two try", async (scene) => {
      await scene.pass(endRun(await scene.hold(await scene.worker()), { status: "failed" }));
      const answers = await Promise.all([scene.store.revive(revival()), scene.store.revive(revival())]);
      expect(answers.toSorted()).toEqual(["not-ended", "revived"]);
      expect(await scene.facts()).toEqual([["created"], "revived"]);
    });

    it("brings back several fibers, messages and blobs", async (scene) => {
      const blob = blobOf("kept");
      await scene.pass(endRun(await scene.hold(await scene.worker()), { status: "failed" }));
      const fibers = [newFiber({ readyAt: START_MS + 5 }), newChild(1, { context: { mine: 1 } })];
      await scene.store.revive(revival({ fibers, messages: [newMessage({ id: "kept" })], blobs: [blob] }));
      expect(await scene.store.fibers(RUN)).toMatchObject([
        { key: ROOT_FIBER, position: "ready", readyAt: START_MS + 5 },
        { key: child(1), parent: ROOT_FIBER, fork: 1, ordinal: 1, context: { mine: 1 } },
      ]);
      expect(await scene.mailbox()).toEqual(["kept"]);
      expect(await scene.store.blob(blob.hash)).toBe("kept");
    });

    it("brings back children that have ended, with their results", async (scene) => {
      const { lease } = await scene.hold(await scene.worker());
      await scene.pass(endRun({ run: RUN, fiber: ROOT_FIBER, lease, seq: 0 }, { status: "failed" }));
      const fibers = [newFiber(), newChild(1, { ended: "completed", value: 7 }), newChild(2, { ended: "cancelled" })];
      expect(await scene.store.revive(revival({ fibers }))).toBe("revived");
      expect(await scene.store.children(RUN, ROOT_FIBER, 1)).toMatchObject([
        { ordinal: 1, outcome: "completed", value: 7 },
        { ordinal: 2, outcome: "cancelled" },
      ]);
      expect(await scene.claimedKeys(lease)).toEqual([`${RUN}/${ROOT_FIBER}`]);
      expect((await scene.fiber(RUN, child(1)))?.position).toBe("ended");
    });

    it("takes signals again", async (scene) => {
      const held = await scene.hold(await scene.worker());
      await scene.pass(endRun(held, { status: "failed" }));
      await scene.store.revive(revival());
      const { held: again } = await scene.claimOne(held.lease);
      await scene.pass(park(again));
      await scene.deliver("paid");
      expect((await scene.claimOne(held.lease)).fiber.messages).toMatchObject([{ id: "m1" }]);
    });

    it("finds the messages again that it had accepted, once each", async (scene) => {
      const held = await scene.hold(await scene.worker());
      await scene.deliver("paid");
      await scene.pass(endRun(held, { status: "failed" }));
      await scene.store.revive(revival({ messages: [newMessage({ id: "m1" })] }));
      expect(await scene.signal({ id: "m1" })).toBe("duplicate");
      const { held: again } = await scene.claimOne(held.lease);
      expect(await scene.commit(park(again))).toEqual({ status: "committed", woken: true });
      expect((await scene.claimOne(held.lease)).fiber.messages).toMatchObject([{ id: "m1" }]);
    });

    it("forgets a request to stop that ended the run before", async (scene) => {
      const held = await scene.hold(await scene.worker());
      await scene.store.cancel(RUN, "why");
      await scene.pass(endRun(held, { status: "cancelled" }));
      await scene.store.revive(revival());
      const { fiber, held: again } = await scene.claimOne(held.lease);
      expect(fiber.cancel).toBe(undefined);
      expect(await scene.commit(transition(again))).toEqual({ status: "committed", woken: false });
    });

    it("keeps input, identity and the history before", async (scene) => {
      const held = await scene.hold(await scene.worker(), { input: "first", metadata: { a: 1 } });
      const root = await scene.pass(transition(held, { event: newEvent("worked") }));
      await scene.pass(endRun(root, { status: "failed" }, { event: newEvent("broken") }));
      const before = await scene.store.history(RUN);
      await scene.store.revive(revival());
      expect(await scene.store.load(RUN)).toMatchObject({ input: "first", metadata: { a: 1 }, createdAt: START_MS });
      expect((await scene.store.history(RUN)).slice(0, 3)).toEqual(before);
    });

    it("ends again", async (scene) => {
      const held = await scene.hold(await scene.worker());
      await scene.pass(endRun(held, { status: "failed" }));
      await scene.store.revive(revival());
      await scene.pass(endRun((await scene.claimOne(held.lease)).held, { output: "at last", at: START_MS + 8 }));
      expect(await scene.store.load(RUN)).toMatchObject({
        status: "completed",
        output: "at last",
        endedAt: START_MS + 8,
      });
    });
  },
};
