import { failure } from "../../domain/failure.ts";
import { ROOT_FIBER } from "../../domain/ids.ts";
import { anonymousMessage, child, newChild, OTHER_RUN, OTHER_WORKER, RUN, START_MS } from "./records.ts";
import type { AspectSuite } from "./suite.ts";
import { endChild, endRun, newEvent, next, park, sibling, transition } from "./transitions.ts";

export const ending: AspectSuite = {
  aspect: "end",
  title: "ends a run once",
  define({ it, expect }) {
    it("writes status, output and end time, and takes the fiber away", async (scene) => {
      const held = await scene.hold(await scene.worker());
      expect(await scene.commit(endRun(held, { output: { total: 3 }, at: START_MS + 9 }))).toEqual({
        status: "committed",
        woken: false,
      });
      expect(await scene.store.load(RUN)).toMatchObject({
        status: "completed",
        output: { total: 3 },
        endedAt: START_MS + 9,
      });
      expect(await scene.store.fibers(RUN)).toEqual([]);
      expect((await scene.store.load(RUN))?.failure).toBe(undefined);
    });

    it("keeps the failure of a run with its cause and details", async (scene) => {
      const cause = failure("STEP_TIMEOUT", "too slow", { attempt: 3 });
      const what = failure("STEP_FAILED", "no “stock”", {
        at: "root/pack#2",
        stack: "Error\n  at x",
        cause,
        details: { a: [1] },
      });
      await scene.pass(endRun(await scene.hold(await scene.worker()), { status: "failed", failure: what }));
      const run = await scene.store.load(RUN);
      expect(run).toMatchObject({ status: "failed", failure: what });
      expect(run?.output).toBe(undefined);
    });

    it("tells an output of null from none", async (scene) => {
      const lease = await scene.worker();
      await scene.pass(endRun(await scene.hold(lease), { output: null }));
      await scene.pass(endRun(await scene.hold(lease, { id: OTHER_RUN })));
      expect((await scene.store.load(RUN))?.output).toBe(null);
      expect((await scene.store.load(OTHER_RUN))?.output).toBe(undefined);
    });

    it("keeps identity, metadata and history of an ended run", async (scene) => {
      const held = await scene.hold(await scene.worker(), { metadata: { customer: "c" }, input: [1] });
      await scene.pass(endRun(held, {}, { event: newEvent("end") }));
      expect(await scene.store.load(RUN)).toMatchObject({
        metadata: { customer: "c" },
        input: [1],
        createdAt: START_MS,
      });
      expect(await scene.facts()).toEqual([["created"], "end"]);
    });

    it("takes every fiber that is left away with the run", async (scene) => {
      const held = await scene.hold(await scene.worker());
      const spawn = [
        newChild(1, { leased: true }),
        newChild(2),
        newChild(3, { leased: true }),
        newChild(4, { leased: true }),
      ];
      const root = await scene.pass(transition(held, { spawn }));
      await scene.pass(park(sibling(held, child(3)), { until: START_MS + 10 }));
      await scene.pass(endChild(sibling(held, child(4))));
      await scene.pass(endRun(root));
      expect(await scene.store.fibers(RUN)).toEqual([]);
      expect(await scene.store.children(RUN, ROOT_FIBER, 1)).toEqual([]);
      scene.clock.advance(100_000);
      expect(await scene.store.sweep()).toMatchObject({ fibers: 0 });
      expect(await scene.claim(await scene.worker(OTHER_WORKER))).toEqual([]);
    });

    it("ends it once when two try", async (scene) => {
      const held = await scene.hold(await scene.worker());
      const outcomes = await scene.store.commit([endRun(held, { output: 1 }), endRun(held, { output: 2 })]);
      expect(outcomes.map(({ status }) => status)).toEqual(["committed", "lost"]);
      expect((await scene.store.load(RUN))?.output).toBe(1);
      expect(await scene.commit(endRun(next(held), { output: 3 }))).toEqual({ status: "lost" });
    });

    it("drops what the last transition sends to its own run", async (scene) => {
      const held = await scene.hold(await scene.worker());
      await scene.pass(endRun(held, {}, { send: [anonymousMessage()] }));
      expect(await scene.mailbox()).toEqual([]);
      expect(await scene.signal({ id: "later" })).toBe("ended");
    });

    it("lets a child of the run end it, too", async (scene) => {
      const held = await scene.hold(await scene.worker());
      await scene.pass(park(held, { names: ["join"], wait: { kind: "join" }, spawn: [newChild(1, { leased: true })] }));
      await scene.pass(endRun(sibling(held, child(1)), { status: "failed" }));
      expect(await scene.status()).toBe("failed");
      expect(await scene.store.fibers(RUN)).toEqual([]);
    });
  },
};

export const history: AspectSuite = {
  aspect: "history",
  title: "keeps the history of a run",
  define({ it, expect }) {
    it("lists events in the order of their commits, numbered upwards", async (scene) => {
      let held = await scene.hold(await scene.worker());
      for (let i = 1; i <= 12; i++) held = await scene.pass(transition(held, { event: newEvent(i, START_MS - i) }));
      const events = await scene.store.history(RUN);
      expect(events.map(({ facts }) => facts)).toEqual([["created"], 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
      const seqs = events.map(({ seq }) => seq);
      expect(seqs).toEqual([...new Set(seqs)].toSorted((a, b) => a - b));
    });

    it("keeps the histories of runs apart", async (scene) => {
      const lease = await scene.worker();
      const [first, second] = [await scene.hold(lease), await scene.hold(lease, { id: OTHER_RUN })];
      const batch = [
        transition(first, { event: newEvent("a1") }),
        transition(second, { event: newEvent("b1") }),
        transition(next(first), { event: newEvent("a2") }),
      ];
      await scene.store.commit(batch);
      expect([await scene.facts(RUN), await scene.facts(OTHER_RUN)]).toEqual([
        [["created"], "a1", "a2"],
        [["created"], "b1"],
      ]);
    });

    it("tells which fiber and which worker made an event", async (scene) => {
      const held = await scene.hold(await scene.worker());
      const event = newEvent("opened");
      await scene.pass(park(held, { names: ["join"], wait: { kind: "join" }, event, spawn: [newChild(1)] }));
      const { held: taken } = await scene.claimOne(await scene.worker(OTHER_WORKER));
      await scene.pass(transition(taken, { event: newEvent("worked") }));
      expect((await scene.store.history(RUN)).slice(1)).toMatchObject([
        { fiber: ROOT_FIBER, worker: held.lease.worker, facts: "opened" },
        { fiber: child(1), worker: OTHER_WORKER, facts: "worked" },
      ]);
    });

    it("goes on after a given event, up to a limit", async (scene) => {
      let held = await scene.hold(await scene.worker());
      for (let i = 1; i <= 9; i++) held = await scene.pass(transition(held, { event: newEvent(i) }));
      const all = await scene.store.history(RUN);
      const read: unknown[] = [];
      for (let after = 0; read.length <= all.length; ) {
        const page = await scene.store.history(RUN, { after, limit: 4 });
        expect(page.length > 4).toBe(false);
        const last = page.at(-1);
        if (last === undefined) break;
        read.push(...page);
        after = last.seq;
      }
      expect(read).toEqual(all);
      expect(await scene.store.history(RUN, { after: all[7]?.seq ?? 0 })).toEqual(all.slice(8));
      expect(await scene.store.history(RUN, { limit: 2 })).toEqual(all.slice(0, 2));
    });

    it("never changes an event that was written (I6)", async (scene) => {
      const held = await scene.hold(await scene.worker());
      const root = await scene.pass(transition(held, { event: newEvent("first") }));
      const before = await scene.store.history(RUN);
      await scene.pass(endRun(root, {}, { event: newEvent("last") }));
      expect((await scene.store.history(RUN)).slice(0, 2)).toEqual(before);
    });
  },
};
