import { FlujoError } from "../../domain/errors.ts";
import type { Store, Transition } from "../../ports/store.ts";
import { child, newChild, OTHER_RUN, OTHER_WORKER, RUN, START_MS } from "./records.ts";
import { rejection, type Scene } from "./scene.ts";
import type { AspectSuite } from "./suite.ts";
import { endRun, type Held, newEvent, next, park, transition } from "./transitions.ts";
import type { Scratch } from "./under-test.ts";

type Work = (tx: unknown) => Promise<Transition | undefined>;

export const transact: AspectSuite = {
  aspect: "transact",
  title: "commits what a step wrote together with its transition",
  define({ it, expect, underTest }) {
    const scratch = (): Scratch => {
      if (underTest.scratch === undefined) throw new Error("expected `scratch`: how to write in a transaction");
      return underTest.scratch;
    };
    const written = async (store: Store): Promise<readonly string[]> => (await scratch().read(store)).toSorted();
    const run = (store: Store, work: Work, id = RUN): ReturnType<NonNullable<Store["transact"]>> => {
      if (store.transact === undefined) throw new Error("expected the store to have `transact`");
      return store.transact(id, work);
    };
    /** Writes `key`, then answers the transition. */
    const writing =
      (key: string, answer: Transition | undefined): Work =>
      async (tx) => {
        await scratch().write(tx, key);
        return answer;
      };
    /** Writes, and stands still until it is let go. */
    const gated = (
      key: string,
      answer: Transition | undefined,
    ): { readonly work: Work; readonly begun: Promise<void>; readonly letGo: () => void } => {
      const [begun, begin] = gate();
      const [released, letGo] = gate();
      const work: Work = async (tx) => {
        await scratch().write(tx, key);
        begin();
        await released;
        return answer;
      };
      return { work, begun, letGo };
    };
    const hold = async (scene: Scene): Promise<Held> => scene.hold(await scene.worker());

    it("keeps both", async (scene) => {
      const held = await hold(scene);
      const done = transition(held, { value: "done", event: newEvent("done"), spawn: [newChild(1)] });
      expect(await run(scene.store, writing("a", done))).toMatchObject({ status: "committed", woken: false });
      expect(await written(scene.store)).toEqual(["a"]);
      expect(await scene.fiber()).toMatchObject({ seq: 1, value: "done" });
      expect((await scene.facts()).at(-1)).toBe("done");
      expect(await scene.fiber(RUN, child(1))).toMatchObject({ position: "ready" });
    });

    it("refuses its handle once it is over", async (scene) => {
      const held = await hold(scene);
      const kept: unknown[] = [];
      await run(scene.store, async (tx) => {
        kept.push(tx);
        return transition(held);
      });
      await run(scene.store, async (tx) => {
        kept.push(tx);
        return undefined;
      });
      for (const tx of kept)
        expect(await rejection((async () => scratch().write(tx, "late"))())).toMatchObject({
          code: "TRANSACTION_OVER",
        });
      expect(await written(scene.store)).toEqual([]);
    });

    it("answers like a commit: a request to stop, a message that has come", async (scene) => {
      const held = await hold(scene);
      await scene.deliver("paid");
      await scene.store.cancel(RUN, "enough");
      const parked = await run(scene.store, writing("a", park(held)));
      expect(parked).toEqual({ status: "committed", woken: true, cancel: "enough" });
    });

    it("lets the fiber go on from there, in one transaction after another", async (scene) => {
      const held = await hold(scene);
      await run(scene.store, writing("a", transition(held)));
      const after = await scene.pass(transition(next(held)));
      expect(await run(scene.store, writing("b", endRun(after)))).toMatchObject({ status: "committed" });
      expect(await written(scene.store)).toEqual(["a", "b"]);
      expect(await scene.status()).toBe("completed");
    });

    it("wakes whoever waits for what was sent", async (scene) => {
      const lease = await scene.worker();
      const held = await scene.hold(lease);
      await scene.pass(park(await scene.hold(lease, { id: OTHER_RUN })));
      const send = [{ run: OTHER_RUN, name: "paid", data: 1, sentAt: START_MS }];
      await run(scene.store, writing("a", transition(held, { send })));
      expect((await scene.claimOne(lease)).fiber).toMatchObject({ run: OTHER_RUN, messages: [{ data: 1 }] });
    });

    const refused: readonly (readonly [
      what: string,
      refuse: (held: Held, scene: Scene) => Promise<Transition>,
      status: string,
    ])[] = [
      [
        "the lease was lost",
        async (held, scene) => {
          await scene.worker();
          return transition(held);
        },
        "lost",
      ],
      [
        "another commit was faster",
        async (held, scene) => {
          await scene.pass(transition(held));
          return transition(held);
        },
        "lost",
      ],
      ["a message is gone", async (held) => transition(held, { consume: [4_711] }), "conflict"],
      [
        "the transition cannot be stored",
        async (held) =>
          transition(held, { send: [{ run: RUN, id: "a", once: "a", name: "paid", data: 1, sentAt: START_MS }] }),
        "rejected",
      ],
    ];
    for (const [what, refuse, status] of refused) {
      it(`takes the writes back when ${what}`, async (scene) => {
        const bad = await refuse(await hold(scene), scene);
        const before = await scene.picture(RUN);
        expect(await run(scene.store, writing("a", bad))).toMatchObject({ status });
        expect(await written(scene.store)).toEqual([]);
        expect(await scene.picture(RUN)).toEqual(before);
      });
    }

    it("takes the writes back when the work throws, and throws the same", async (scene) => {
      const held = await hold(scene);
      const before = await scene.picture(RUN);
      const reason = new Error("no stock");
      const failing: Work = async (tx) => {
        await scratch().write(tx, "a");
        throw reason;
      };
      expect(await rejection(run(scene.store, failing))).toBe(reason);
      expect(await written(scene.store)).toEqual([]);
      expect(await scene.picture(RUN)).toEqual(before);
      await scene.pass(transition(held));
    });

    it("takes the writes back when the work answers nothing", async (scene) => {
      const held = await hold(scene);
      expect(await run(scene.store, writing("a", undefined))).toBe(undefined);
      expect(await written(scene.store)).toEqual([]);
      await scene.pass(transition(held));
    });

    it("takes the writes back when the work answers a transition of another run", async (scene) => {
      const lease = await scene.worker();
      await scene.hold(lease);
      const other = await scene.hold(lease, { id: OTHER_RUN });
      const before = await scene.picture(RUN, OTHER_RUN);
      expect((await rejection(run(scene.store, writing("a", transition(other))))).code).toBe("OPTION_INVALID");
      expect(await written(scene.store)).toEqual([]);
      expect(await scene.picture(RUN, OTHER_RUN)).toEqual(before);
    });

    it("keeps what was done outside of a transaction that is rolled back", async (scene) => {
      const held = await hold(scene);
      const { work, begun, letGo } = gated("a", undefined);
      const rolledBack = run(scene.store, work);
      await begun;
      const meanwhile = [scene.start({ id: OTHER_RUN }), scene.signal({ id: "m" }), scene.pass(transition(held))];
      letGo();
      expect(await rolledBack).toBe(undefined);
      await Promise.all(meanwhile);
      expect(await written(scene.store)).toEqual([]);
      expect(await scene.status(OTHER_RUN)).toBe("pending");
      expect(await scene.mailbox()).toEqual(["m"]);
      expect((await scene.fiber())?.seq).toBe(1);
    });

    it("answers reads and beats that are asked for meanwhile", async (scene) => {
      const held = await hold(scene);
      const { work, begun, letGo } = gated("a", transition(held));
      const committing = run(scene.store, work);
      await begun;
      const { worker, epoch } = held.lease;
      const asked = Promise.all([
        scene.store.load(RUN),
        scene.store.list({}),
        scene.store.heartbeat(worker, epoch, 3_000),
        scene.store.sweep(),
      ]);
      letGo();
      expect(await committing).toMatchObject({ status: "committed" });
      expect(await asked).toMatchObject([{ id: RUN }, { items: [{ id: RUN }] }, { status: "alive" }, { fibers: 0 }]);
    });

    it("runs several that are asked for at once, each on its own", async (scene) => {
      const lease = await scene.worker();
      const first = await scene.hold(lease);
      const second = await scene.hold(lease, { id: OTHER_RUN });
      const outcomes = await Promise.all([
        run(scene.store, writing("a", transition(first))),
        run(scene.store, writing("b", transition({ ...second, seq: 9 })), OTHER_RUN),
        run(scene.store, writing("c", transition(second)), OTHER_RUN),
      ]);
      expect(outcomes).toMatchObject([{ status: "committed" }, { status: "lost" }, { status: "committed" }]);
      expect(await written(scene.store)).toEqual(["a", "c"]);
    });

    it("lets one of two owners win", async (scene) => {
      const held = await hold(scene);
      const { work, begun, letGo } = gated("a", transition(held));
      const late = run(scene.store, work);
      await begun;
      const stolen = (async () => {
        scene.clock.advance(60_000);
        await scene.store.sweep();
        return scene.claim(await scene.worker(OTHER_WORKER));
      })();
      letGo();
      // A database that serializes may refuse the later of the two as a whole: what the step did is not the store's to repeat.
      const codeOf = (error: unknown): string => (error instanceof FlujoError ? error.code : String(error));
      const [outcome, [claimed]] = await Promise.all([late.then((one) => one?.status, codeOf), stolen]);
      expect(["committed", "lost", "STORE_UNAVAILABLE"].includes(outcome ?? "")).toBe(true);
      const kept = outcome === "committed";
      expect(await written(scene.store)).toEqual(kept ? ["a"] : []);
      expect(claimed?.seq).toBe(kept ? 1 : 0);
    });
  },
};

function gate(): readonly [opened: Promise<void>, open: () => void] {
  let open = (): void => {};
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return [opened, open];
}
