import { ROOT_FIBER, runId } from "../../domain/ids.ts";
import type { Transition } from "../../ports/store.ts";
import {
  blobOf,
  child,
  LEASE_MS,
  newChild,
  newMessage,
  newRun,
  OTHER_RUN,
  OTHER_WORKER,
  RUN,
  START_MS,
} from "./records.ts";
import type { Scene } from "./scene.ts";
import type { AspectSuite } from "./suite.ts";
import { endChild, endRun, handBack, type Held, newEvent, next, park, sibling, transition } from "./transitions.ts";

const LOST = { status: "lost" };

/** Each row: how the held fiber slips out of the worker's hands, and what the worker then holds in vain. */
const LOSSES: readonly (readonly [what: string, lose: (scene: Scene, held: Held) => Promise<Held>])[] = [
  [
    "the sequence number is behind",
    async (scene, held) => {
      await scene.pass(transition(held));
      return held;
    },
  ],
  ["the sequence number is ahead", async (_scene, held) => next(held)],
  ["the epoch is older", async (_scene, held) => ({ ...held, lease: { ...held.lease, epoch: held.lease.epoch - 1 } })],
  ["the epoch is newer than that of the claim", async (scene, held) => ({ ...held, lease: await scene.worker() })],
  ["another worker commits", async (scene, held) => ({ ...held, lease: await scene.worker(OTHER_WORKER) })],
  [
    "another worker commits under the same epoch",
    async (_scene, held) => ({ ...held, lease: { ...held.lease, worker: OTHER_WORKER } }),
  ],
  ["the fiber was handed back", async (scene, held) => scene.pass(handBack(held, START_MS))],
  ["the fiber was parked", async (scene, held) => scene.pass(park(held))],
  [
    "the lease was released",
    async (scene, held) => {
      await scene.store.release(held.lease.worker, held.lease.epoch);
      return held;
    },
  ],
  [
    "the lease was swept",
    async (scene, held) => {
      scene.clock.advance(LEASE_MS + 1);
      await scene.store.sweep();
      return held;
    },
  ],
  [
    "the lease was swept and the worker came back",
    async (scene, held) => {
      scene.clock.advance(LEASE_MS + 1);
      await scene.store.sweep();
      return { ...held, lease: await scene.worker() };
    },
  ],
  [
    "another worker took it over",
    async (scene, held) => {
      scene.clock.advance(LEASE_MS + 1);
      await scene.store.sweep();
      await scene.claimOne(await scene.worker(OTHER_WORKER));
      return held;
    },
  ],
  ["the run has ended", async (scene, held) => scene.pass(endRun(held))],
  ["the fiber never existed", async (_scene, held) => sibling(held, child(9))],
  ["the run never existed", async (_scene, held) => ({ ...held, run: runId("run-9") })],
];

export const fence: AspectSuite = {
  aspect: "fence",
  title: "lets nobody write who does not own the fiber (I2)",
  define({ it, expect }) {
    for (const [what, lose] of LOSSES) {
      it(`answers lost and writes nothing when ${what}`, async (scene) => {
        const stale = await lose(scene, await scene.hold(await scene.worker()));
        const before = await scene.picture(RUN, OTHER_RUN);
        const everything = {
          value: "stale",
          event: newEvent("stale"),
          send: [newMessage({ id: "stale" })],
          spawn: [newChild(7)],
          startRuns: [newRun({ id: OTHER_RUN })],
          blobs: [blobOf("stale")],
        };
        expect(await scene.commit(transition(stale, everything))).toEqual(LOST);
        expect(await scene.picture(RUN, OTHER_RUN)).toEqual(before);
        expect(await scene.store.blob(blobOf("stale").hash)).toBe(undefined);
      });
    }

    it("lets the worker go on while its lease ran out but nobody swept it", async (scene) => {
      const held = await scene.hold(await scene.worker());
      scene.clock.advance(LEASE_MS * 100);
      await scene.pass(transition(held));
    });

    it("answers lost to an ended child that commits again", async (scene) => {
      const held = await scene.hold(await scene.worker());
      await scene.pass(transition(held, { spawn: [newChild(1, { leased: true })] }));
      const ended = await scene.pass(endChild(sibling(held, child(1)), { state: "result" }));
      expect(await scene.commit(transition(ended, { state: "again" }))).toEqual(LOST);
      expect(await scene.store.children(RUN, ROOT_FIBER, 1)).toMatchObject([{ state: "result" }]);
    });

    it("answers lost to the siblings of a fiber that ended the run", async (scene) => {
      const held = await scene.hold(await scene.worker());
      const root = await scene.pass(transition(held, { spawn: [newChild(1, { leased: true })] }));
      await scene.pass(endRun(root));
      expect(await scene.commit(transition(sibling(held, child(1))))).toEqual(LOST);
    });

    it("lets one of two owners win when both commit the same step", async (scene) => {
      const held = await scene.hold(await scene.worker());
      const attempts = ["a", "b", "c"].map(async (value) =>
        scene.commit(transition(held, { value, event: newEvent(value) })),
      );
      const outcomes = await Promise.all(attempts);
      expect(outcomes.map(({ status }) => status).toSorted()).toEqual(["committed", "lost", "lost"]);
      expect(await scene.facts()).toEqual([["created"], (await scene.fiber())?.value]);
    });
  },
};

type Effect = readonly [what: string, given: Partial<Transition>];

const EFFECTS: readonly Effect[] = [
  ["write state", { state: "new", value: "new", context: "new", aside: "new" }],
  ["write an event", { event: newEvent("new") }],
  ["change the scheduling", { scheduling: { queue: "mail", priority: 9 } }],
  ["park the fiber", { position: { kind: "parked", names: ["x"] } }],
  ["send to its own run", { send: [newMessage({ id: "new" })] }],
  ["wake another run", { send: [newMessage({ id: "new", run: OTHER_RUN })] }],
  ["spawn children", { spawn: [newChild(2)] }],
  ["start a run", { startRuns: [newRun({ id: runId("run-3") })] }],
  ["cancel children", { cancelFork: { fork: 1, reason: "enough" } }],
  ["cancel a run", { cancelRuns: [{ run: OTHER_RUN, reason: "enough" }] }],
  ["drop a fork", { dropFork: 1 }],
  ["end the run", { position: { kind: "ended", outcome: "failed" }, endRun: { status: "failed", at: START_MS } }],
];

/** A run whose root holds one ended child and one message, and another run that waits. */
async function furnished(scene: Scene): Promise<Held> {
  const lease = await scene.worker();
  await scene.pass(park(await scene.hold(lease, { id: OTHER_RUN })));
  const held = await scene.hold(lease);
  const root = await scene.pass(transition(held, { spawn: [newChild(1, { leased: true })] }));
  await scene.pass(endChild(sibling(held, child(1))));
  await scene.deliver("note");
  return root;
}

export const atomic: AspectSuite = {
  aspect: "atomic",
  title: "writes a transition whole or not at all (I1)",
  define({ it, expect }) {
    for (const [why, spoil] of [
      ["lost", async (_scene: Scene, held: Held): Promise<Transition> => transition(next(held))],
      [
        "conflict",
        async (scene: Scene, held: Held): Promise<Transition> =>
          transition(held, { consume: [(await scene.messageSeq("m1")) + 1_000] }),
      ],
    ] as const) {
      for (const [what, given] of EFFECTS) {
        it(`does not ${what} when the answer is ${why}`, async (scene) => {
          const held = await furnished(scene);
          const before = await scene.picture(RUN, OTHER_RUN, runId("run-3"));
          const spoilt = await spoil(scene, held);
          expect(await scene.commit({ ...spoilt, ...given })).toEqual({ status: why });
          expect(await scene.picture(RUN, OTHER_RUN, runId("run-3"))).toEqual(before);
        });
      }
    }

    it("writes everything that a transition says", async (scene) => {
      const held = await furnished(scene);
      const consume = [await scene.messageSeq("m1")];
      const effects: Partial<Transition> = {
        state: "new",
        event: newEvent("new"),
        scheduling: { queue: "mail", priority: 9 },
        send: [newMessage({ id: "own" }), newMessage({ id: "theirs", run: OTHER_RUN })],
        spawn: [newChild(2, { fork: 2 })],
        startRuns: [newRun({ id: runId("run-3") })],
        dropFork: 1,
        consume,
      };
      await scene.pass(transition(held, effects));
      expect(await scene.store.fibers(RUN)).toMatchObject([
        { key: ROOT_FIBER, state: "new", queue: "mail", priority: 9, seq: held.seq + 1 },
        { key: child(2), position: "ready" },
      ]);
      expect(await scene.mailbox(RUN)).toEqual(["own"]);
      expect(await scene.mailbox(OTHER_RUN)).toEqual(["theirs"]);
      expect((await scene.facts()).at(-1)).toBe("new");
      expect(await scene.status(OTHER_RUN)).toBe("running");
      expect(await scene.status(runId("run-3"))).toBe("pending");
    });
  },
};
