import { ROOT_FIBER, runId } from "../../domain/ids.ts";
import { child, newChild, newMessage, OTHER_RUN, RUN, START_MS } from "./records.ts";
import type { AspectSuite } from "./suite.ts";
import { handBack, next, park, sibling, transition } from "./transitions.ts";

const WOKEN = { status: "committed", woken: true };
const ASLEEP = { status: "committed", woken: false };

export const parking: AspectSuite = {
  aspect: "parking",
  title: "never loses a wake-up (I5)",
  define({ it, expect }) {
    it("wakes a parked fiber when its message comes", async (scene) => {
      const held = await scene.hold(await scene.worker());
      expect(await scene.commit(park(held))).toEqual(ASLEEP);
      scene.clock.advance(40);
      await scene.deliver("paid");
      expect(await scene.fiber()).toMatchObject({ readyAt: START_MS + 40 });
      const { fiber } = await scene.claimOne(held.lease);
      expect(fiber).toMatchObject({ seq: 1, wait: { names: ["paid"] }, messages: [{ id: "m1", name: "paid" }] });
    });

    it("wakes a fiber at once when its message was there before", async (scene) => {
      const held = await scene.hold(await scene.worker());
      await scene.deliver("paid");
      scene.clock.advance(40);
      expect(await scene.commit(park(held))).toEqual(WOKEN);
      expect(await scene.fiber()).toMatchObject({ readyAt: START_MS + 40 });
      expect((await scene.claimOne(held.lease)).fiber.messages.map(({ id }) => id)).toEqual(["m1"]);
    });

    it("wakes the fiber in whatever order parking and delivery arrive", async (scene) => {
      const lease = await scene.worker();
      for (let round = 0; round < 25; round++) {
        const id = runId(`run-${round + 10}`);
        const held = await scene.hold(lease, { id });
        const send = async (): Promise<unknown> => scene.signal({ run: id });
        const sleep = async (): Promise<unknown> => scene.commit(park(held));
        await Promise.all(round % 2 === 0 ? [send(), sleep()] : [sleep(), send()]);
        expect((await scene.claimOne(lease)).fiber).toMatchObject({ run: id, messages: [{ id: "message-1" }] });
      }
    });

    it("sleeps on when a message has another name", async (scene) => {
      const held = await scene.hold(await scene.worker());
      await scene.deliver("early");
      expect(await scene.commit(park(held))).toEqual(ASLEEP);
      expect(await scene.signal({ id: "late", name: "late" })).toBe("delivered");
      expect(await scene.claim(held.lease)).toEqual([]);
      expect((await scene.fiber())?.position).toBe("parked");
    });

    it("sleeps on when the message is for another run", async (scene) => {
      const lease = await scene.worker();
      await scene.pass(park(await scene.hold(lease)));
      await scene.hold(lease, { id: OTHER_RUN });
      await scene.signal({ run: OTHER_RUN });
      expect(await scene.claim(lease)).toEqual([]);
    });

    for (const name of ["paid", "refused", "withdrawn"]) {
      it(`wakes a fiber that waits for any of several messages by "${name}"`, async (scene) => {
        const held = await scene.hold(await scene.worker());
        await scene.pass(park(held, { names: ["paid", "refused", "withdrawn"] }));
        await scene.deliver(name);
        expect((await scene.claimOne(held.lease)).fiber.messages).toMatchObject([{ name }]);
      });
    }

    it("takes a name for itself, not as a part or a pattern", async (scene) => {
      const held = await scene.hold(await scene.worker());
      await scene.pass(park(held, { names: ["paid", "a,b", 'q"q', "%"] }));
      await scene.deliver("pai", "paid2", "a", "b", "q", "x", "PAID", "");
      expect(await scene.claim(held.lease)).toEqual([]);
      expect(await scene.signal({ id: "odd", name: 'q"q' })).toBe("delivered");
      expect((await scene.claimOne(held.lease)).fiber.messages.map(({ id }) => id)).toEqual(["odd"]);
    });

    it("wakes before the deadline when the message is earlier", async (scene) => {
      const held = await scene.hold(await scene.worker());
      await scene.pass(park(held, { until: START_MS + 5_000 }));
      await scene.deliver("paid");
      expect((await scene.claimOne(held.lease)).fiber.messages).toMatchObject([{ id: "m1" }]);
    });

    it("wakes at the deadline when no message comes", async (scene) => {
      const held = await scene.hold(await scene.worker());
      await scene.pass(park(held, { until: START_MS + 5_000 }));
      scene.clock.advance(5_000);
      expect((await scene.claimOne(held.lease)).fiber).toMatchObject({
        messages: [],
        wait: { deadlineAt: START_MS + 5_000 },
      });
    });

    it("does not put off a fiber that is due already when another message comes", async (scene) => {
      const held = await scene.hold(await scene.worker());
      await scene.pass(park(held, { until: START_MS + 10 }));
      scene.clock.advance(500);
      await scene.deliver("paid", "paid");
      expect((await scene.claimOne(held.lease)).fiber.messages.map(({ id }) => id)).toEqual(["m1", "m2"]);
    });

    it("wakes nothing for a fiber that somebody leases, but keeps the message for when it parks", async (scene) => {
      const held = await scene.hold(await scene.worker());
      await scene.deliver("paid");
      expect(await scene.fiber()).toMatchObject({ position: "leased", owner: held.lease, seq: 0 });
      await scene.pass(transition(held));
      expect(await scene.commit(park(next(held)))).toEqual(WOKEN);
    });

    it("does not bring forward a retry because a message came", async (scene) => {
      const held = await scene.hold(await scene.worker());
      await scene.pass(handBack(held, START_MS + 800));
      await scene.deliver("paid");
      expect(await scene.fiber()).toMatchObject({ position: "ready", readyAt: START_MS + 800 });
    });

    it("parks again when the message that woke it was consumed", async (scene) => {
      await scene.pass(park(await scene.hold(await scene.worker())));
      await scene.deliver("paid");
      const { held } = await scene.claimOne(await scene.worker());
      expect(await scene.commit(park(held, { consume: [await scene.messageSeq("m1")] }))).toEqual(ASLEEP);
      expect(await scene.claim(held.lease)).toEqual([]);
    });

    it("wakes at once when one of two messages is left", async (scene) => {
      await scene.pass(park(await scene.hold(await scene.worker())));
      await scene.deliver("paid", "paid");
      const { held, fiber } = await scene.claimOne(await scene.worker());
      const consume = fiber.messages.slice(0, 1).map(({ seq }) => seq);
      expect(await scene.commit(park(held, { consume }))).toEqual(WOKEN);
      expect((await scene.claimOne(held.lease)).fiber.messages.map(({ id }) => id)).toEqual(["m2"]);
    });

    it("wakes a fiber by a message that it sends to its own run while parking", async (scene) => {
      const held = await scene.hold(await scene.worker());
      const send = [newMessage({ id: "self" })];
      expect(await scene.commit(park(held, { send }))).toEqual(WOKEN);
      expect((await scene.claimOne(held.lease)).fiber.messages.map(({ id }) => id)).toEqual(["self"]);
    });

    it("wakes every fiber of the run that waits for the name", async (scene) => {
      const held = await scene.hold(await scene.worker());
      const spawn = [1, 2, 3].map((i) => newChild(i, { leased: true }));
      await scene.pass(park(held, { names: ["join"], wait: { kind: "join" }, spawn }));
      await scene.pass(park(sibling(held, child(1))));
      await scene.pass(park(sibling(held, child(2)), { names: ["other"] }));
      await scene.pass(park(sibling(held, child(3)), { names: ["other", "paid"] }));
      await scene.deliver("paid");
      const claimed = await scene.claimedKeys(held.lease);
      expect(claimed.toSorted()).toEqual([`${RUN}/${child(1)}`, `${RUN}/${child(3)}`]);
    });

    it("is due at once when the time to wait for has passed already", async (scene) => {
      const held = await scene.hold(await scene.worker());
      await scene.pass(park(held, { names: [], until: START_MS - 1 }));
      expect(await scene.claimedKeys(held.lease)).toEqual([`${RUN}/${ROOT_FIBER}`]);
    });

    it("wakes a fiber with a large message as with a small one", async (scene) => {
      const held = await scene.hold(await scene.worker());
      const data = "x".repeat(900_000);
      await Promise.all([scene.commit(park(held, { value: data })), scene.signal({ data })]);
      const { fiber } = await scene.claimOne(held.lease);
      expect([fiber.value === data, fiber.messages[0]?.data === data]).toEqual([true, true]);
    });
  },
};
