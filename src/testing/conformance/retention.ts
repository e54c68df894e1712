import { fingerprintOf, ROOT_FIBER, runId } from "../../domain/ids.ts";
import { sha256 } from "../../domain/sha256.ts";
import { blobOf, newRun, OTHER_RUN, RUN, START_MS, storedDefinition } from "./records.ts";
import type { Scene } from "./scene.ts";
import type { AspectSuite } from "./suite.ts";
import { endRun, park, transition } from "./transitions.ts";

/** Ended runs, each with the instant of its end. */
async function ended(scene: Scene, ends: Readonly<Record<string, number>>): Promise<void> {
  const lease = await scene.worker();
  const statuses = ["completed", "failed", "cancelled"] as const;
  for (const [i, [id, at]] of Object.entries(ends).entries()) {
    await scene.pass(
      endRun(await scene.hold(lease, { id: runId(id) }), { at, status: statuses[i % 3] ?? "completed" }),
    );
  }
}

const left = async (scene: Scene): Promise<string> =>
  (await scene.store.list({})).items
    .map(({ id }) => id)
    .toSorted()
    .join(" ");

export const retention: AspectSuite = {
  aspect: "prune",
  title: "forgets what ended long ago",
  define({ it, expect }) {
    it("deletes runs that ended before a time, and only those", async (scene) => {
      await ended(scene, { a: START_MS + 10, b: START_MS + 20, c: START_MS + 30 });
      expect(await scene.store.prune({ endedBefore: START_MS + 20 })).toBe(1);
      expect(await left(scene)).toBe("b c");
    });

    it("takes the history with the run", async (scene) => {
      await ended(scene, { [RUN]: START_MS });
      await scene.store.prune({ endedBefore: START_MS + 1 });
      expect(await scene.picture(RUN)).toEqual({ [RUN]: { run: undefined, fibers: [], history: [], messages: [] } });
    });

    it("never touches a run that has not ended, however old it is", async (scene) => {
      const lease = await scene.worker();
      await scene.start({ id: runId("pending"), createdAt: 1 });
      await scene.hold(lease, { id: runId("running"), createdAt: 1 });
      await scene.pass(park(await scene.hold(lease, { id: runId("waiting"), createdAt: 1 })));
      await scene.pass(
        park(await scene.hold(lease, { id: runId("paused"), createdAt: 1 }), { wait: { kind: "human" } }),
      );
      scene.clock.advance(10 * 365 * 86_400_000);
      expect(await scene.store.prune({ endedBefore: scene.clock.now() + 1 })).toBe(0);
      expect(await left(scene)).toBe("paused pending running waiting");
    });

    it("keeps a child run as long as its parent waits for it, and no longer", async (scene) => {
      const lease = await scene.worker();
      const parent = await scene.hold(lease);
      for (const reply of ["call:0:0#0", ""]) {
        const id = runId(reply === "" ? "detached" : "awaited");
        await scene.pass(endRun(await scene.hold(lease, { id, parent: { run: RUN, fiber: ROOT_FIBER, reply } })));
      }
      const options = { endedBefore: START_MS + 1 };
      expect(await scene.store.prune(options)).toBe(1);
      expect(await left(scene)).toBe(`awaited ${RUN}`);
      await scene.pass(endRun(parent));
      expect(await scene.store.prune(options)).toBe(2);
    });

    it("deletes no more than the limit at a time", async (scene) => {
      await ended(scene, { a: START_MS, b: START_MS, c: START_MS, d: START_MS, e: START_MS });
      const options = { endedBefore: START_MS + 1, limit: 2 };
      const counts = [
        await scene.store.prune(options),
        await scene.store.prune(options),
        await scene.store.prune(options),
      ];
      expect(counts).toEqual([2, 2, 1]);
      expect(await scene.store.prune(options)).toBe(0);
    });

    for (const [statuses, kept] of [
      [["completed"], "b c"],
      [["failed", "cancelled"], "a"],
      [[], "a b c"],
    ] as const) {
      it(`deletes only runs that ended as one of [${statuses.join(", ")}]`, async (scene) => {
        await ended(scene, { a: START_MS, b: START_MS, c: START_MS });
        expect(await scene.store.prune({ endedBefore: START_MS + 1, statuses })).toBe(statuses.length);
        expect(await left(scene)).toBe(kept);
      });
    }

    it("lets an id be used again", async (scene) => {
      await ended(scene, { [RUN]: START_MS });
      await scene.store.prune({ endedBefore: START_MS + 1 });
      await scene.start({ input: "new" });
      expect(await scene.store.load(RUN)).toMatchObject({ status: "pending", input: "new" });
      expect(await scene.facts()).toEqual([["created"]]);
    });

    it("forgets message ids with their run", async (scene) => {
      const held = await scene.hold(await scene.worker());
      await scene.signal({ id: "once" });
      await scene.pass(endRun(held));
      await scene.store.prune({ endedBefore: START_MS + 1 });
      await scene.start();
      expect(await scene.signal({ id: "once" })).toBe("delivered");
    });

    it("deletes blobs that no run refers to any more", async (scene) => {
      const lease = await scene.worker();
      const [own, shared] = [blobOf("own"), blobOf("shared")];
      await scene.pass(endRun(await scene.hold(lease, { blobs: [own, shared] })));
      await scene.hold(lease, { id: OTHER_RUN, blobs: [shared], input: { $blob: shared.hash } });
      await scene.store.prune({ endedBefore: START_MS + 1 });
      expect(await scene.store.blob(own.hash)).toBe(undefined);
      expect(await scene.store.blob(shared.hash)).toBe("shared");
    });
  },
};

export const definitions: AspectSuite = {
  aspect: "definitions",
  title: "keeps definitions by their fingerprint",
  define({ it, expect }) {
    const fingerprint = fingerprintOf(sha256("another"));

    it("returns what was put", async ({ store }) => {
      const definition = storedDefinition({
        described: { root: { kind: "sequence", nodes: [{ id: "ä" }, null, 1.5] } },
      });
      await store.putDefinitions([definition]);
      expect(await store.definition(definition.fingerprint)).toEqual(definition);
    });

    it("knows nothing of an unknown fingerprint", async ({ store }) => {
      await store.putDefinitions([storedDefinition()]);
      expect(await store.definition(fingerprint)).toBe(undefined);
    });

    it("takes the same definition again and again", async ({ store }) => {
      const definition = storedDefinition();
      await store.putDefinitions([definition, definition]);
      await Promise.all([
        store.putDefinitions([definition]),
        store.putDefinitions([definition]),
        store.putDefinitions([]),
      ]);
      expect(await store.definition(definition.fingerprint)).toEqual(definition);
    });

    it("lets two fingerprints share a name and version", async ({ store }) => {
      const [first, second] = [storedDefinition(), storedDefinition({ fingerprint, described: "other" })];
      await store.putDefinitions([first, second]);
      expect(await store.definition(first.fingerprint)).toEqual(first);
      expect(await store.definition(fingerprint)).toEqual(second);
    });

    it("keeps definitions when runs are pruned", async (scene) => {
      await scene.store.putDefinitions([storedDefinition()]);
      await ended(scene, { [RUN]: START_MS });
      await scene.store.prune({ endedBefore: START_MS + 1 });
      expect(await scene.store.definition(storedDefinition().fingerprint)).toEqual(storedDefinition());
    });
  },
};

export const blobs: AspectSuite = {
  aspect: "blobs",
  title: "keeps large values by their hash",
  define({ it, expect }) {
    it("knows nothing of an unknown hash", async ({ store }) => {
      expect(await store.blob(sha256("nothing"))).toBe(undefined);
    });

    it("keeps the blobs of a transition", async (scene) => {
      const held = await scene.hold(await scene.worker());
      const [first, second] = [blobOf("first"), blobOf("x".repeat(2_000_000))];
      await scene.pass(transition(held, { value: { $blob: first.hash }, blobs: [first, second] }));
      expect(await scene.store.blob(first.hash)).toBe("first");
      expect((await scene.store.blob(second.hash)) === second.text).toBe(true);
    });

    it("keeps the blobs of runs that a transition starts", async (scene) => {
      const held = await scene.hold(await scene.worker());
      const blob = blobOf("input");
      await scene.pass(transition(held, { startRuns: [newRun({ id: OTHER_RUN, blobs: [blob] })] }));
      expect(await scene.store.blob(blob.hash)).toBe("input");
    });

    it("takes the same blob from many", async (scene) => {
      const lease = await scene.worker();
      const blob = blobOf("shared");
      const first = await scene.hold(lease, { blobs: [blob, blob] });
      const second = await scene.hold(lease, { id: OTHER_RUN, blobs: [blob] });
      const outcomes = await scene.store.commit([
        transition(first, { blobs: [blob] }),
        transition(second, { blobs: [blob] }),
      ]);
      expect(outcomes.map(({ status }) => status)).toEqual(["committed", "committed"]);
      expect(await scene.store.blob(blob.hash)).toBe("shared");
    });

    it("keeps the blobs of a run after its end", async (scene) => {
      const blob = blobOf("output");
      await scene.pass(
        endRun(await scene.hold(await scene.worker()), { output: { $blob: blob.hash } }, { blobs: [blob] }),
      );
      expect(await scene.store.blob(blob.hash)).toBe("output");
    });
  },
};
