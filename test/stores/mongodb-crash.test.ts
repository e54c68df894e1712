import { MongoClient } from "mongodb";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ROOT_FIBER, runId } from "../../src/domain/ids.ts";
import { checkInvariants } from "../../src/engine/invariants.ts";
import { mongodbStore } from "../../src/mongodb.ts";
import type { Store } from "../../src/ports/store.ts";
import { ManualClock } from "../../src/testing/conformance/clock.ts";
import {
  blobOf,
  child,
  FINGERPRINT,
  newChild,
  newFiber,
  newMessage,
  newRun,
  OTHER_RUN,
  QUEUE,
  RUN,
  START_MS,
} from "../../src/testing/conformance/records.ts";
import { Scene } from "../../src/testing/conformance/scene.ts";
import { endChild, endRun, newEvent, park, sibling, transition } from "../../src/testing/conformance/transitions.ts";
import { type Fate, MongoDouble } from "../mongo-double/server.ts";

/*
 * Every place between two commands of an operation, with the question lost or the answer, and the process dead from then on.
 * Another process sweeps. What it finds must be the state before the operation or the one after it, nothing between; and when the
 * operation is asked for once more, the one after it, with nothing applied twice.
 */

type Operation = (store: Store) => Promise<unknown>;
type Scenario = (scene: Scene) => Promise<Operation>;

const THIRD_RUN = runId("run-3");
const LONG_MS = 1_000_000_000; // no lease runs out: only leftovers are swept

const held = async (scene: Scene, run = RUN): ReturnType<Scene["hold"]> =>
  scene.hold(await scene.worker(undefined, LONG_MS), { id: run });

/** A root that holds two children, the second of which has parked. */
async function family(scene: Scene): Promise<Awaited<ReturnType<Scene["hold"]>>> {
  const root = await held(scene);
  const after = await scene.pass(
    transition(root, { spawn: [newChild(1, { leased: true }), newChild(2, { leased: true })] }),
  );
  await scene.pass(park(sibling(root, child(2))));
  return after;
}

const SCENARIOS: Readonly<Record<string, Scenario>> = {
  "a step": async (scene) => {
    const root = await held(scene);
    return (store) => store.commit([transition(root, { value: "new", event: newEvent("step") })]);
  },
  "a step with a blob": async (scene) => {
    const root = await held(scene);
    const blob = blobOf("x".repeat(300_000));
    return (store) =>
      store.commit([transition(root, { value: { $blob: blob.hash }, blobs: [blob], event: newEvent("step") })]);
  },
  "a step with a text too large for its row": async (scene) => {
    const root = await held(scene);
    return (store) => store.commit([transition(root, { value: "y".repeat(300_000) })]);
  },
  "the step after which events move out": async (scene) => {
    let root = await held(scene);
    for (let i = 0; i < 16; i++) root = await scene.pass(transition(root, { event: newEvent(i) }));
    return (store) => store.commit([transition(root, { event: newEvent("last") })]);
  },
  "parking with a message there": async (scene) => {
    const root = await held(scene);
    await scene.deliver("paid");
    return (store) => store.commit([park(root, { event: newEvent("parked") })]);
  },
  "a signal": async (scene) => {
    await scene.pass(park(await held(scene)));
    return (store) => store.signal(newMessage());
  },
  "opening a fork": async (scene) => {
    const root = await held(scene);
    const spawn = [1, 2, 3].map((i) => newChild(i, { leased: i === 1 }));
    return (store) =>
      store.commit([park(root, { names: ["join"], wait: { kind: "join" }, spawn, event: newEvent("fork") })]);
  },
  "a child that ends and wakes its parent": async (scene) => {
    const root = await held(scene);
    const spawn = [newChild(1, { leased: true })];
    await scene.pass(park(root, { names: ["join"], wait: { kind: "join" }, spawn }));
    const send = [newMessage({ id: "joined", name: "join" })];
    return (store) =>
      store.commit([endChild(sibling(root, child(1)), { value: "result", send, event: newEvent("child") })]);
  },
  "a message for a parked child": async (scene) => {
    await family(scene);
    return (store) => store.signal(newMessage());
  },
  "cancelling a fork": async (scene) => {
    const root = await family(scene);
    return (store) => store.commit([transition(root, { cancelFork: { fork: 1, reason: "enough" } })]);
  },
  "dropping a fork": async (scene) => {
    const root = await family(scene);
    await scene.pass(endChild(sibling(root, child(1))));
    return (store) => store.commit([transition(root, { dropFork: 1, event: newEvent("joined") })]);
  },
  "ending a run that has children": async (scene) => {
    const root = await family(scene);
    return (store) => store.commit([endRun(root, { output: "done" }, { event: newEvent("end") })]);
  },
  "a message to another run": async (scene) => {
    await scene.pass(park(await held(scene, OTHER_RUN)));
    const root = await held(scene);
    const send = [
      newMessage({ run: OTHER_RUN, id: "theirs" }),
      { run: OTHER_RUN, name: "note", data: 1, sentAt: START_MS },
    ];
    return (store) => store.commit([transition(root, { send, event: newEvent("sent") })]);
  },
  "starting and cancelling other runs": async (scene) => {
    await scene.pass(park(await held(scene, OTHER_RUN)));
    const root = await held(scene);
    const startRuns = [newRun({ id: THIRD_RUN, blobs: [blobOf("input")] })];
    return (store) => store.commit([transition(root, { startRuns, cancelRuns: [{ run: OTHER_RUN, reason: "why" }] })]);
  },
  "a batch of several runs": async (scene) => {
    const lease = await scene.worker(undefined, LONG_MS);
    const [first, second] = [await scene.hold(lease), await scene.hold(lease, { id: OTHER_RUN })];
    // Each stands or falls alone, so the pictures of a batch are compared run by run.
    return (store) =>
      store.commit([transition(first, { event: newEvent("a") }), transition(second, { event: newEvent("b") })]);
  },
  "a start that brings a family along": async () => {
    const continued = {
      events: [{ ...newEvent("before", 5), fiber: ROOT_FIBER }],
      fibers: [newChild(1, { ended: "completed", value: 1 }), newChild(2)],
      messages: [newMessage({ id: "kept" })],
    };
    return (store) => store.createRuns([newRun({ continued, blobs: [blobOf("kept")] })]);
  },
  "a claim": async (scene) => {
    const { worker, epoch } = await scene.worker(undefined, LONG_MS);
    await scene.start();
    return (store) => store.claim({ worker, epoch, fingerprints: [FINGERPRINT], queues: [QUEUE], limit: 10 });
  },
  "a claim of a child": async (scene) => {
    const root = await held(scene);
    const { worker, epoch } = root.lease;
    await scene.pass(transition(root, { spawn: [newChild(1)] }));
    return (store) => store.claim({ worker, epoch, fingerprints: [FINGERPRINT], queues: [QUEUE], limit: 10 });
  },
  "a claim from a governed queue": async (scene) => {
    const { worker, epoch } = await scene.worker(undefined, LONG_MS);
    await scene.store.putQueueRules([{ queue: QUEUE, concurrency: 1 }]);
    await scene.start();
    return (store) => store.claim({ worker, epoch, fingerprints: [FINGERPRINT], queues: [QUEUE], limit: 1 });
  },
  "giving leases back": async (scene) => {
    const root = await family(scene);
    return (store) => store.release(root.lease.worker, root.lease.epoch);
  },
  "a cancel request": async (scene) => {
    await family(scene);
    return (store) => store.cancel(RUN, "why");
  },
  "a revival": async (scene) => {
    const root = await family(scene);
    await scene.pass(endRun(root, { status: "failed" }));
    const fibers = [newFiber(), newChild(1, { ended: "completed" }), newChild(2)];
    return (store) => store.revive({ run: RUN, fibers, event: newEvent("revived"), messages: [], blobs: [] });
  },
  "a prune": async (scene) => {
    const root = await held(scene);
    await scene.deliver("paid");
    const blob = blobOf("gone");
    await scene.pass(endRun(root, {}, { blobs: [blob], event: newEvent("end") }));
    return (store) => store.prune({ endedBefore: START_MS + 1 });
  },
};

let double: MongoDouble;
let count = 0;

beforeAll(async () => {
  double = await MongoDouble.start();
});
afterAll(async () => double[Symbol.asyncDispose]());

/** One process: a client that looks again at once after its connection was cut. */
async function newProcess(
  database: string,
  clock: ManualClock,
): Promise<{ readonly store: Store; readonly close: () => Promise<void> }> {
  const client = new MongoClient(double.url, {
    retryWrites: false,
    serverSelectionTimeoutMS: 400,
    minHeartbeatFrequencyMS: 1,
  });
  const store = await mongodbStore({ client, database, clock });
  return {
    store,
    close: async () => {
      await store.close();
      await client.close();
    },
  };
}

type Picture = Awaited<ReturnType<Scene["picture"]>>;

interface Outcome {
  readonly commands: number;
  /** Before anybody swept: what the first reader finds. */
  readonly found: Picture;
  readonly swept: Picture;
  readonly again: Picture;
}

/** Prepares, runs the operation under a fate for each of its commands, and looks at it from another process. */
async function perform(scenario: Scenario, fateOf: (index: number) => Fate, operate = true): Promise<Outcome> {
  const database = `crash-${count++}`;
  const clock = new ManualClock(START_MS);
  const first = await newProcess(database, clock);
  const operation = await scenario(new Scene(first.store, clock, expect));
  let commands = 0;
  double.intercept = () => fateOf(commands++);
  if (operate) await operation(first.store).catch(() => undefined); // its process is dead; nobody hears
  double.intercept = () => "pass";
  await first.close();
  clock.advance(10_000);
  const second = await newProcess(database, clock);
  try {
    const scene = new Scene(second.store, clock, expect);
    const found = await scene.picture(RUN, OTHER_RUN, THIRD_RUN);
    await second.store.sweep();
    const swept = await scene.picture(RUN, OTHER_RUN, THIRD_RUN);
    expect(await checkInvariants(second.store, { now: clock.now() })).toEqual([]);
    if (operate) await operation(second.store);
    clock.advance(10_000);
    await second.store.sweep();
    const again = await scene.picture(RUN, OTHER_RUN, THIRD_RUN);
    return { commands, found: timeless(found), swept: timeless(swept), again: timeless(again) };
  } finally {
    await second.close();
    double.forget(database);
  }
}

/** Without what depends on when it was done, not on whether: due times, and the instant of the first lease. */
function timeless(picture: Picture): Picture {
  const text = JSON.stringify(picture, (key, value: unknown) =>
    key === "readyAt" || key === "startedAt" ? "some time" : value,
  );
  return JSON.parse(text) as Picture;
}

describe("the mongodb store, cut off between any two commands (double)", () => {
  for (const [what, scenario] of Object.entries(SCENARIOS)) {
    test(`${what} is there whole or not at all, and once`, async () => {
      const before = (await perform(scenario, () => "pass", false)).swept;
      const done = await perform(scenario, () => "pass");
      const after = done.swept;
      expect(done.commands).toBeGreaterThan(0);
      for (let cut = 0; cut < done.commands; cut++) {
        for (const fate of ["drop-before", "drop-after"] as const) {
          const found = await perform(scenario, (index) =>
            index < cut ? "pass" : index === cut ? fate : "drop-before",
          );
          for (const run of [RUN, OTHER_RUN, THIRD_RUN]) {
            const whole = [JSON.stringify(before[run]), JSON.stringify(after[run])];
            expect(whole, `found after ${fate} ${cut}, ${run}`).toContain(JSON.stringify(found.found[run]));
            expect(whole, `swept after ${fate} ${cut}, ${run}`).toContain(JSON.stringify(found.swept[run]));
          }
          expect(found.again, `again after ${fate} ${cut}`).toEqual(done.again);
        }
      }
    });
  }
});

describe("the mongodb store, one answer lost (double)", () => {
  for (const [what, scenario] of Object.entries(SCENARIOS)) {
    test(`${what} is done once`, async () => {
      const done = await perform(scenario, () => "pass");
      for (let cut = 0; cut < done.commands; cut++) {
        const found = await perform(scenario, (index) => (index === cut ? "drop-after" : "pass"));
        expect(found.again, `lost ${cut}`).toEqual(done.again);
      }
    });
  }
});
