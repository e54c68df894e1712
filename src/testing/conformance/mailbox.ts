import { runId } from "../../domain/ids.ts";
import { anonymousMessage, child, newChild, newMessage, OTHER_RUN, RUN, START_MS } from "./records.ts";
import type { AspectSuite } from "./suite.ts";
import { endRun, newEvent, next, park, sibling, transition } from "./transitions.ts";

export const mailbox: AspectSuite = {
  aspect: "mailbox",
  title: "keeps a mailbox for each run",
  define({ it, expect }) {
    it("keeps a message until somebody waits for it", async (scene) => {
      await scene.start();
      const message = newMessage({ sentAt: START_MS + 7, data: { deep: [1, { two: null }] } });
      expect(await scene.store.signal(message)).toBe("delivered");
      const [kept] = await scene.store.messages(RUN);
      expect(kept).toMatchObject(message);
    });

    it("lists messages in the order of their arrival, whatever they say of the time", async (scene) => {
      await scene.start();
      for (const [id, sentAt] of [
        ["c", 3],
        ["a", 1],
        ["b", 2],
      ] as const)
        await scene.signal({ id, sentAt });
      const messages = await scene.store.messages(RUN);
      expect(messages.map(({ id }) => id)).toEqual(["c", "a", "b"]);
      const seqs = messages.map(({ seq }) => seq);
      expect(seqs).toEqual([...new Set(seqs)].toSorted((a, b) => a - b));
    });

    it("drops a message whose id was there before", async (scene) => {
      await scene.start();
      expect(await scene.signal({ id: "once", data: 1 })).toBe("delivered");
      expect(await scene.signal({ id: "once", data: 2, name: "other" })).toBe("duplicate");
      expect(await scene.store.messages(RUN)).toMatchObject([{ id: "once", data: 1, name: "paid" }]);
    });

    it("delivers an id once when it is sent many times at once", async (scene) => {
      await scene.start();
      const sent = await Promise.all(Array.from({ length: 12 }, async () => scene.signal({ id: "once" })));
      expect(sent.filter((outcome) => outcome === "delivered")).toEqual(["delivered"]);
      expect(await scene.mailbox()).toEqual(["once"]);
    });

    it("remembers an id after its message was consumed", async (scene) => {
      const held = await scene.hold(await scene.worker());
      await scene.signal({ id: "once" });
      await scene.pass(transition(held, { consume: [await scene.messageSeq("once")] }));
      expect(await scene.signal({ id: "once" })).toBe("duplicate");
      expect(await scene.mailbox()).toEqual([]);
    });

    it("does not wake anybody by a duplicate", async (scene) => {
      const held = await scene.hold(await scene.worker());
      await scene.signal({ id: "once" });
      await scene.pass(park(held, { consume: [await scene.messageSeq("once")] }));
      expect(await scene.signal({ id: "once" })).toBe("duplicate");
      expect(await scene.claim(held.lease)).toEqual([]);
    });

    it("takes every message without an id for a new one", async (scene) => {
      const held = await scene.hold(await scene.worker());
      const message = anonymousMessage({ data: "same" });
      for (let i = 0; i < 2; i++) expect(await scene.store.signal(message)).toBe("delivered");
      const [first, second] = await scene.store.messages(RUN);
      expect([first?.id, second?.id, first?.data, second?.data]).toEqual([undefined, undefined, "same", "same"]);
      const root = await scene.pass(transition(held, { consume: [first?.seq ?? 0], send: [message] }));
      expect((await scene.store.messages(RUN)).length).toBe(2);
      expect(await scene.store.signal(message)).toBe("delivered");
      await scene.pass(park(root));
      expect((await scene.claimOne(held.lease)).fiber.messages.length).toBe(3);
    });

    it("lets two runs have messages with the same id", async (scene) => {
      await scene.start();
      await scene.start({ id: OTHER_RUN });
      expect(await scene.signal({ id: "same" })).toBe("delivered");
      expect(await scene.signal({ id: "same", run: OTHER_RUN })).toBe("delivered");
      expect([await scene.mailbox(RUN), await scene.mailbox(OTHER_RUN)]).toEqual([["same"], ["same"]]);
    });

    it("says so when the run is unknown", async (scene) => {
      expect(await scene.signal()).toBe("unknown");
    });

    it("says so when the run has ended", async (scene) => {
      await scene.pass(endRun(await scene.hold(await scene.worker())));
      expect(await scene.signal()).toBe("ended");
      expect(await scene.mailbox()).toEqual([]);
    });

    it("hands a claimed fiber only the messages that it waits for", async (scene) => {
      const held = await scene.hold(await scene.worker());
      await scene.deliver("note", "paid", "note", "refused", "paid");
      await scene.pass(park(held, { names: ["paid", "refused"] }));
      const { fiber } = await scene.claimOne(held.lease);
      expect(fiber.messages.map(({ id }) => id)).toEqual(["m2", "m4", "m5"]);
      expect(fiber.messages.map(({ seq }) => seq)).toEqual(
        (await scene.store.messages(RUN)).filter(({ name }) => name !== "note").map(({ seq }) => seq),
      );
    });

    it("hands no messages to a fiber that does not wait", async (scene) => {
      await scene.start();
      await scene.deliver("paid");
      expect((await scene.claimOne(await scene.worker())).fiber.messages).toEqual([]);
    });

    it("takes consumed messages out and leaves the others in order", async (scene) => {
      const held = await scene.hold(await scene.worker());
      await scene.deliver("a", "b", "c", "d");
      await scene.pass(transition(held, { consume: [await scene.messageSeq("m3"), await scene.messageSeq("m1")] }));
      expect(await scene.mailbox()).toEqual(["m2", "m4"]);
    });

    it("answers conflict when any of the messages is gone, and consumes none", async (scene) => {
      const held = await scene.hold(await scene.worker());
      await scene.deliver("a", "b");
      const gone = await scene.messageSeq("m1");
      const root = await scene.pass(transition(held, { consume: [gone] }));
      const consume = [await scene.messageSeq("m2"), gone];
      expect(await scene.commit(transition(root, { consume }))).toEqual({ status: "conflict" });
      expect(await scene.mailbox()).toEqual(["m2"]);
      await scene.pass(transition(root, { consume: consume.slice(0, 1) }));
    });

    it("answers conflict for a message of another run", async (scene) => {
      const held = await scene.hold(await scene.worker());
      await scene.start({ id: OTHER_RUN });
      await scene.signal({ run: OTHER_RUN });
      const consume = [await scene.messageSeq("message-1", OTHER_RUN)];
      expect(await scene.commit(transition(held, { consume }))).toEqual({ status: "conflict" });
      expect(await scene.mailbox(OTHER_RUN)).toEqual(["message-1"]);
    });

    it("answers lost rather than conflict when the fence fails, too", async (scene) => {
      const held = await scene.hold(await scene.worker());
      expect(await scene.commit(transition(next(held), { consume: [77] }))).toEqual({ status: "lost" });
    });

    it("gives one message to one of the siblings that race for it", async (scene) => {
      const held = await scene.hold(await scene.worker());
      const spawn = [newChild(1, { leased: true }), newChild(2, { leased: true })];
      await scene.pass(transition(held, { spawn }));
      await scene.deliver("paid");
      const consume = [await scene.messageSeq("m1")];
      const racers = [next(held), sibling(held, child(1)), sibling(held, child(2))];
      const outcomes = await Promise.all(racers.map(async (racer) => scene.commit(transition(racer, { consume }))));
      expect(outcomes.map(({ status }) => status).toSorted()).toEqual(["committed", "conflict", "conflict"]);
    });

    it("delivers messages that a transition sends, in their order", async (scene) => {
      const lease = await scene.worker();
      await scene.start({ id: OTHER_RUN });
      const send = ["z", "y", "x"].map((id) => newMessage({ id, run: OTHER_RUN }));
      await scene.pass(transition(await scene.hold(lease), { send }));
      expect(await scene.mailbox(OTHER_RUN)).toEqual(["z", "y", "x"]);
    });

    it("drops what a transition sends to a run that is unknown or has ended", async (scene) => {
      const lease = await scene.worker();
      await scene.pass(endRun(await scene.hold(lease, { id: OTHER_RUN })));
      const held = await scene.hold(lease);
      const send = [newMessage({ run: OTHER_RUN }), newMessage({ run: runId("run-9") }), newMessage({ id: "kept" })];
      await scene.pass(transition(held, { send }));
      expect(await scene.mailbox(OTHER_RUN)).toEqual([]);
      expect(await scene.mailbox(runId("run-9"))).toEqual([]);
      expect(await scene.mailbox()).toEqual(["kept"]);
    });

    it("drops what a transition sends under an id that was there before", async (scene) => {
      const held = await scene.hold(await scene.worker());
      await scene.signal({ id: "once", data: "first" });
      await scene.pass(
        transition(held, { send: [newMessage({ id: "once", data: "second" }), newMessage({ id: "new" })] }),
      );
      expect(await scene.store.messages(RUN)).toMatchObject([{ id: "once", data: "first" }, { id: "new" }]);
    });

    it("throws leftover messages without an id away when the run ends, and keeps those that were accepted", async (scene) => {
      const held = await scene.hold(await scene.worker());
      await scene.deliver("a", "b");
      await scene.store.signal(anonymousMessage({ name: "a" }));
      await scene.pass(endRun(held));
      expect(await scene.mailbox()).toEqual(["m1", "m2"]);
    });

    it("answers conflict while a message is there that must be heard first, and writes nothing", async (scene) => {
      const held = await scene.hold(await scene.worker());
      await scene.deliver("late", "paid");
      const before = await scene.picture(RUN);
      for (const given of [{}, { event: newEvent("timed out") }]) {
        const refused = await scene.commit(transition(held, { ...given, unless: ["other", "paid"] }));
        expect(refused).toEqual({ status: "conflict" });
      }
      expect(await scene.commit(endRun(held, {}, { unless: ["paid"] }))).toEqual({ status: "conflict" });
      expect(await scene.picture(RUN)).toEqual(before);
      await scene.pass(transition(held, { unless: ["other"], consume: [await scene.messageSeq("m2")] }));
      expect(await scene.commit(transition(next(held), { unless: ["paid"] }))).toMatchObject({ status: "committed" });
    });
  },
};
