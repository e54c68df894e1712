import { type Flow, flow, type StepContext } from "flujo";
import { z } from "zod";
import { note } from "./sightings.ts";

type Ctx = Pick<StepContext<unknown>, "run" | "path" | "visit" | "resources" | "signal">;

/** Steps that are under way until their process is told to let go. */
export class Gate {
  #open: () => void = () => undefined;
  readonly opened: Promise<void> = new Promise((resolve) => {
    this.#open = resolve;
  });

  open(): void {
    this.#open();
  }
}

function seen({ run, path, visit, resources }: Ctx): void {
  note(String(resources["ledger"]), String(resources["worker"]), { run: run.id, path, visit });
}

const rest = (ms: number, signal: AbortSignal): Promise<void> =>
  new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      reject(signal.reason as Error);
    });
  });

/** Under way until it is let go: what a worker holds when it dies. */
export const held: Flow<number, number> = flow("held", { version: "1" })
  .input(z.number())
  .step("hold", async (n, ctx) => {
    seen(ctx);
    await (ctx.resources["gate"] as Gate).opened;
    return n;
  })
  .build();

/** Computes for so many milliseconds, and lets nothing else of its process happen meanwhile. */
export const busy: Flow<number, number> = flow("busy", { version: "1" })
  .input(z.number())
  .step("compute", (ms, ctx) => {
    seen(ctx);
    const until = performance.now() + ms;
    while (performance.now() < until);
    return ms;
  })
  .build();

/** One step that waits for so many milliseconds. */
export const slow: Flow<number, number> = flow("slow", { version: "1" })
  .input(z.number())
  .step("wait", async (ms, ctx) => {
    seen(ctx);
    await rest(ms, ctx.signal);
    return ms;
  })
  .build();

const STEADY_STEP_MS = 50;

/** As many short steps as it is told. */
export const steady: Flow<number, number> = flow("steady", { version: "1" })
  .input(z.number())
  .loop(
    "again",
    (b) =>
      b.step("short", async (left, ctx) => {
        seen(ctx);
        await rest(STEADY_STEP_MS, ctx.signal);
        return left - 1;
      }),
    { until: (left) => left <= 0, max: 1_000 },
  )
  .build();

export const FLOWS: readonly Flow<number, number>[] = [held, busy, slow, steady];
