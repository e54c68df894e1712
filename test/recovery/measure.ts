import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type ChaosStore, openSite } from "../chaos/site.ts";
import { adoption, endurance, type Ground, handOver } from "./recovery.ts";

export interface RecoveryOptions {
  readonly store: ChaosStore;
  readonly repetitions: number;
  /** Held by the worker that is killed. */
  readonly runs: number;
  readonly tell: (line: string) => void;
}

export interface RecoveryReport {
  readonly store: ChaosStore;
  readonly runs: number;
  /** From SIGKILL to the last adoption, once for each repetition. */
  readonly adoptionMs: readonly number[];
  readonly handOverMs: readonly number[];
  readonly violations: readonly string[];
}

const BUSY_MS = 15_000;
const SLOW_MS = 90_000;
/** Runs that are handed over at SIGTERM, and steps of 50 ms in each. */
const HANDED_OVER = 100;
const STEPS = 100;
const HAND_OVERS = 5;
/** Deaths are spread over the slowest beat: else how long processes take to start decides where in its lease a worker dies. */
const PHASES_MS = 2_000;

/** Measures with the leases that workers have by default, on a store of its own for each repetition. */
export async function measureRecovery({ store, repetitions, runs, tell }: RecoveryOptions): Promise<RecoveryReport> {
  const violations: string[] = [];
  const adoptionMs: number[] = [];
  for (let i = 0; i < repetitions; i++) {
    const afterMs = (PHASES_MS * i) / repetitions;
    const { lastMs, recordedTwice } = await on(store, (ground) => adoption(ground, runs, afterMs));
    tell(`${runs} runs adopted ${lastMs.toFixed(0)} ms after SIGKILL`);
    adoptionMs.push(lastMs);
    violations.push(...recordedTwice.map((step) => `recorded twice: ${step}`));
  }
  const handOverMs: number[] = [];
  for (let i = 0; i < HAND_OVERS; i++) {
    const { lastMs, begunTwice, code } = await on(store, (ground) => handOver(ground, HANDED_OVER, STEPS));
    tell(`${HANDED_OVER} runs handed over ${lastMs.toFixed(0)} ms after SIGTERM`);
    handOverMs.push(lastMs);
    if (code !== 0) violations.push(`a worker ended with ${code} after SIGTERM`);
    violations.push(...begunTwice.map((step) => `begun twice: ${step}`));
  }
  tell(`a step that computes for ${BUSY_MS} ms, and one that waits for ${SLOW_MS} ms`);
  const { begun } = await on(store, (ground) => endurance(ground, BUSY_MS, SLOW_MS));
  if (begun.some((times) => times !== 1)) violations.push(`long steps began ${begun.join(" and ")} times`);
  return { store, runs, adoptionMs, handOverMs, violations };
}

async function on<T>(store: ChaosStore, measure: (ground: Ground) => Promise<T>): Promise<T> {
  await using site = await openSite(store);
  const ledger = mkdtempSync(join(tmpdir(), "flujo-recovery-"));
  try {
    return await measure({ address: site.address, ledger });
  } finally {
    rmSync(ledger, { recursive: true, force: true });
  }
}
