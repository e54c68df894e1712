import { childFiber, ROOT_FIBER, runId } from "../../domain/ids.ts";
import { child, newChild, newMessage, newRun, OTHER_RUN, OTHER_WORKER, RUN, START_MS } from "./records.ts";
import type { AspectSuite } from "./suite.ts";
import { endChild, endRun, type Held, next, park, sibling, transition } from "./transitions.ts";

export const forks: AspectSuite = {
  aspect: "fork",
  title: "keeps the children of a fork",
  define({ it, expect }) {
    const join = (held: Held, spawn: readonly ReturnType<typeof newChild>[]): ReturnType<typeof park> =>
      park(held, { names: ["join:1"], wait: { kind: "join" }, spawn });

    it("spawns children in the transition that parks their parent", async (scene) => {
      const held = await scene.hold(await scene.worker());
      const spawn = [
        newChild(1, { leased: true }),
        newChild(2, { readyAt: START_MS + 5, priority: 2, context: { mine: 2 } }),
      ];
      await scene.pass(join(held, spawn));
      expect(await scene.store.fibers(RUN)).toMatchObject([
        { key: ROOT_FIBER, position: "parked", wait: { kind: "join" } },
        { key: child(1), parent: ROOT_FIBER, fork: 1, ordinal: 1, position: "leased", owner: held.lease, seq: 0 },
        { key: child(2), position: "ready", readyAt: START_MS + 5, priority: 2, context: { mine: 2 }, seq: 0 },
      ]);
    });

    it("lets other workers claim children that are not born leased", async (scene) => {
      const held = await scene.hold(await scene.worker());
      await scene.pass(join(held, [newChild(1), newChild(2, { readyAt: START_MS + 50 })]));
      const other = await scene.worker(OTHER_WORKER);
      expect(await scene.claimedKeys(other)).toEqual([`${RUN}/${child(1)}`]);
      scene.clock.advance(50);
      expect(await scene.claimedKeys(other)).toEqual([`${RUN}/${child(2)}`]);
    });

    it("leaves a child alone that exists already", async (scene) => {
      const held = await scene.hold(await scene.worker());
      const root = await scene.pass(transition(held, { spawn: [newChild(1, { leased: true })] }));
      await scene.pass(transition(sibling(held, child(1)), { state: "far" }));
      await scene.pass(transition(root, { spawn: [newChild(1, { state: "anew", priority: 9 }), newChild(2)] }));
      expect(await scene.fiber(RUN, child(1))).toMatchObject({ state: "far", seq: 1, priority: 0, position: "leased" });
      expect((await scene.fiber(RUN, child(2)))?.position).toBe("ready");
    });

    it("keeps the result of an ended child for its parent", async (scene) => {
      const held = await scene.hold(await scene.worker());
      await scene.pass(join(held, [newChild(1, { leased: true })]));
      const result = { state: "s", value: { v: 1 }, context: { c: 2 }, aside: { a: 3 } };
      await scene.pass(endChild(sibling(held, child(1)), { ...result, send: [newMessage({ name: "join:1" })] }));
      expect(await scene.store.children(RUN, ROOT_FIBER, 1)).toEqual([{ ordinal: 1, outcome: "completed", ...result }]);
      const ended = await scene.fiber(RUN, child(1));
      expect(ended).toMatchObject({ position: "ended" });
      expect([ended?.owner, ended?.readyAt]).toEqual([undefined, undefined]);
    });

    it("wakes the parent by what the ending child sends", async (scene) => {
      const held = await scene.hold(await scene.worker());
      await scene.pass(join(held, [newChild(1, { leased: true })]));
      await scene.pass(endChild(sibling(held, child(1)), { send: [newMessage({ name: "join:1" })] }));
      expect((await scene.claimOne(held.lease)).fiber).toMatchObject({
        key: ROOT_FIBER,
        messages: [{ name: "join:1" }],
      });
    });

    it("lists results in the order of the fork, not in that of their end", async (scene) => {
      const held = await scene.hold(await scene.worker());
      const ordinals = [1, 2, 3, 10, 11, 12];
      await scene.pass(transition(held, { spawn: ordinals.map((i) => newChild(i, { leased: true })) }));
      for (const i of [3, 12, 1, 10, 2]) await scene.pass(endChild(sibling(held, child(i)), { value: i }));
      const results = await scene.store.children(RUN, ROOT_FIBER, 1);
      expect(results.map(({ ordinal, value }) => [ordinal, value])).toEqual([1, 2, 3, 10, 12].map((i) => [i, i]));
    });

    for (const outcome of ["completed", "failed", "cancelled"] as const) {
      it(`tells the parent that a child has ${outcome === "cancelled" ? "been " : ""}${outcome}`, async (scene) => {
        const held = await scene.hold(await scene.worker());
        await scene.pass(transition(held, { spawn: [newChild(1, { leased: true })] }));
        await scene.pass(endChild(sibling(held, child(1)), { position: { kind: "ended", outcome } }));
        expect(await scene.store.children(RUN, ROOT_FIBER, 1)).toMatchObject([{ ordinal: 1, outcome }]);
      });
    }

    it("never hands out, sweeps or wakes an ended child", async (scene) => {
      const held = await scene.hold(await scene.worker());
      const root = await scene.pass(transition(held, { spawn: [newChild(1, { leased: true })] }));
      await scene.pass(endChild(sibling(held, child(1))));
      await scene.deliver("paid", "join:1");
      await scene.store.cancel(RUN, "why");
      await scene.pass(transition(root, { cancelFork: { fork: 1, reason: "why" } }));
      scene.clock.advance(3_001);
      expect(await scene.store.sweep()).toMatchObject({ fibers: 1 });
      expect(await scene.claimedKeys(await scene.worker(OTHER_WORKER))).toEqual([`${RUN}/${ROOT_FIBER}`]);
      expect(await scene.fiber(RUN, child(1))).toMatchObject({ position: "ended" });
      expect((await scene.fiber(RUN, child(1)))?.cancel).toBe(undefined);
    });

    it("keeps the forks of one parent apart", async (scene) => {
      const held = await scene.hold(await scene.worker());
      const spawn = [newChild(1, { leased: true }), newChild(2, { leased: true, fork: 2, ordinal: 1 })];
      const root = await scene.pass(transition(held, { spawn }));
      for (const i of [1, 2]) await scene.pass(endChild(sibling(held, child(i)), { value: i }));
      expect(await scene.store.children(RUN, ROOT_FIBER, 2)).toMatchObject([{ ordinal: 1, value: 2 }]);
      await scene.pass(transition(root, { dropFork: 1 }));
      expect(await scene.store.children(RUN, ROOT_FIBER, 1)).toEqual([]);
      expect(await scene.store.children(RUN, ROOT_FIBER, 2)).toMatchObject([{ ordinal: 1, value: 2 }]);
    });

    it("keeps the children of different parents apart", async (scene) => {
      const held = await scene.hold(await scene.worker());
      const grandchild = childFiber(child(1), 1);
      await scene.pass(transition(held, { spawn: [newChild(1, { leased: true }), newChild(2, { leased: true })] }));
      const spawn = [newChild(1, { key: grandchild, parent: child(1), leased: true })];
      await scene.pass(transition(sibling(held, child(1)), { spawn }));
      await scene.pass(endChild(sibling(held, grandchild), { value: "deep" }));
      await scene.pass(endChild(sibling(held, child(2)), { value: "flat" }));
      expect(await scene.store.children(RUN, child(1), 1)).toMatchObject([{ value: "deep" }]);
      expect(await scene.store.children(RUN, ROOT_FIBER, 1)).toMatchObject([{ value: "flat" }]);
    });

    it("drops only the children that have ended", async (scene) => {
      const held = await scene.hold(await scene.worker());
      const root = await scene.pass(transition(held, { spawn: [1, 2].map((i) => newChild(i, { leased: true })) }));
      await scene.pass(endChild(sibling(held, child(1))));
      await scene.pass(transition(root, { dropFork: 1 }));
      expect((await scene.store.fibers(RUN)).map(({ key }) => key)).toEqual([ROOT_FIBER, child(2)]);
      await scene.pass(endChild(sibling(held, child(2))));
    });

    it("lists the fibers of a run by key", async (scene) => {
      const held = await scene.hold(await scene.worker());
      await scene.pass(transition(held, { spawn: [3, 1, 2].map((i) => newChild(i)) }));
      const keys = (await scene.store.fibers(RUN)).map(({ key }) => key);
      expect(keys).toEqual([ROOT_FIBER, child(1), child(2), child(3)]);
    });

    it("spawns a thousand children in one transition", async (scene) => {
      const held = await scene.hold(await scene.worker());
      await scene.pass(
        join(
          held,
          Array.from({ length: 1_000 }, (_, i) => newChild(i + 1)),
        ),
      );
      expect((await scene.store.fibers(RUN)).length).toBe(1_001);
      expect((await scene.claim(held.lease, { limit: 1_000 })).length).toBe(1_000);
    });
  },
};

export const childRuns: AspectSuite = {
  aspect: "child-runs",
  title: "starts runs from runs and takes their replies",
  define({ it, expect }) {
    const parent = { run: RUN, fiber: ROOT_FIBER, reply: "reply:1" };
    const calls = (held: Held, started: ReturnType<typeof newRun>): ReturnType<typeof park> =>
      park(held, { names: ["reply:1"], wait: { kind: "call" }, startRuns: [started] });

    it("creates the child run in the transition that parks its parent", async (scene) => {
      const held = await scene.hold(await scene.worker());
      const started = newRun({ id: OTHER_RUN, parent, flow: "child", input: [1] });
      expect(await scene.commit(calls(held, started))).toEqual({ status: "committed", woken: false });
      expect(await scene.store.load(OTHER_RUN)).toMatchObject({ flow: "child", input: [1], parent, status: "pending" });
      expect(await scene.facts(OTHER_RUN)).toEqual([["created"]]);
      expect(await scene.claimedKeys(held.lease)).toEqual([`${OTHER_RUN}/${ROOT_FIBER}`]);
    });

    it("leases the child run to the worker that starts it, if it says so", async (scene) => {
      const held = await scene.hold(await scene.worker());
      await scene.pass(calls(held, newRun({ id: OTHER_RUN, parent, lease: held.lease, root: { leased: true } })));
      expect(await scene.fiber(OTHER_RUN)).toMatchObject({ position: "leased", owner: held.lease });
      expect(await scene.status(OTHER_RUN)).toBe("running");
    });

    it("ends the child run and replies to its parent in one transition", async (scene) => {
      const held = await scene.hold(await scene.worker());
      await scene.pass(calls(held, newRun({ id: OTHER_RUN, parent, lease: held.lease, root: { leased: true } })));
      const send = [newMessage({ id: "reply", name: "reply:1", data: { output: 3 } })];
      await scene.pass(endRun({ ...held, run: OTHER_RUN }, { output: 3 }, { send }));
      expect(await scene.status(OTHER_RUN)).toBe("completed");
      const { fiber } = await scene.claimOne(held.lease);
      expect(fiber).toMatchObject({ run: RUN, messages: [{ name: "reply:1", data: { output: 3 } }] });
    });

    it("leaves a run alone that exists already", async (scene) => {
      const lease = await scene.worker();
      await scene.pass(endRun(await scene.hold(lease, { id: OTHER_RUN, input: "old" })));
      const before = await scene.picture(OTHER_RUN);
      const held = await scene.hold(lease);
      await scene.pass(transition(held, { startRuns: [newRun({ id: OTHER_RUN, input: "new" })] }));
      expect(await scene.picture(OTHER_RUN)).toEqual(before);
    });

    it("ends a child run quietly when its parent has ended before", async (scene) => {
      const held = await scene.hold(await scene.worker());
      const started = newRun({ id: OTHER_RUN, parent, lease: held.lease, root: { leased: true } });
      await scene.pass(endRun(await scene.pass(transition(held, { startRuns: [started] }))));
      const send = [newMessage({ id: "reply", name: "reply:1" })];
      await scene.pass(endRun({ ...held, run: OTHER_RUN }, {}, { send }));
      expect([await scene.status(RUN), await scene.status(OTHER_RUN)]).toEqual(["completed", "completed"]);
    });

    it("starts several runs in one transition", async (scene) => {
      const held = await scene.hold(await scene.worker());
      const ids = ["b", "c", "d"].map((id) => runId(id));
      await scene.pass(transition(held, { startRuns: ids.map((id) => newRun({ id, parent })) }));
      const listed = await scene.store.list({ parent: RUN });
      expect(listed.items.map(({ id }) => id).toSorted()).toEqual(ids);
      await scene.pass(transition(next(held)));
    });
  },
};
