import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";
import { hasRedisProgram } from "../setup/own-redis.ts";
import { postgresPrograms } from "../setup/own-postgres.ts";
import type { ChaosReport } from "./chaos.ts";
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

const TSX = new URL("../../node_modules/tsx/dist/cli.mjs", import.meta.url).pathname;
const SCRIPT = new URL("../../scripts/chaos.ts", import.meta.url).pathname;

/**
 * As people run it, in a process of its own: with its server killed under it, the driver of Postgres was seen to keep sockets
 * open after its pool had ended, in two of five runs. Exit code 1 says "violations", which the report names.
 */
async function experiment(store: ChaosStore): Promise<ChaosReport> {
  const options = ["--seconds", String(SECONDS), "--workers", String(WORKERS), "--seed", String(SEED), "--json"];
  const run = promisify(execFile)(process.execPath, [TSX, SCRIPT, store, ...options], { maxBuffer: 64 * 1024 * 1024 });
  const { stdout } = await run.catch((error: { readonly code?: unknown; readonly stdout?: string }) => {
    if (error.code !== 1 || !error.stdout?.startsWith("{")) throw error;
    return { stdout: error.stdout };
  });
  return JSON.parse(stdout) as ChaosReport;
}

/** A short experiment with a server of its own, which is why the programs of the server must be installed here. */
export function chaosTest(store: ChaosStore): void {
  const installed = PROGRAMS[store]();
  const title = installed ? `chaos on ${store}` : `chaos on ${store} (skipped: its server is not installed here)`;
  describe.skipIf(!installed)(title, () => {
    it(`ends every run as it must, whatever happens for ${SECONDS} s (seed ${SEED})`, async () => {
      const { violations, runs, faults } = await experiment(store);
      expect(violations).toEqual([]);
      expect(runs).toBeGreaterThan(0);
      expect(Object.keys(faults).length).toBeGreaterThan(1);
    }, 240_000);
  });
}
