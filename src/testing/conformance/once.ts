import type { NewMessage } from "../../ports/store.ts";
import { anonymousMessage, blobOf, newMessage, newRun, OTHER_RUN, RUN, START_MS } from "./records.ts";
import { rejection } from "./scene.ts";
import type { AspectSuite } from "./suite.ts";
import { endRun, newEvent, park, transition } from "./transitions.ts";

const own = (given: Partial<Omit<NewMessage, "id">> = {}): NewMessage =>
  anonymousMessage({ once: "reply-1", ...given });

export const once: AspectSuite = {
  aspect: "once",
  title: "takes each message of the engine's own once",
  define({ it, expect }) {
    it("shows the message as it was sent", async (scene) => {
      await scene.start();
      expect(await scene.store.signal(own())).toBe("delivered");
      expect(await scene.store.messages(RUN)).toMatchObject([own()]);
      expect("id" in ((await scene.store.messages(RUN))[0] ?? {})).toBe(false);
    });

    it("drops a repeated one, whatever else it says", async (scene) => {
      await scene.start();
      await scene.store.signal(own());
      expect(await scene.store.signal(own({ name: "other", data: 2 }))).toBe("duplicate");
      expect(await scene.store.messages(RUN)).toMatchObject([own()]);
    });

    it("delivers one of many that come at once", async (scene) => {
      await scene.start();
      const sent = await Promise.all(Array.from({ length: 12 }, async () => scene.store.signal(own())));
      expect(sent.filter((outcome) => outcome === "delivered")).toEqual(["delivered"]);
      expect(await scene.store.messages(RUN)).toMatchObject([{ once: "reply-1" }]);
    });

    it("drops a repeated one after the first was consumed", async (scene) => {
      const held = await scene.hold(await scene.worker());
      await scene.store.signal(own());
      const [message] = await scene.store.messages(RUN);
      await scene.pass(park(held, { consume: [message?.seq ?? -1] }));
      expect(await scene.store.signal(own())).toBe("duplicate");
      expect(await scene.claim(held.lease)).toEqual([]);
    });

    it("drops a repeated one that a transition sends", async (scene) => {
      const held = await scene.hold(await scene.worker());
      await scene.start({ id: OTHER_RUN });
      const send = [own({ run: OTHER_RUN }), own({ run: OTHER_RUN, data: 2 })];
      const sent = await scene.pass(transition(held, { send }));
      await scene.pass(transition(sent, { send }));
      expect(await scene.store.messages(OTHER_RUN)).toMatchObject([own({ run: OTHER_RUN })]);
    });

    it("tells the same text of two runs apart, and from an id", async (scene) => {
      await scene.start();
      await scene.start({ id: OTHER_RUN });
      await scene.store.signal(own());
      expect(await scene.store.signal(own({ run: OTHER_RUN }))).toBe("delivered");
      expect(await scene.store.signal(newMessage({ id: "reply-1" }))).toBe("delivered");
      expect(await scene.store.signal(newMessage({ id: "reply-1" }))).toBe("duplicate");
    });

    it("wakes who waits for it", async (scene) => {
      const held = await scene.hold(await scene.worker());
      await scene.pass(park(held));
      await scene.store.signal(own());
      expect((await scene.claimOne(held.lease)).fiber.messages).toMatchObject([own()]);
    });

    it("goes with the end of its run, where messages from outside stay", async (scene) => {
      const held = await scene.hold(await scene.worker());
      await scene.store.signal(own());
      await scene.store.signal(newMessage());
      await scene.pass(endRun(held));
      expect(await scene.mailbox()).toEqual(["message-1"]);
    });

    it("is not delivered again to a run that was revived", async (scene) => {
      const held = await scene.hold(await scene.worker());
      await scene.store.signal(own());
      await scene.pass(endRun(held));
      const { root } = newRun();
      const revival = { run: RUN, fibers: [root], event: newEvent("revived"), messages: [], blobs: [] };
      expect(await scene.store.revive(revival)).toBe("revived");
      expect(await scene.store.signal(own())).toBe("duplicate");
    });

    it("brings large values along, which stay with the run", async (scene) => {
      await scene.start();
      const blob = blobOf("large\0text");
      const message = own({ data: { result: { $blob: blob.hash } }, blobs: [blob] });
      expect(await scene.store.signal(message)).toBe("delivered");
      expect(await scene.store.blob(blob.hash)).toBe("large\0text");
      expect("blobs" in ((await scene.store.messages(RUN))[0] ?? {})).toBe(false);
    });

    it("leaves the large values of a repeated one alone", async (scene) => {
      await scene.start();
      await scene.store.signal(own());
      await scene.store.signal(own({ blobs: [blobOf("late")] }));
      expect(await scene.store.blob(blobOf("late").hash)).toBe(undefined);
    });

    const both = newMessage({ once: "reply-1" });

    it("refuses a signal that is from outside and its own", async (scene) => {
      await scene.start();
      expect((await rejection(scene.store.signal(both))).code).toBe("OPTION_INVALID");
      expect(await scene.store.messages(RUN)).toEqual([]);
    });

    it("refuses a transition that sends such a message, whole and alone", async (scene) => {
      const lease = await scene.worker();
      const [bad, good] = [await scene.hold(lease), await scene.hold(lease, { id: OTHER_RUN })];
      const before = await scene.picture(RUN);
      const outcomes = await scene.store.commit([transition(bad, { send: [both] }), transition(good)]);
      expect(outcomes).toMatchObject([
        { status: "rejected", error: { code: "OPTION_INVALID" } },
        { status: "committed" },
      ]);
      expect(await scene.picture(RUN)).toEqual(before);
    });

    it("refuses a run that brings such a message along", async (scene) => {
      const continued = { events: [], fibers: [], messages: [both] };
      expect(await scene.store.createRuns([newRun({ continued })])).toMatchObject([
        { status: "rejected", error: { code: "OPTION_INVALID" } },
      ]);
      expect(await scene.store.load(RUN)).toBe(undefined);
    });

    it("refuses to revive a run with such a message", async (scene) => {
      await scene.pass(endRun(await scene.hold(await scene.worker())));
      const before = await scene.picture(RUN);
      const revival = {
        run: RUN,
        fibers: [newRun().root],
        event: newEvent("again", START_MS),
        messages: [both],
        blobs: [],
      };
      expect((await rejection(scene.store.revive(revival))).code).toBe("OPTION_INVALID");
      expect(await scene.picture(RUN)).toEqual(before);
    });
  },
};
