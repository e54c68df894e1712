import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { mongodbStore } from "../../src/mongodb.ts";
import { ManualClock } from "../../src/testing/conformance/clock.ts";
import {
  child,
  LEASE_MS,
  newChild,
  newFiber,
  newMessage,
  OTHER_RUN,
  OTHER_WORKER,
  RUN,
  START_MS,
} from "../../src/testing/conformance/records.ts";
import { Scene } from "../../src/testing/conformance/scene.ts";
import { endChild, endRun, next, park, sibling, transition } from "../../src/testing/conformance/transitions.ts";
import type { Document } from "../mongo-double/wire.ts";
import { MongoDouble } from "../mongo-double/server.ts";

/*
 * A process that stands still in the middle of an operation, while others finish it and go on. When it comes round again, what
 * it still has to say must change nothing.
 */

let double: MongoDouble;
let count = 0;

beforeAll(async () => {
  double = await MongoDouble.start();
});
afterAll(async () => double[Symbol.asyncDispose]());

interface Two extends AsyncDisposable {
  readonly slow: Scene;
  readonly quick: Scene;
  readonly clock: ManualClock;
}

async function twoProcesses(): Promise<Two> {
  const clock = new ManualClock(START_MS);
  const database = `late-${count++}`;
  const stores = [
    await mongodbStore({ url: double.url, database, clock }),
    await mongodbStore({ url: double.url, database, clock }),
  ] as const;
  const [slow, quick] = stores.map((store) => new Scene(store, clock, expect)) as [Scene, Scene];
  return {
    slow,
    quick,
    clock,
    [Symbol.asyncDispose]: async () => {
      for (const store of stores) await store.close();
    },
  };
}

interface Standstill {
  readonly reached: Promise<void>;
  readonly goOn: () => void;
}

/** Holds up the first command that fits; all others pass. */
function standStill(fits: (name: string, command: Document) => boolean): Standstill {
  let goOn = (): void => undefined;
  const gate = new Promise<void>((resolve) => (goOn = resolve));
  let arrive = (): void => undefined;
  const reached = new Promise<void>((resolve) => (arrive = resolve));
  double.intercept = ({ name, command }) => {
    if (!fits(name, command)) return "pass";
    double.intercept = () => "pass";
    arrive();
    return { delay: gate };
  };
  return { reached, goOn };
}

const filtersOf = (command: Document): readonly Document[] =>
  ((command["updates"] ?? command["deletes"] ?? []) as readonly { readonly q: Document }[]).map(({ q }) => q);
/** A write to children: its filter names their life. */
const isRedo = (name: string, command: Document): boolean =>
  (name === "update" || name === "delete") && filtersOf(command).some((filter) => "life" in filter);
const writesTo =
  (run: string) =>
  (name: string, command: Document): boolean =>
    name === "update" && filtersOf(command).some((filter) => filter["_id"] === run && "v" in filter);

describe("the mongodb store, when a process stands still (double)", () => {
  test("a child's document that is written late does not undo what came after", async () => {
    await using two = await twoProcesses();
    const root = await two.slow.hold(await two.slow.worker());
    await two.slow.pass(transition(root, { spawn: [newChild(1, { leased: true })] }));
    const first = sibling(root, child(1));
    const still = standStill(isRedo);
    const late = two.slow.pass(transition(first, { value: "first" }));
    await still.reached;
    expect(await two.quick.fiber(RUN, child(1))).toMatchObject({ seq: 1, value: "first" });
    await two.quick.pass(transition(next(first), { value: "second" }));
    await two.quick.deliver("note"); // so that no reader repairs the child from the run's redo
    still.goOn();
    await late;
    expect(await two.quick.fiber(RUN, child(1))).toMatchObject({ seq: 2, value: "second" });
  });

  test("children that are dropped late do not take those of the next fork along", async () => {
    await using two = await twoProcesses();
    const root = await two.slow.hold(await two.slow.worker());
    const opened = await two.slow.pass(transition(root, { spawn: [newChild(1, { leased: true })] }));
    await two.slow.pass(endChild(sibling(root, child(1))));
    const still = standStill(isRedo);
    const late = two.slow.pass(transition(opened, { dropFork: 1 }));
    await still.reached;
    await two.quick.pass(transition(next(opened), { spawn: [newChild(1, { leased: true, state: "anew" })] }));
    await two.quick.pass(endChild(sibling(root, child(1)), { value: "new" }));
    still.goOn();
    await late;
    expect(await two.quick.fiber(RUN, child(1))).toMatchObject({ position: "ended", value: "new" });
  });

  test("the end of a run, told late, does not touch the run that was revived", async () => {
    await using two = await twoProcesses();
    const root = await two.slow.hold(await two.slow.worker());
    const opened = await two.slow.pass(transition(root, { spawn: [newChild(1)] }));
    const still = standStill(isRedo);
    const late = two.slow.pass(endRun(opened, { status: "failed" }));
    await still.reached;
    const fibers = [newFiber(), newChild(1, { state: "again" })];
    expect(
      await two.quick.store.revive({
        run: RUN,
        fibers,
        event: { at: START_MS, facts: "revived" },
        messages: [],
        blobs: [],
      }),
    ).toBe("revived");
    still.goOn();
    await late;
    expect((await two.quick.store.fibers(RUN)).map(({ key }) => key)).toEqual([root.fiber, child(1)]);
  });

  test("a message is delivered once when a sweep delivered it meanwhile and its reader consumed it", async () => {
    await using two = await twoProcesses();
    const lease = await two.slow.worker(undefined, LEASE_MS * 1_000);
    await two.slow.pass(park(await two.slow.hold(lease, { id: OTHER_RUN })));
    const root = await two.slow.hold(lease);
    const still = standStill(writesTo(OTHER_RUN));
    const send = [{ run: OTHER_RUN, name: "paid", data: 1, sentAt: START_MS }];
    const late = two.slow.pass(transition(root, { send }));
    await still.reached;
    two.clock.advance(5_000);
    await two.quick.store.sweep();
    const { fiber, held } = await two.quick.claimOne(await two.quick.worker(OTHER_WORKER));
    expect(fiber.messages.length).toBe(1);
    await two.quick.pass(park(held, { consume: fiber.messages.map(({ seq }) => seq) }));
    still.goOn();
    await late;
    expect(await two.quick.store.messages(OTHER_RUN)).toEqual([]);
    expect((await two.quick.fiber(OTHER_RUN))?.readyAt).toBe(undefined);
  });

  test("a deadline does not beat an answer that was accepted while it was being written", async () => {
    await using two = await twoProcesses();
    const root = await two.slow.hold(await two.slow.worker());
    const still = standStill(writesTo(RUN));
    const late = two.slow.commit(transition(root, { unless: ["paid"], value: "timed out" }));
    await still.reached;
    expect(await two.quick.store.signal(newMessage())).toBe("delivered");
    still.goOn();
    expect(await late).toEqual({ status: "conflict" });
    expect((await two.quick.fiber())?.value).toBe("value");
  });
});
