import { describe, expect, it } from "vitest";
import { hasRedisProgram } from "../setup/own-redis.ts";
import { postgresPrograms } from "../setup/own-postgres.ts";
import { chaos } from "./chaos.ts";
import type { ChaosStore } from "./site.ts";

const SECONDS = 20;
const SEED = 11;
/** Fewer than `npm run chaos` takes: here other tests share two cores with them. */
const WORKERS = 4;

const PROGRAMS: Readonly<Record<ChaosStore, () => boolean>> = {
  sqlite: () => true,
  postgres: () => postgresPrograms() !== undefined,
  redis: hasRedisProgram,
};

/** A short experiment with a server of its own, which is why the programs of the server must be installed here. */
export function chaosTest(store: ChaosStore): void {
  const installed = PROGRAMS[store]();
  const title = installed ? `chaos on ${store}` : `chaos on ${store} (skipped: its server is not installed here)`;
  describe.skipIf(!installed)(title, () => {
    it(`ends every run as it must, whatever happens for ${SECONDS} s (seed ${SEED})`, async () => {
      const { violations, runs, faults } = await chaos({ store, seconds: SECONDS, workers: WORKERS, seed: SEED });
      expect(violations).toEqual([]);
      expect(runs).toBeGreaterThan(0);
      expect(Object.keys(faults).length).toBeGreaterThan(1);
    }, 240_000);
  });
}
