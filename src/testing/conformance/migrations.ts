import type { Store } from "../../ports/store.ts";
import { RUN } from "./records.ts";
import { rejection } from "./scene.ts";
import { ManualClock } from "./clock.ts";
import { START_MS } from "./records.ts";
import type { AspectSuite } from "./suite.ts";

export const migrating: AspectSuite = {
  aspect: "migrate",
  title: "sets itself up",
  define({ it, expect, underTest }) {
    it("may be asked again, also with data in it", async (scene) => {
      await scene.start();
      const before = await scene.picture(RUN);
      await scene.store.migrate();
      expect(await scene.picture(RUN)).toEqual(before);
    });

    it("may be asked several times at once", async ({ store }) => {
      await Promise.all([store.migrate(), store.migrate(), store.migrate()]);
      expect(await store.list({})).toEqual({ items: [] });
    });

    it("reports that nothing was to be done, and at which version it is", async ({ store }) => {
      const { from, to, steps } = await store.migrate();
      expect(steps).toEqual([]);
      expect(from).toBe(to);
      expect(from).toBeGreaterThan(0);
      expect(await store.migrate({ to })).toEqual({ from, to, steps: [] });
    });

    for (const [what, by] of [
      ["newer than it knows", 1],
      ["older than its schema", -1],
      ["that is no whole number", 0.5],
    ] as const) {
      it(`refuses to go to a version ${what}`, async ({ store }) => {
        const { to } = await store.migrate();
        for (const dryRun of [true, false]) {
          expect((await rejection(store.migrate({ to: to + by, dryRun }))).code).toBe("OPTION_INVALID");
        }
        expect(await store.migrate()).toEqual({ from: to, to, steps: [] });
      });
    }

    it("says what it is", async ({ store }) => {
      const { name, durable, shared, gather, hints, transactions, queueRules } = store.capabilities;
      expect([name, durable, shared, gather, hints, transactions, queueRules].map((one) => typeof one)).toEqual([
        "string",
        "boolean",
        "boolean",
        "string",
        "string",
        "boolean",
        "boolean",
      ]);
      expect(["microtask", "turn"].includes(gather)).toBe(true);
      expect(["push", "none"].includes(hints)).toBe(true);
      expect(store.transact !== undefined).toBe(transactions);
      expect(underTest.scratch !== undefined).toBe(transactions); // else the aspect "transact" would be skipped for nothing
    });

    /** A store whose tables do not exist yet. */
    const bare = (name: string, body: (store: Store) => Promise<void>): void => {
      if (underTest.openBare === undefined) return;
      it(name, async () => {
        await using store = await underTest.openBare?.({ clock: new ManualClock(START_MS) });
        if (store !== undefined) await body(store);
      });
    };

    bare("reports each step from nothing to the newest version, in order", async (store) => {
      const { from, to, steps } = await store.migrate();
      expect(from).toBe(0);
      expect(steps.map(({ version }) => version)).toEqual(Array.from({ length: to }, (_, i) => i + 1));
      expect(steps.every(({ title }) => title.length > 0)).toBe(true);
      expect(await store.migrate()).toEqual({ from: to, to, steps: [] });
      expect(await store.list({})).toEqual({ items: [] });
    });

    bare("says what it would do, as often as it is asked, and does nothing", async (store) => {
      const plan = await store.migrate({ dryRun: true });
      expect(plan.from).toBe(0);
      expect(await store.migrate({ dryRun: true })).toEqual(plan);
      expect(await store.migrate()).toEqual(plan);
      expect(await store.migrate({ dryRun: true })).toEqual({ from: plan.to, to: plan.to, steps: [] });
    });

    bare("goes no further than it is told", async (store) => {
      const { to: newest } = await store.migrate({ dryRun: true });
      for (let to = 1; to <= newest; to++) {
        expect(await store.migrate({ to })).toMatchObject({ from: to - 1, to, steps: [{ version: to }] });
      }
    });

    bare("is set up once when it is asked several times at once", async (store) => {
      const reports = await Promise.all([store.migrate(), store.migrate(), store.migrate()]);
      expect(reports.filter(({ steps }) => steps.length > 0).map(({ from }) => from)).toEqual([0]);
      expect(await store.list({})).toEqual({ items: [] });
    });
  },
};
