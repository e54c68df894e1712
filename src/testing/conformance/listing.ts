import { ROOT_FIBER, type RunId, runId } from "../../domain/ids.ts";
import type { ListQuery } from "../../ports/store.ts";
import { newRun, OTHER_RUN, RUN, START_MS } from "./records.ts";
import { rejection, type Scene } from "./scene.ts";
import type { AspectSuite } from "./suite.ts";
import { endRun, handBack, park } from "./transitions.ts";

/** Runs a to f, one second apart, each in another status. */
async function furnish(scene: Scene): Promise<void> {
  const lease = await scene.worker();
  const hold = async (id: string, i: number, rest: Parameters<typeof newRun>[0] = {}): ReturnType<Scene["hold"]> =>
    scene.hold(lease, { id: runId(id), createdAt: START_MS + i * 1_000, ...rest });
  await scene.start({ id: runId("a"), createdAt: START_MS, metadata: { city: "Lima", tries: 1, vip: true } });
  await hold("b", 1, { flow: "letter", metadata: { city: "Lima", tries: 2 } });
  await scene.pass(park(await hold("c", 2, { version: "2", metadata: { city: "Oslo", vip: false } })));
  await scene.pass(
    park(await hold("d", 3, { parent: { run: runId("b"), fiber: ROOT_FIBER, reply: "r" } }), {
      wait: { kind: "human" },
    }),
  );
  await scene.pass(endRun(await hold("e", 4, { flow: "letter", metadata: { tries: "1" } })));
  await scene.pass(endRun(await hold("f", 5, { flow: "letter", version: "2" }), { status: "failed" }));
}

const FILTERS: readonly (readonly [what: string, query: ListQuery, expected: string])[] = [
  ["nothing: newest first", {}, "fedcba"],
  ["the oldest first", { order: "oldest" }, "abcdef"],
  ["a flow", { flow: "letter" }, "feb"],
  ["a flow that nobody runs", { flow: "lette" }, ""],
  ["a version", { version: "2" }, "fc"],
  ["a flow and a version", { flow: "letter", version: "2" }, "f"],
  ["pending", { status: "pending" }, "a"],
  ["running", { status: "running" }, "b"],
  ["waiting", { status: "waiting" }, "c"],
  ["paused", { status: "paused" }, "d"],
  ["completed", { status: "completed" }, "e"],
  ["failed", { status: "failed" }, "f"],
  ["cancelled", { status: "cancelled" }, ""],
  ["one of several statuses", { status: ["failed", "waiting", "pending"] }, "fca"],
  ["a status and a flow", { status: ["completed", "running", "waiting"], flow: "letter" }, "eb"],
  ["no status at all", { status: [] }, ""],
  ["metadata of text", { metadata: { city: "Lima" } }, "ba"],
  ["metadata of several keys", { metadata: { city: "Lima", tries: 2 } }, "b"],
  ["a number, not its text", { metadata: { tries: 1 } }, "a"],
  ["a text, not its number", { metadata: { tries: "1" } }, "e"],
  ["true", { metadata: { vip: true } }, "a"],
  ["false, not a missing key", { metadata: { vip: false } }, "c"],
  ["a key that nobody has", { metadata: { none: 1 } }, ""],
  ["no metadata", { metadata: {} }, "fedcba"],
  ["a parent", { parent: runId("b") }, "d"],
  ["a parent without children", { parent: runId("a") }, ""],
  ["a time after", { createdAfter: START_MS + 2_500 }, "fed"],
  ["a time before", { createdBefore: START_MS + 2_500 }, "cba"],
  ["a span of time, both ends excluded", { createdAfter: START_MS + 1_000, createdBefore: START_MS + 4_000 }, "dc"],
  ["a limit", { limit: 2 }, "fe"],
  ["a limit from the oldest", { limit: 2, order: "oldest" }, "ab"],
];

const BAD: readonly (readonly [what: string, query: object, code: string])[] = [
  ["a filter that it does not know", { colour: "red" }, "FILTER_UNKNOWN"],
  ["a status that it does not know", { status: "asleep" }, "FILTER_UNKNOWN"],
  ["a limit of zero", { limit: 0 }, "OPTION_INVALID"],
  ["a limit over a thousand", { limit: 1_001 }, "OPTION_INVALID"],
  ["a limit that is no whole number", { limit: 1.5 }, "OPTION_INVALID"],
  ["an order that it does not know", { order: "random" }, "OPTION_INVALID"],
  ["a cursor that it never gave", { cursor: "?" }, "CURSOR_INVALID"],
];

async function pages(
  scene: Scene,
  query: ListQuery,
  between: () => Promise<void> = async () => {},
): Promise<readonly RunId[]> {
  const ids: RunId[] = [];
  for (let cursor: string | undefined, first = true; first || cursor !== undefined; first = false) {
    const page = await scene.store.list({ ...query, ...(cursor !== undefined && { cursor }) });
    ids.push(...page.items.map(({ id }) => id));
    if (ids.length > 200) throw new Error("the pages do not end");
    cursor = page.next;
    await between();
  }
  return ids;
}

export const listing: AspectSuite = {
  aspect: "list",
  title: "lists runs",
  define({ it, expect }) {
    for (const [what, query, expected] of FILTERS) {
      it(`finds runs by ${what}`, async (scene) => {
        await furnish(scene);
        expect((await scene.store.list(query)).items.map(({ id }) => id).join("")).toBe(expected);
      });
    }

    for (const [what, query, code] of BAD) {
      it(`refuses ${what}`, async (scene) => {
        expect((await rejection(scene.store.list(query as ListQuery))).code).toBe(code);
      });
    }

    it("lists the same records that load gives", async (scene) => {
      await furnish(scene);
      for (const run of (await scene.store.list({})).items) expect(run).toEqual(await scene.store.load(run.id));
    });

    it("finds a run by the status that time gave it", async (scene) => {
      await scene.pass(park(await scene.hold(await scene.worker()), { names: [], until: START_MS + 10 }));
      expect((await scene.store.list({ status: "running" })).items).toEqual([]);
      scene.clock.advance(10);
      expect((await scene.store.list({ status: "running" })).items).toMatchObject([{ id: RUN, status: "running" }]);
      expect((await scene.store.list({ status: "waiting" })).items).toEqual([]);
    });

    it("gives fifty runs when no limit is named", async (scene) => {
      const ids = Array.from({ length: 60 }, (_, i) => runId(`run-${i}`));
      await scene.store.createRuns(ids.map((id) => newRun({ id })));
      const page = await scene.store.list({});
      expect([page.items.length, typeof page.next]).toEqual([50, "string"]);
    });

    it("says nothing of a next page on the last one", async (scene) => {
      await furnish(scene);
      expect((await scene.store.list({ limit: 6 })).next).toBe(undefined);
      expect((await scene.store.list({ limit: 1_000 })).next).toBe(undefined);
      expect(await scene.store.list({ flow: "none" })).toEqual({ items: [] });
    });

    for (const order of ["newest", "oldest"] as const) {
      for (const limit of [1, 3, 7, 100]) {
        it(`shows each of 40 runs once in pages of ${limit}, ${order} first, when many were created at one time`, async (scene) => {
          const runs = Array.from({ length: 40 }, (_, i) =>
            newRun({ id: runId(`run-${i}`), createdAt: START_MS + (i % 3) }),
          );
          await scene.store.createRuns(runs);
          const ids = await pages(scene, { order, limit });
          expect(ids.toSorted()).toEqual(runs.map(({ id }) => id).toSorted());
          const times = ids.map((id) => runs.find((run) => run.id === id)?.createdAt ?? 0);
          expect(times).toEqual(times.toSorted((a, b) => (order === "newest" ? b - a : a - b)));
        });
      }
    }

    it("keeps its place in the pages while new runs start", async (scene) => {
      await furnish(scene);
      let count = 0;
      const ids = await pages(scene, { limit: 2 }, async () => {
        count += 1;
        await scene.start({ id: runId(`new-${count}`), createdAt: START_MS + 50_000 + count });
      });
      expect(ids.join("")).toBe("fedcba");
    });

    it("filters before it cuts pages", async (scene) => {
      await furnish(scene);
      expect((await pages(scene, { flow: "letter", limit: 1 })).join("")).toBe("feb");
      expect((await pages(scene, { metadata: { city: "Lima" }, limit: 1 })).join("")).toBe("ba");
      expect((await pages(scene, { status: ["waiting", "paused"], limit: 1 })).join("")).toBe("dc");
    });

    it("finds metadata with odd keys and values", async (scene) => {
      const metadata = { "a.b": "x'y", 'q"q': "%_", "": "", "$.k": 1e21, ключ: "ä🙂" };
      await scene.start({ metadata });
      await scene.start({ id: OTHER_RUN, metadata: { a: "x" } });
      for (const [key, value] of Object.entries(metadata)) {
        expect((await scene.store.list({ metadata: { [key]: value } })).items).toMatchObject([{ id: RUN, metadata }]);
      }
    });

    it("follows a run through its life", async (scene) => {
      const found = async (): Promise<unknown> => (await scene.store.list({})).items.map(({ status }) => status);
      const held = await scene.hold(await scene.worker());
      expect(await found()).toEqual(["running"]);
      await scene.pass(handBack(held, START_MS));
      const { held: again } = await scene.claimOne(held.lease);
      await scene.pass(park(again));
      expect(await found()).toEqual(["waiting"]);
      await scene.deliver("paid");
      await scene.pass(endRun((await scene.claimOne(held.lease)).held));
      expect(await found()).toEqual(["completed"]);
    });
  },
};
