import { ROOT_FIBER, runId } from "../../domain/ids.ts";
import { child, humanWait, newChild, newMessage, newRun, OTHER_RUN, RUN, START_MS, WORKER } from "./records.ts";
import type { AspectSuite } from "./suite.ts";
import { endChild, endRun, handBack, newEvent, next, park, sibling, transition } from "./transitions.ts";
import { unstorable } from "./unstorable.ts";

const COMMITTED = { status: "committed", woken: false };

export const commit: AspectSuite = {
  aspect: "commit",
  title: "writes transitions",
  define({ it, expect }) {
    it("lets a resident worker go on step after step", async (scene) => {
      let held = await scene.hold(await scene.worker());
      for (let step = 1; step <= 20; step++) {
        expect(await scene.commit(transition(held, { state: { step } }))).toEqual(COMMITTED);
        held = next(held);
        expect(await scene.fiber()).toMatchObject({
          position: "leased",
          seq: step,
          state: { step },
          owner: held.lease,
        });
      }
    });

    const parts = ["value", "context", "aside"] as const;
    for (const part of parts) {
      it(`writes ${part} when the transition has one, and leaves the rest as it was`, async (scene) => {
        const held = await scene.hold(await scene.worker(), { root: { value: "v", context: "c", aside: "a" } });
        await scene.pass(transition(held, { state: "s", [part]: "changed" }));
        const expected = { state: "s", value: "v", context: "c", aside: "a", [part]: "changed" };
        expect(await scene.fiber()).toMatchObject(expected);
      });
    }

    it("can overwrite a value with null", async (scene) => {
      const held = await scene.hold(await scene.worker(), { root: { aside: { kept: true } } });
      await scene.pass(transition(held, { value: null, aside: null }));
      expect(await scene.fiber()).toMatchObject({ value: null, aside: null });
    });

    it("keeps what it wrote for the next owner", async (scene) => {
      const held = await scene.hold(await scene.worker());
      await scene.pass(handBack(held, START_MS, { state: "s", value: "v", context: "c", aside: "a" }));
      const { fiber } = await scene.claimOne(held.lease);
      expect(fiber).toMatchObject({ seq: 1, state: "s", value: "v", context: "c", aside: "a" });
    });

    it("hands a fiber back for a later time", async (scene) => {
      const held = await scene.hold(await scene.worker());
      await scene.pass(handBack(held, START_MS + 250));
      expect(await scene.fiber()).toMatchObject({ position: "ready", readyAt: START_MS + 250 });
      expect((await scene.fiber())?.owner).toBe(undefined);
      scene.clock.advance(249);
      expect(await scene.claim(held.lease)).toEqual([]);
      scene.clock.advance(1);
      await scene.claimOne(held.lease);
    });

    it("shows the wait of a parked fiber whole", async (scene) => {
      const held = await scene.hold(await scene.worker());
      const wait = humanWait({ visit: "3.1", deadlineAt: START_MS + 60_000, names: ["answer", "withdraw"] });
      await scene.pass(park(held, { names: wait.names, wait, until: START_MS + 60_000 }));
      expect(await scene.fiber()).toMatchObject({ position: "parked", wait, readyAt: START_MS + 60_000 });
    });

    it("has no due time for a fiber that waits for messages only", async (scene) => {
      await scene.pass(park(await scene.hold(await scene.worker())));
      const fiber = await scene.fiber();
      expect(fiber).toMatchObject({ position: "parked", wait: { names: ["paid"] } });
      expect([fiber?.readyAt, fiber?.owner]).toEqual([undefined, undefined]);
    });

    it("forgets the wait when the fiber goes on", async (scene) => {
      await scene.pass(park(await scene.hold(await scene.worker())));
      await scene.deliver("paid");
      const { held } = await scene.claimOne(await scene.worker());
      const held2 = await scene.pass(transition(held, { consume: [await scene.messageSeq("m1")] }));
      expect((await scene.fiber())?.wait).toBe(undefined);
      await scene.pass(handBack(held2, START_MS));
      expect((await scene.claimOne(held.lease)).fiber.wait).toBe(undefined);
    });

    it("writes an event with the fiber and worker that made it", async (scene) => {
      const held = await scene.hold(await scene.worker());
      await scene.pass(transition(held, { event: newEvent({ done: 1 }, START_MS + 4) }));
      const event = (await scene.store.history(RUN)).at(-1);
      expect(event).toMatchObject({ at: START_MS + 4, fiber: ROOT_FIBER, worker: WORKER, facts: { done: 1 } });
    });

    it("writes no event when the transition has none", async (scene) => {
      await scene.pass(transition(await scene.hold(await scene.worker())));
      expect(await scene.facts()).toEqual([["created"]]);
    });
  },
};

export const batch: AspectSuite = {
  aspect: "batch",
  title: "commits batches as if one after another",
  define({ it, expect }) {
    it("accepts an empty batch", async ({ store }) => {
      expect(await store.commit([])).toEqual([]);
    });

    it("answers in the order of the batch", async (scene) => {
      const lease = await scene.worker();
      const first = await scene.hold(lease);
      const second = await scene.hold(lease, { id: OTHER_RUN });
      const outcomes = await scene.store.commit([transition(first), transition(next(second)), transition(second)]);
      expect(outcomes).toEqual([COMMITTED, { status: "lost" }, COMMITTED]);
    });

    it("commits the neighbours of transitions that lose or conflict", async (scene) => {
      const lease = await scene.worker();
      const ids = ["a", "b", "c", "d", "e"].map((id) => runId(id));
      const helds = [];
      for (const id of ids) helds.push(await scene.hold(lease, { id }));
      const outcomes = await scene.store.commit(
        helds.map((held, i) => transition(i === 1 ? next(held) : held, { consume: i === 3 ? [999] : [] })),
      );
      expect(outcomes.map(({ status }) => status)).toEqual(["committed", "lost", "committed", "conflict", "committed"]);
      const seqs = await Promise.all(ids.map(async (id) => (await scene.fiber(id))?.seq));
      expect(seqs).toEqual([1, 0, 1, 0, 1]);
    });

    it("commits two steps of one fiber in one batch", async (scene) => {
      const held = await scene.hold(await scene.worker());
      const batch = [
        transition(held, { value: 1, event: newEvent(1) }),
        transition(next(held), { value: 2, event: newEvent(2) }),
        handBack(next(next(held)), START_MS, { event: newEvent(3) }),
      ];
      expect(await scene.store.commit(batch)).toEqual([COMMITTED, COMMITTED, COMMITTED]);
      expect(await scene.fiber()).toMatchObject({ seq: 3, position: "ready", value: 2 });
      expect(await scene.facts()).toEqual([["created"], 1, 2, 3]);
    });

    it("fences the second of two equal transitions", async (scene) => {
      const held = await scene.hold(await scene.worker());
      const twice = transition(held, { event: newEvent("once") });
      expect(await scene.store.commit([twice, twice])).toEqual([COMMITTED, { status: "lost" }]);
      expect(await scene.facts()).toEqual([["created"], "once"]);
    });

    it("lets a fiber act that an earlier transition of the batch spawned", async (scene) => {
      const held = await scene.hold(await scene.worker());
      const batch = [
        transition(held, { spawn: [newChild(1, { leased: true })] }),
        endChild(sibling(held, child(1)), { value: "made" }),
      ];
      expect(await scene.store.commit(batch)).toEqual([COMMITTED, COMMITTED]);
      expect(await scene.store.children(RUN, ROOT_FIBER, 1)).toMatchObject([{ ordinal: 1, value: "made" }]);
    });

    it("lets a run act that an earlier transition of the batch started", async (scene) => {
      const held = await scene.hold(await scene.worker());
      const started = newRun({ id: OTHER_RUN, lease: held.lease, root: { leased: true } });
      const outcomes = await scene.store.commit([
        transition(held, { startRuns: [started] }),
        endRun({ ...held, run: OTHER_RUN }, { output: "made" }),
      ]);
      expect(outcomes).toEqual([COMMITTED, COMMITTED]);
      expect(await scene.store.load(OTHER_RUN)).toMatchObject({ status: "completed", output: "made" });
    });

    it("lets one message be consumed once", async (scene) => {
      const held = await scene.hold(await scene.worker());
      await scene.pass(transition(held, { spawn: [newChild(1, { leased: true })] }));
      await scene.deliver("paid");
      const consume = [await scene.messageSeq("m1")];
      const batch = [transition(next(held), { consume }), transition(sibling(held, child(1)), { consume })];
      expect(await scene.store.commit(batch)).toEqual([COMMITTED, { status: "conflict" }]);
      expect(await scene.fiber(RUN, child(1))).toMatchObject({ seq: 0, position: "leased" });
    });

    for (const [what, parksFirst] of [
      ["a fiber parks before its neighbour sends", true],
      ["its neighbour sends before a fiber parks", false],
    ] as const) {
      it(`loses no wake-up when ${what} (I5)`, async (scene) => {
        const lease = await scene.worker();
        const parks = park(await scene.hold(lease));
        const sends = transition(await scene.hold(lease, { id: OTHER_RUN }), { send: [newMessage()] });
        const outcomes = await scene.store.commit(parksFirst ? [parks, sends] : [sends, parks]);
        expect(outcomes).toEqual(
          parksFirst ? [COMMITTED, COMMITTED] : [COMMITTED, { status: "committed", woken: true }],
        );
        expect((await scene.claimOne(lease)).fiber).toMatchObject({ run: RUN, messages: [{ id: "message-1" }] });
      });
    }

    it("commits a large batch in one call", async (scene) => {
      const lease = await scene.worker();
      const ids = Array.from({ length: 500 }, (_, i) => runId(`run-${i}`));
      await scene.store.createRuns(ids.map((id) => newRun({ id, lease, root: { leased: true } })));
      const batch = ids.map((run) =>
        transition({ run, fiber: ROOT_FIBER, lease, seq: 0 }, { event: newEvent("step") }),
      );
      const outcomes: readonly { readonly status: string }[] = await scene.store.commit(batch);
      expect(outcomes.filter(({ status }) => status === "committed").length).toBe(500);
    });
  },
};

export const reject: AspectSuite = {
  aspect: "reject",
  title: "refuses what it cannot store",
  define({ it, expect }) {
    for (const [what, given] of [
      ["a state", { state: unstorable() }],
      ["a value", { value: unstorable() }],
      ["an event", { event: newEvent(unstorable()) }],
      ["a message", { send: [newMessage({ data: unstorable() })] }],
      ["a child", { spawn: [newChild(1, { value: unstorable() })] }],
      ["a run", { startRuns: [newRun({ id: runId("run-3"), input: unstorable() })] }],
    ] as const) {
      it(`rejects a transition with ${what} that cannot be written, and nothing else`, async (scene) => {
        const lease = await scene.worker();
        const bad = await scene.hold(lease);
        const good = await scene.hold(lease, { id: OTHER_RUN });
        const before = await scene.picture(RUN);
        const outcomes = await scene.store.commit([transition(bad, given), transition(good)]);
        expect(outcomes).toMatchObject([{ status: "rejected" }, COMMITTED]);
        expect(outcomes[0]?.status === "rejected" && outcomes[0].error instanceof Error).toBe(true);
        expect(await scene.picture(RUN)).toEqual(before);
        expect((await scene.fiber(OTHER_RUN))?.seq).toBe(1);
        await scene.pass(transition(bad));
      });
    }

    it("rejects a run that cannot be written, and creates its neighbours", async (scene) => {
      const bad = newRun({ id: runId("bad"), input: unstorable() });
      const outcomes = await scene.store.createRuns([newRun(), bad, newRun({ id: OTHER_RUN })]);
      expect(outcomes.map(({ status }) => status)).toEqual(["created", "rejected", "created"]);
      expect(await scene.store.load(bad.id)).toBe(undefined);
      expect(await scene.status(OTHER_RUN)).toBe("pending");
    });
  },
};
