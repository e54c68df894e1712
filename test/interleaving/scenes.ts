import { fingerprintOf, ROOT_FIBER, runId, workerId, type RunId } from "../../src/domain/ids.ts";
import { sha256 } from "../../src/domain/sha256.ts";
import type { Lease, NewRun, Store } from "../../src/ports/store.ts";
import {
  anonymousMessage,
  child,
  FINGERPRINT,
  LEASE_MS,
  newChild,
  newMessage,
  newRun,
  OTHER_RUN,
  QUEUE,
  RUN,
  START_MS,
} from "../../src/testing/conformance/records.ts";
import type { Scene } from "../../src/testing/conformance/scene.ts";
import {
  endChild,
  endRun,
  handBack,
  type Held,
  heldOf,
  newEvent,
  park,
  sibling,
  transition,
} from "../../src/testing/conformance/transitions.ts";

/*
 * Situations in which two operations meet on the same rows. Each names the operations that are possible in it; the explorer
 * lets every ordered pair of them run against each other.
 */

/** Something that a worker, a client or the sweep does to the store. */
export interface Operation {
  readonly name: string;
  /** May do less than it could when it meets somebody else's lock, because it comes again: claim, sweep, prune. */
  readonly mayDoLess?: boolean;
  run(store: Store): Promise<unknown>;
}

export interface Situation {
  readonly name: string;
  /** What a pair of its operations has to be tried in at least, all together: a gate that never closes would prove nothing. */
  readonly leastSchedules: number;
  /** Pairs that are also tried statement by statement unless all are: those whose statements lean on each other's locks. */
  readonly closest: readonly (readonly [string, string])[];
  prepare(scene: Scene): Promise<readonly Operation[]>;
  /** What each of the two stores has seen before. */
  readonly learn?: (store: Store) => Promise<unknown>;
}

const A = workerId("worker-a");
const B = workerId("worker-b");
const DEAD = workerId("worker-dead");
const OTHER_FINGERPRINT = fingerprintOf(sha256("another flow"));

const claim = (name: string, { worker, epoch }: Lease, fingerprint = FINGERPRINT): Operation => ({
  name: `claim by ${name}`,
  mayDoLess: true,
  run: (store) => store.claim({ worker, epoch, fingerprints: [fingerprint], queues: [QUEUE], limit: 10 }),
});

const commit = (name: string, of: ReturnType<typeof transition>): Operation => ({
  name,
  run: (store) => store.commit([of]),
});

const signal = (id: string): Operation => ({
  name: `signal ${id}`,
  run: (store) => store.signal(newMessage({ id, name: "paid" })),
});

const cancel: Operation = { name: "cancel", run: (store) => store.cancel(RUN, "enough") };
const sweep: Operation = { name: "sweep", mayDoLess: true, run: (store) => store.sweep() };
const prune: Operation = {
  name: "prune",
  mayDoLess: true,
  run: (store) => store.prune({ endedBefore: START_MS + 1_000_000 }),
};
const register = (worker: Lease["worker"]): Operation => ({
  name: `register ${worker} anew`,
  run: (store) => store.register(worker, LEASE_MS),
});

/** One fiber in the hands of a worker whose lease has run out and which does not know it yet. */
const held: Situation = {
  name: "a fiber whose worker is late",
  leastSchedules: 690,
  closest: [
    ["park", "signal m1"],
    ["park", "cancel"],
    ["park", "sweep"],
    ["fork", "release"],
    ["fork", "sweep"],
    ["fork", "register worker-dead anew"],
    ["consume", "signal m1"],
    ["end the run", "signal m1"],
    ["end the run", "cancel"],
    ["start a run", "start the same run"],
    ["sweep", "claim by b"],
    ["heartbeat", "sweep"],
  ],
  async prepare(scene) {
    const [b, late] = [await scene.worker(B, 1_000_000), await scene.worker(DEAD)];
    const fiber = await scene.hold(late);
    await scene.signal({ id: "m0", name: "other" });
    scene.clock.advance(LEASE_MS + 1);
    return [
      commit("commit", transition(fiber, { event: newEvent(["done"]) })),
      commit("park", park(fiber, { event: newEvent(["parked"]) })),
      commit("park with a deadline", park(fiber, { until: START_MS + 1 })),
      commit(
        "fork",
        park(fiber, { names: ["join:1"], wait: { kind: "join" }, spawn: [newChild(1, { leased: true }), newChild(2)] }),
      ),
      commit("consume", transition(fiber, { consume: [await scene.messageSeq("m0")] })),
      commit("hand back", handBack(fiber, START_MS)),
      commit("end the run", endRun(fiber)),
      commit("send to itself", park(fiber, { send: [anonymousMessage({ name: "paid" })] })),
      commit("start a run", transition(fiber, { startRuns: [newRun({ id: OTHER_RUN })] })),
      { name: "start the same run", run: (store) => store.createRuns([newRun({ id: OTHER_RUN })]) },
      { name: "release", run: (store) => store.release(DEAD, late.epoch) },
      { name: "heartbeat", run: (store) => store.heartbeat(DEAD, late.epoch, LEASE_MS) },
      register(DEAD),
      signal("m1"),
      cancel,
      sweep,
      claim("b", b),
    ];
  },
};

/** A parked fiber whose deadline has come. */
const parked: Situation = {
  name: "a parked fiber that is due",
  leastSchedules: 100,
  closest: [
    ["claim by a", "claim by b"],
    ["claim by a", "signal m1"],
    ["claim by a", "cancel"],
    ["signal m1", "signal m2"],
  ],
  async prepare(scene) {
    const [a, b] = [await scene.worker(A, 1_000_000), await scene.worker(B, 1_000_000)];
    await scene.pass(park(await scene.hold(a), { until: START_MS + 5 }));
    scene.clock.advance(5);
    return [claim("a", a), claim("b", b), signal("m1"), signal("m2"), cancel, sweep];
  },
};

/** A parked fiber that only a message moves on. */
const waiting: Situation = {
  name: "a parked fiber that waits",
  leastSchedules: 130,
  closest: [
    ["signal m1", "send from another run"],
    ["claim by a", "signal m1"],
    ["cancel", "cancel from another run"],
  ],
  async prepare(scene) {
    const [a, b] = [await scene.worker(A, 1_000_000), await scene.worker(B, 1_000_000)];
    await scene.pass(park(await scene.hold(a)));
    const other = await scene.hold(b, { id: OTHER_RUN });
    return [
      claim("a", a),
      claim("b", b),
      signal("m1"),
      signal("m2"),
      cancel,
      commit("send from another run", transition(other, { send: [newMessage({ id: "m1", name: "paid" })] })),
      commit("cancel from another run", transition(other, { cancelRuns: [{ run: RUN, reason: "no more" }] })),
    ];
  },
};

/** Two children in different hands, their parent joining. */
const joining: Situation = {
  name: "a join",
  leastSchedules: 140,
  closest: [
    ["child 1 ends", "child 2 ends"],
    ["child 2 ends", "sweep"],
    ["child 2 ends", "release by b"],
    ["child 1 ends", "claim by a"],
    ["child 1 ends", "cancel"],
  ],
  async prepare(scene) {
    const [a, b] = [await scene.worker(A, 1_000_000), await scene.worker(B)];
    const root = await scene.hold(a);
    const spawn = [newChild(1, { leased: true }), newChild(2)];
    await scene.pass(park(root, { names: ["join:1"], wait: { kind: "join" }, spawn }));
    const second = (await scene.claimOne(b)).held;
    scene.clock.advance(LEASE_MS + 1);
    const report = { send: [anonymousMessage({ name: "join:1" })] };
    return [
      commit("child 1 ends", endChild(sibling(root, child(1)), report)),
      commit("child 2 ends", endChild(second, report)),
      commit("child 1 goes on", transition(sibling(root, child(1)))),
      claim("a", a),
      cancel,
      sweep,
      { name: "release by b", run: (store) => store.release(B, second.lease.epoch) },
    ];
  },
};

/** A parent that has been woken by its first child, and cancels or drops what is left. */
const gathering: Situation = {
  name: "a parent that gathers",
  leastSchedules: 170,
  closest: [
    ["the parent cancels the fork", "child 2 ends"],
    ["the parent drops the fork", "child 1 ends"],
    ["the parent joins", "child 1 ends"],
    ["the parent ends the run", "child 2 waits"],
    ["the parent joins", "signal m1"],
  ],
  async prepare(scene) {
    const [a, b] = [await scene.worker(A, 1_000_000), await scene.worker(B, 1_000_000)];
    const root = await scene.hold(a);
    const spawn = [newChild(1, { leased: true }), newChild(2)];
    const parent = await scene.pass(transition(root, { spawn }));
    const second = (await scene.claimOne(b)).held;
    const report = { send: [anonymousMessage({ name: "join:1" })] };
    return [
      commit("the parent cancels the fork", transition(parent, { cancelFork: { fork: 1, reason: "enough" } })),
      commit("the parent drops the fork", transition(parent, { dropFork: 1 })),
      commit("the parent joins", park(parent, { names: ["join:1"], wait: { kind: "join" } })),
      commit("the parent ends the run", endRun(parent)),
      commit("child 1 ends", endChild(sibling(root, child(1)), report)),
      commit("child 2 ends", endChild(second, report)),
      commit("child 2 waits", park(second)),
      signal("m1"),
      cancel,
    ];
  },
};

/** A run that has called another one, which is about to end. */
const calling: Situation = {
  name: "a call",
  leastSchedules: 100,
  closest: [
    ["the callee ends", "claim by a"],
    ["the callee ends", "cancel"],
    ["the callee ends", "prune"],
  ],
  async prepare(scene) {
    const [a, b] = [await scene.worker(A, 1_000_000), await scene.worker(B, 1_000_000)];
    const caller = await scene.hold(a);
    const parent = { run: RUN, fiber: ROOT_FIBER, reply: "call#0" };
    const callee = await scene.hold(b, { id: OTHER_RUN, parent });
    await scene.pass(park(caller, { names: ["call"], wait: { kind: "call" } }));
    const answer = { send: [anonymousMessage({ run: RUN, name: "call" })] };
    return [
      commit("the callee ends", endRun(callee, {}, answer)),
      commit("the callee waits", park(callee)),
      claim("a", a),
      cancel,
      { name: "cancel the callee", run: (store) => store.cancel(OTHER_RUN, "stop") },
      prune,
    ];
  },
};

/** A run that has ended and may come back, or go for good. */
const ended: Situation = {
  name: "an ended run",
  leastSchedules: 140,
  closest: [
    ["revive", "revive too"],
    ["revive", "prune"],
    ["start the same run", "prune"],
    ["revive", "signal m1"],
  ],
  async prepare(scene) {
    const a = await scene.worker(A, 1_000_000);
    await scene.signal({ id: "early" }).catch(() => undefined);
    await scene.pass(endRun(await scene.hold(a), { status: "failed" }));
    const revival = {
      run: RUN,
      fibers: [newRun().root],
      event: newEvent(["revived"]),
      messages: [newMessage({ id: "again" })],
      blobs: [],
    };
    return [
      { name: "revive", run: (store) => store.revive(revival) },
      { name: "revive too", run: (store) => store.revive(revival) },
      { name: "start the same run", run: (store) => store.createRuns([newRun()]) },
      prune,
      signal("m1"),
      cancel,
      claim("a", a),
    ];
  },
};

/** Each is due a little later than the one before it: of rows that are equally urgent a claim may take any. */
const governedRun = (n: number, lane = "tenant"): NewRun =>
  newRun({ id: runId(`q${n}`), root: { lane, readyAt: START_MS + n } });

/** Three runs in a lane that admits one at a time. */
const governed: Situation = {
  name: "a governed lane",
  leastSchedules: 180,
  closest: [
    ["claim by a", "claim by b"],
    ["claim by a", "release"],
    ["claim by b", "the holder ends"],
    ["claim by b", "widen the rules"],
    ["widen the rules", "one more run"],
  ],
  async prepare(scene) {
    const [a, b] = [await scene.worker(A, 1_000_000), await scene.worker(B, 1_000_000)];
    await scene.store.putQueueRules([{ queue: QUEUE, lane: { concurrency: 1 } }]);
    scene.clock.advance(10);
    await scene.store.createRuns([1, 2, 3].map((n) => governedRun(n)));
    const first = await scene.claimOne(a);
    const fiber: Held = heldOf(first.fiber, a);
    return [
      claim("a", a),
      claim("b", b),
      commit("the holder ends", endRun(fiber)),
      commit("the holder waits", park(fiber)),
      commit("the holder goes on", transition(fiber)),
      { name: "release", run: (store) => store.release(A, a.epoch) },
      { name: "widen the rules", run: (store) => store.putQueueRules([{ queue: QUEUE, lane: { concurrency: 2 } }]) },
      { name: "one more run", run: (store) => store.createRuns([governedRun(4)]) },
    ];
  },
};

/** Three lanes with a run each, one of which is held, and workers who know that one call is enough. */
const plain: Situation = {
  name: "a governed queue of many lanes",
  leastSchedules: 100,
  closest: [
    ["claim by a", "claim by b"],
    ["claim by a", "free the queue"],
    ["claim by a", "narrow the rules"],
    ["claim by b", "the holder goes elsewhere"],
    ["free the queue", "one more run"],
    ["free the queue", "the holder comes back"],
  ],
  async prepare(scene) {
    const [a, b] = [await scene.worker(A, 1_000_000), await scene.worker(B, 1_000_000)];
    await scene.store.putQueueRules([{ queue: QUEUE, concurrency: 3, lane: { concurrency: 1 } }]);
    scene.clock.advance(10);
    await scene.store.createRuns([governedRun(1, "tenant 1")]);
    const first = await scene.claimOne(a);
    await scene.store.createRuns([2, 3].map((n) => governedRun(n, `tenant ${n}`)));
    const fiber: Held = heldOf(first.fiber, a);
    const again = { queue: QUEUE, lane: "tenant 4", priority: 1 };
    return [
      claim("a", a),
      claim("b", b),
      commit("the holder goes elsewhere", transition(fiber, { scheduling: { ...again, queue: "other" } })),
      commit("the holder comes back", transition(fiber, { scheduling: again })),
      { name: "free the queue", run: (store) => store.putQueueRules([{ queue: QUEUE }]) },
      {
        name: "narrow the rules",
        run: (store) => store.putQueueRules([{ queue: QUEUE, concurrency: 1, lane: { concurrency: 1 } }]),
      },
      { name: "one more run", run: (store) => store.createRuns([governedRun(4, "tenant 4")]) },
    ];
  },
  // A worker that nobody knows is given nothing.
  learn: (store) =>
    store.claim({ worker: workerId("nobody"), epoch: 0, fingerprints: [FINGERPRINT], queues: [QUEUE], limit: 10 }),
};

/** One place, and two workers who know different definitions: they want different rows, so only the rules stand between them. */
const contested: Situation = {
  name: "a governed queue with one place",
  leastSchedules: 15,
  closest: [
    ["claim by a", "claim by b"],
    ["claim by b", "widen the rules"],
  ],
  async prepare(scene) {
    const [a, b] = [await scene.worker(A, 1_000_000), await scene.worker(B, 1_000_000)];
    await scene.store.putQueueRules([{ queue: QUEUE, concurrency: 1 }]);
    scene.clock.advance(10);
    await scene.store.createRuns([governedRun(1), { ...governedRun(2, "other"), fingerprint: OTHER_FINGERPRINT }]);
    return [
      claim("a", a),
      claim("b", b, OTHER_FINGERPRINT),
      { name: "widen the rules", run: (store) => store.putQueueRules([{ queue: QUEUE, concurrency: 2 }]) },
    ];
  },
};

export const SITUATIONS: readonly Situation[] = [
  ...[held, parked, waiting, joining, gathering, calling, ended, governed, plain, contested],
];

/** The runs that appear in any situation. */
export const RUNS: readonly RunId[] = [RUN, OTHER_RUN, ...["q1", "q2", "q3", "q4"].map(runId)];
