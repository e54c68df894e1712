import { Flujo } from "flujo";
import { seededRandom } from "../../src/testing/random.ts";
import { openAt } from "../setup/addresses.ts";
import { Crew } from "./crew.ts";
import { SILENT } from "./silent.ts";
import { Faults } from "./faults.ts";
import { patternsOn } from "./flows.ts";
import { Load } from "./load.ts";
import { judge, type Verdict } from "./oracle.ts";
import { prepare } from "./outbox.ts";
import { type ChaosStore, openSite } from "./site.ts";

export interface ChaosOptions {
  readonly store: ChaosStore;
  readonly seconds: number;
  readonly workers: number;
  readonly seed: number;
  /** Told what happens, one line at a time. */
  readonly tell?: (line: string) => void;
}

export interface ChaosReport extends Verdict {
  readonly store: ChaosStore;
  readonly seed: number;
  readonly seconds: number;
  readonly faults: Readonly<Record<string, number>>;
  /** Processes that were started, replacements included. */
  readonly processes: number;
  /** Questions of the client that the store did not answer, and that were asked again. */
  readonly refused: number;
  /** From the end of the faults to the end of the last run. */
  readonly recoveryMs: number;
}

/** How long everything may take after the last fault: leases run out, connections are found dead, queues are worked off. */
const RECOVERY_MS = 60_000;
const STOP_PATIENCE_MS = 15_000;

/**
 * Workers in processes of their own do mixed flows while they, their server and the network are mistreated as the seed says;
 * then everything is healed, and what the store tells is compared with what the processes saw.
 */
export async function chaos(options: ChaosOptions): Promise<ChaosReport> {
  const { store, seconds, workers, seed, tell = () => undefined } = options;
  const random = seededRandom(seed);
  await using site = await openSite(store);
  const patterns = patternsOn(site.transactions);
  await using behind = await openAt(site.address);
  await prepare(site.address); // SQLite refuses a file that is not empty and not its own
  const flows = Object.values(patterns).map((pattern) => pattern.flow);
  await using flujo = new Flujo({ store: behind, flows, worker: false, logger: SILENT });
  await flujo.open();
  const { exposed: address, ledger, transactions } = site;
  await using crew = new Crew({ address, ledger, transactions });
  for (let i = 0; i < workers; i++) await crew.hire();
  await crew.ready();

  const load = new Load(flujo, patterns, random.fork());
  const faults = new Faults(site, crew, random.fork());
  const until = Date.now() + seconds * 1_000;
  const over = (): boolean => Date.now() >= until;
  tell(`seed ${seed}: ${workers} workers on ${store}, ${seconds} s of faults`);
  await Promise.all([load.keepOn(over), faults.unleash(over)]);

  tell(`healed; ${load.accepted.length} runs were accepted, ${await load.open()} are open`);
  const healedAt = Date.now();
  await finish(load, healedAt + RECOVERY_MS);
  const recoveryMs = Date.now() - healedAt;
  const late = await crew.stop(STOP_PATIENCE_MS);
  const interruptions = faults.total;
  tell("comparing the store with the ledger");
  const { accepted } = load;
  const verdict = await judge({
    ...{ flujo, store: behind, ledger, accepted, patterns, interruptions },
    address: site.address,
  });
  return {
    ...{ store, seed, seconds },
    ...verdict,
    violations: [...faults.violations, ...crew.surprises, ...load.violations, ...late, ...verdict.violations],
    faults: Object.fromEntries([...faults.counts].sort(([a], [b]) => a.localeCompare(b))),
    processes: crew.hired,
    refused: load.refused,
    recoveryMs,
  };
}

/** Until no run is open, or the time is up: the oracle names those that are. */
async function finish(load: Load, deadline: number): Promise<void> {
  while ((await load.open()) > 0 && Date.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 50));
}
