import type { RunStatus } from "../../domain/run.ts";
import { child, humanWait, newChild, newRun, openWait, OTHER_RUN, RUN, START_MS } from "./records.ts";
import type { Scene } from "./scene.ts";
import type { AspectSuite } from "./suite.ts";
import { endChild, endRun, handBack, type Held, next, park, sibling, transition } from "./transitions.ts";

export const runs: AspectSuite = {
  aspect: "runs",
  title: "keeps runs",
  define({ it, expect }) {
    it("returns a run as it was created", async (scene) => {
      const parent = { run: OTHER_RUN, fiber: child(3), reply: "reply:3" };
      const run = newRun({ metadata: { customer: "c-1", vip: true, tries: 2 }, parent });
      await scene.store.createRuns([run]);
      const { root: _root, event: _event, blobs: _blobs, ...identity } = run;
      expect(await scene.store.load(RUN)).toEqual({ ...identity, status: "pending" });
    });

    it("gives the root fiber the data and scheduling of its creation", async (scene) => {
      const run = newRun({ root: { queue: "slow", priority: 4, readyAt: START_MS + 5, aside: { kept: [1] } } });
      await scene.store.createRuns([run]);
      const { leased: _leased, ...root } = run.root;
      const expected = { ...root, run: RUN, seq: 0, position: "ready", deliveries: 0 };
      expect(await scene.store.fibers(RUN)).toEqual([expected]);
    });

    it("knows nothing of a run that was never created", async ({ store }) => {
      expect(await store.load(RUN)).toBe(undefined);
      expect(await store.fibers(RUN)).toEqual([]);
      expect(await store.history(RUN)).toEqual([]);
      expect(await store.messages(RUN)).toEqual([]);
      expect(await store.children(RUN, child(0), 1)).toEqual([]);
    });

    it("writes down when a run was first leased, by its own clock", async (scene) => {
      await scene.start();
      expect((await scene.store.load(RUN))?.startedAt).toBe(undefined);
      scene.clock.advance(70);
      const { held } = await scene.claimOne(await scene.worker());
      expect((await scene.store.load(RUN))?.startedAt).toBe(START_MS + 70);
      await scene.pass(handBack(held, scene.clock.now()));
      scene.clock.advance(70);
      await scene.claimOne(held.lease);
      expect((await scene.store.load(RUN))?.startedAt).toBe(START_MS + 70);
    });

    it("writes down the start of a run that is born leased", async (scene) => {
      await scene.hold(await scene.worker());
      expect((await scene.store.load(RUN))?.startedAt).toBe(START_MS);
    });

    it("never changes the input of a run (I6)", async (scene) => {
      const held = await scene.hold(await scene.worker(), { input: { order: 1 } });
      await scene.pass(transition(held, { value: { order: 2 }, context: { order: 3 } }));
      expect((await scene.store.load(RUN))?.input).toEqual({ order: 1 });
    });

    it("hands out records that later changes do not reach", async (scene) => {
      const held = await scene.hold(await scene.worker());
      const [run, fiber] = [await scene.store.load(RUN), await scene.fiber()];
      await scene.pass(endRun(held, { output: "done" }));
      expect(run?.status).toBe("running");
      expect(fiber).toMatchObject({ seq: 0, position: "leased" });
    });
  },
};

type Situation = (scene: Scene, held: Held) => Promise<unknown>;

const withChild = (then: (scene: Scene, root: Held, first: Held) => Promise<unknown>): Situation => {
  return async (scene, held) => {
    const spawn = [newChild(1, { leased: true })];
    const wait = { kind: "join" as const };
    await scene.pass(park(held, { names: ["join"], wait, spawn }));
    await then(scene, next(held), sibling(held, child(1)));
  };
};

/** Each row: what was done with the fibers of a run that its worker holds, and the status read from them. */
const STATUSES: readonly (readonly [what: string, status: RunStatus, situation: Situation])[] = [
  ["its fiber is leased", "running", async () => {}],
  ["its fiber is ready", "running", async (s, held) => s.pass(handBack(held, START_MS))],
  ["its fiber is ready later", "running", async (s, held) => s.pass(handBack(held, START_MS + 9_000))],
  ["its fiber waits for a message", "waiting", async (s, held) => s.pass(park(held))],
  ["its fiber waits for a time", "waiting", async (s, held) => s.pass(park(held, { names: [], until: START_MS + 9 }))],
  ["its fiber waits for a human", "paused", async (s, held) => s.pass(park(held, { wait: { kind: "human" } }))],
  [
    "what its fiber waits for has come",
    "running",
    async (s, held) => {
      await s.pass(park(held));
      await s.deliver("paid");
    },
  ],
  [
    "the due time of its parked fiber has come",
    "running",
    async (s, held) => {
      await s.pass(park(held, { names: [], until: START_MS + 9 }));
      s.clock.advance(9);
    },
  ],
  ["a child works for its parent", "running", withChild(async () => {})],
  [
    "a child waits for a human",
    "paused",
    withChild(async (s, _root, first) => s.pass(park(first, { wait: humanWait() }))),
  ],
  ["a child waits for a message", "waiting", withChild(async (s, _root, first) => s.pass(park(first)))],
  [
    "one child waits for a human, another for a message",
    "paused",
    async (s, held) => {
      const spawn = [newChild(1, { leased: true }), newChild(2, { leased: true })];
      await s.pass(park(held, { names: ["join"], wait: { kind: "join" }, spawn }));
      await s.pass(park(sibling(held, child(1)), { wait: humanWait() }));
      await s.pass(park(sibling(held, child(2)), { wait: openWait() }));
    },
  ],
  [
    "an ended child woke its parent",
    "running",
    withChild(async (s, _root, first) => {
      const send = [{ run: RUN, id: "join-1", name: "join", data: null, sentAt: START_MS }];
      await s.pass(endChild(first, { send }));
    }),
  ],
  ["it completed", "completed", async (s, held) => s.pass(endRun(held))],
  ["it failed", "failed", async (s, held) => s.pass(endRun(held, { status: "failed" }))],
  ["it was cancelled", "cancelled", async (s, held) => s.pass(endRun(held, { status: "cancelled" }))],
];

export const statuses: AspectSuite = {
  aspect: "status",
  title: "reads the status of a run from its fibers",
  define({ it, expect }) {
    it("says pending until the run is first leased", async (scene) => {
      await scene.start();
      expect(await scene.status()).toBe("pending");
      await scene.claimOne(await scene.worker());
      expect(await scene.status()).toBe("running");
    });

    for (const [what, status, situation] of STATUSES) {
      it(`says ${status} when ${what}`, async (scene) => {
        const held = await scene.hold(await scene.worker());
        await situation(scene, held);
        expect(await scene.status()).toBe(status);
        const listed = await scene.store.list({ status });
        expect(listed.items.map((run) => [run.id, run.status])).toEqual([[RUN, status]]);
      });
    }
  },
};
