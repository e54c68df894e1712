import type { Failure } from "../domain/failure.ts";
import type { RunStatus } from "../domain/run.ts";

/**
 * What happened, for logs and metrics. Delivered after the fact, outside the hot path; an observer that throws, or is slow,
 * changes nothing (I12). Source: Fluxo, Observer.
 */
export type Observation =
  | {
      readonly kind: "run.started";
      readonly at: number;
      readonly run: string;
      readonly flow: string;
      readonly version: string;
    }
  | {
      readonly kind: "run.ended";
      readonly at: number;
      readonly run: string;
      readonly flow: string;
      readonly status: RunStatus;
      readonly failure?: Failure;
    }
  | {
      readonly kind: "step.started";
      readonly at: number;
      readonly run: string;
      readonly flow: string;
      readonly path: string;
      readonly visit: string;
      readonly attempt: number;
    }
  | {
      readonly kind: "step.completed";
      readonly at: number;
      readonly run: string;
      readonly flow: string;
      readonly path: string;
      readonly visit: string;
      readonly attempt: number;
      readonly durationMs: number;
      /** The step did not run: its output was kept from before. */
      readonly cacheHit?: true;
    }
  | {
      readonly kind: "step.failed";
      readonly at: number;
      readonly run: string;
      readonly flow: string;
      readonly path: string;
      readonly visit: string;
      readonly attempt: number;
      readonly durationMs: number;
      readonly failure: Failure;
      readonly retryAt?: number;
    }
  | {
      readonly kind: "fiber.parked";
      readonly at: number;
      readonly run: string;
      readonly flow: string;
      readonly path: string;
      readonly visit: string;
      readonly wait: "human" | "signal" | "timer" | "join" | "call";
    }
  | {
      readonly kind: "lease.lost";
      readonly at: number;
      readonly run: string;
      readonly flow: string;
      readonly worker: string;
    }
  | { readonly kind: "worker.started" | "worker.stopped"; readonly at: number; readonly worker: string }
  | { readonly kind: "worker.swept"; readonly at: number; readonly worker: string; readonly fibers: number }
  | {
      readonly kind: "schedule.started";
      readonly at: number;
      readonly schedule: string;
      readonly tick: number;
      readonly run: string;
    }
  | {
      readonly kind: "schedule.skipped";
      readonly at: number;
      readonly schedule: string;
      readonly tick: number;
      /** The run before had not ended; nobody was here in time; the flow refused the input. */
      readonly why: "overlap" | "missed" | "refused";
      readonly failure?: Failure;
    }
  | { readonly kind: "store.failed"; readonly at: number; readonly operation: string; readonly failure: Failure };

export interface Observer {
  observe(observation: Observation): void | Promise<void>;
}
