import { ROOT_FIBER } from "../../domain/ids.ts";
import type { Store, WakeHint } from "../../ports/store.ts";
import {
  blobOf,
  FINGERPRINT,
  newMessage,
  newRun,
  OTHER_RUN,
  OTHER_WORKER,
  QUEUE,
  RUN,
  START_MS,
  storedDefinition,
  WORKER,
} from "./records.ts";
import { claimedCount, fill, govern } from "./governing.ts";
import { newItem } from "./items.ts";
import { newHold, spending } from "./ledger.ts";
import { rejection, Scene } from "./scene.ts";
import type { AspectSuite } from "./suite.ts";
import { endRun, newEvent, park, transition } from "./transitions.ts";

/** The first hint that fits. Nothing sleeps: a hint that never comes is the time-out of the case. */
const hintThat = async (
  store: Store,
  fits: (hint: WakeHint) => boolean,
  act: () => Promise<unknown>,
): Promise<void> => {
  let stop = (): void => {};
  const heard = new Promise<void>((resolve) => {
    stop = store.subscribe((hint) => {
      if (fits(hint)) resolve();
    });
  });
  try {
    await act();
    await heard;
  } finally {
    stop();
  }
};

export const hints: AspectSuite = {
  aspect: "hints",
  title: "tells listeners that something may be ready",
  define({ it, expect }) {
    const ready = ({ ready: now }: WakeHint): boolean => now;

    it("hints when a run is created", async (scene) => {
      await hintThat(scene.store, ready, async () => scene.start());
    });

    it("hints when a message wakes a fiber", async (scene) => {
      await scene.pass(park(await scene.hold(await scene.worker())));
      await hintThat(scene.store, ready, async () => scene.deliver("paid"));
    });

    it("hints when a run ends", async (scene) => {
      const held = await scene.hold(await scene.worker());
      const ended = ({ runs }: WakeHint): boolean => runs.includes(RUN);
      await hintThat(scene.store, ended, async () => scene.pass(endRun(held)));
    });

    it("hints when a run is asked to stop", async (scene) => {
      await scene.hold(await scene.worker());
      const asked = ({ runs }: WakeHint): boolean => runs.includes(RUN);
      await hintThat(scene.store, asked, async () => scene.store.cancel(RUN, "why"));
    });

    it("hints to every listener", async (scene) => {
      const second = hintThat(scene.store, ready, async () => {});
      await hintThat(scene.store, ready, async () => scene.start());
      await second;
    });

    it("is silent once a listener has gone, who may go twice", async (scene) => {
      let heard = 0;
      const stop = scene.store.subscribe(() => {
        heard += 1;
      });
      stop();
      stop();
      await hintThat(scene.store, ready, async () => scene.start());
      expect(heard).toBe(0);
    });
  },
};

/** Every operation of the store, to see that none works on a closed one. */
const OPERATIONS: readonly (readonly [name: string, call: (store: Store) => Promise<unknown>])[] = [
  ["createRuns", async (store) => store.createRuns([newRun()])],
  [
    "commit",
    async (store) =>
      store.commit([transition({ run: RUN, fiber: ROOT_FIBER, lease: { worker: WORKER, epoch: 1 }, seq: 0 })]),
  ],
  ["signal", async (store) => store.signal(newMessage())],
  ["cancel", async (store) => store.cancel(RUN, "why")],
  ["load", async (store) => store.load(RUN)],
  ["list", async (store) => store.list({})],
  ["register", async (store) => store.register(WORKER, 1_000)],
  [
    "claim",
    async (store) => store.claim({ worker: WORKER, epoch: 1, fingerprints: [FINGERPRINT], queues: [QUEUE], limit: 1 }),
  ],
  ["heartbeat", async (store) => store.heartbeat(WORKER, 1, 1_000)],
  ["sweep", async (store) => store.sweep()],
  ["getItems", async (store) => store.getItems([{ collection: "notes", key: "key-1" }])],
  ["putItems", async (store) => store.putItems([newItem()])],
  ["listItems", async (store) => store.listItems({ collection: "notes", limit: 1 })],
  ["hold", async (store) => store.hold([newHold()])],
  ["balances", async (store) => store.balances()],
];

export const closing: AspectSuite = {
  aspect: "close",
  title: "closes",
  define({ it, expect }) {
    it(
      "may be closed twice, and disposed of after that",
      async ({ store }) => {
        await store.close();
        await store.close();
        await store[Symbol.asyncDispose]();
      },
      { checked: false },
    );

    it(
      "closes when it is disposed of",
      async ({ store }) => {
        await store[Symbol.asyncDispose]();
        expect((await rejection(store.load(RUN))).code).toBe("STORE_CLOSED");
      },
      { checked: false },
    );

    for (const [name, call] of OPERATIONS) {
      it(
        `refuses ${name} afterwards`,
        async ({ store }) => {
          await store.close();
          expect((await rejection(call(store))).code).toBe("STORE_CLOSED");
        },
        { checked: false },
      );
    }

    it(
      "lets a listener go after it was closed",
      async ({ store }) => {
        const stop = store.subscribe(() => {});
        await store.close();
        stop();
      },
      { checked: false },
    );
  },
};

export const reopening: AspectSuite = {
  aspect: "reopen",
  title: "is the same when it is opened again (I3)",
  define({ it, expect, underTest }) {
    const reopen = async ({ store, clock }: Scene): Promise<Store> =>
      (await underTest.reopen?.(store, { clock })) ?? store;

    /** Runs `before`, opens the data again, and runs `after` on what was found. */
    const across = (
      name: string,
      before: (scene: Scene) => Promise<unknown>,
      after: (scene: Scene) => Promise<void>,
    ): void => {
      it(
        name,
        async (scene) => {
          await before(scene);
          await using store = await reopen(scene);
          await store.migrate();
          await after(new Scene(store, scene.clock, expect));
        },
        { checked: false },
      );
    };

    let picture: unknown;
    across(
      "shows the same runs, fibers, events and messages",
      async (scene) => {
        const lease = await scene.worker();
        await scene.pass(park(await scene.hold(lease), { event: newEvent("parked"), until: START_MS + 5 }));
        await scene.deliver("note");
        await scene.pass(endRun(await scene.hold(lease, { id: OTHER_RUN }), { output: [1] }));
        picture = await scene.picture(RUN, OTHER_RUN);
      },
      async (scene) => expect(await scene.picture(RUN, OTHER_RUN)).toEqual(picture),
    );

    across(
      "keeps definitions and blobs",
      async (scene) => {
        await scene.store.putDefinitions([storedDefinition()]);
        await scene.start({ blobs: [blobOf("text")] });
      },
      async (scene) => {
        expect(await scene.store.definition(FINGERPRINT)).toEqual(storedDefinition());
        expect(await scene.store.blob(blobOf("text").hash)).toBe("text");
      },
    );

    across(
      "wakes a fiber that parked before",
      async (scene) => scene.pass(park(await scene.hold(await scene.worker()))),
      async (scene) => {
        await scene.deliver("paid");
        expect((await scene.claimOne(await scene.worker())).fiber).toMatchObject({ seq: 1, messages: [{ id: "m1" }] });
      },
    );

    across(
      "remembers message ids that were consumed before",
      async (scene) => {
        const held = await scene.hold(await scene.worker());
        await scene.signal({ id: "once" });
        await scene.pass(transition(held, { consume: [await scene.messageSeq("once")] }));
      },
      async (scene) => expect(await scene.signal({ id: "once" })).toBe("duplicate"),
    );

    across(
      "lets the owner of a lease go on",
      async (scene) => scene.hold(await scene.worker()),
      async (scene) => {
        const owner = (await scene.fiber())?.owner;
        if (owner === undefined) throw new Error("the lease was lost");
        await scene.pass(transition({ run: RUN, fiber: ROOT_FIBER, lease: owner, seq: 0 }));
        expect(await scene.store.heartbeat(owner.worker, owner.epoch, 1_000)).toMatchObject({
          status: "alive",
          cancelled: [],
        });
      },
    );

    across(
      "keeps items with their versions, and holds that were settled",
      async ({ store, clock }) => {
        await store.putItems([newItem(), newItem({ value: "second", expiresAt: START_MS + 10 })]);
        await store.hold([newHold(), newHold({ id: "open" })]);
        clock.advance(1);
        await store.settleHolds([{ ...newHold(), spent: spending({ requests: 7 }) }]);
      },
      async ({ store }) => {
        const { amount } = newHold();
        const items = await store.listItems({ collection: newItem().collection, limit: 10 });
        expect(items).toMatchObject([{ value: "second", version: 2, expiresAt: START_MS + 10 }]);
        expect(await store.hold([newHold()])).toEqual([{ status: "held" }]);
        expect(await store.balances()).toMatchObject([
          { held: amount, spent: { requests: 7 }, updatedAt: START_MS + 1 },
        ]);
      },
    );

    let epoch = 0;
    across(
      "gives larger epochs than before",
      async (scene) => {
        epoch = (await scene.worker()).epoch;
      },
      async (scene) => expect((await scene.worker()).epoch).toBeGreaterThan(epoch),
    );

    if (underTest.lacks?.["queue-rules"] === undefined) {
      across(
        "keeps rules, places, and what rates remember",
        async (scene) => {
          await govern(scene, { concurrency: 2, lane: { rate: { count: 1, perMs: 60_000 } } });
          for (const lane of ["red", "blue", "green"]) await fill(scene, lane, 2);
          await scene.claim(await scene.worker(), { limit: 1 });
        },
        async (scene) => {
          expect(await scene.store.queueRules()).toEqual([
            { queue: QUEUE, concurrency: 2, lane: { rate: { count: 1, perMs: 60_000 } } },
          ]);
          const other = await scene.worker(OTHER_WORKER);
          expect(await claimedCount(scene, other)).toBe(1);
          await govern(scene, { lane: { rate: { count: 1, perMs: 60_000 } } });
          expect(await claimedCount(scene, other)).toBe(1);
          scene.clock.advance(60_000);
          expect(await claimedCount(scene, other)).toBe(0);
        },
      );
    }

    across(
      "sweeps workers that died while it was closed",
      async (scene) => {
        await scene.hold(await scene.worker());
        scene.clock.advance(60_000);
      },
      async (scene) => {
        expect(await scene.store.sweep()).toEqual({ workers: [WORKER], fibers: 1 });
        await scene.claimOne(await scene.worker());
      },
    );
  },
};
