import type { Clock } from "../domain/ambient.ts";
import { FlujoError } from "../domain/errors.ts";
import { systemClock } from "../engine/system.ts";
import { FAULT_POINTS, type FaultPoint, SPENDING_POINTS } from "../worker/deps.ts";

/** What happens when a named point is reached. */
export type FaultAction = "kill" | "throw" | { readonly delayMs: number };

export interface Fault {
  readonly point: FaultPoint;
  /** At which time that the point is reached; 1 is the first. */
  readonly hit: number;
  readonly action: FaultAction;
}

export interface FaultsOptions {
  /** What "kill" does. Default: `SIGKILL` to this process, which runs no handler and flushes nothing. */
  readonly kill?: () => void;
  /** Which clock a delay waits on. Default: the system's. */
  readonly clock?: Clock;
}

/** Faults to inject; pass `faults.at` as `new Flujo({ at })`. */
export interface Faults {
  readonly at: (point: FaultPoint) => Promise<void> | undefined;
  /** How often a point was reached so far. */
  readonly hits: (point: FaultPoint) => number;
}

/**
 * Injects faults at named points of a fiber's life, each at its n-th time:
 *
 *   const { at } = injectFaults([{ point: "after-commit", hit: 3, action: "kill" }]);
 *   await using flujo = new Flujo({ store: "sqlite:./test.db", flows, at });
 */
export function injectFaults(
  list: readonly Fault[],
  { kill = killSelf, clock = systemClock }: FaultsOptions = {},
): Faults {
  const counts = new Map<FaultPoint, number>();
  const act = (action: FaultAction, point: FaultPoint, hit: number): Promise<void> => {
    if (action === "throw") return Promise.reject(new Error(`injected fault: ${point}, time ${hit}`));
    if (action !== "kill") return new Promise((resolve) => void clock.after(action.delayMs, resolve));
    kill();
    return new Promise(() => undefined); // nothing of a dead process goes on
  };
  return {
    hits: (point) => counts.get(point) ?? 0,
    at: (point) => {
      const hit = (counts.get(point) ?? 0) + 1;
      counts.set(point, hit);
      const fault = list.find((one) => one.point === point && one.hit === hit);
      return fault && act(fault.action, point, hit);
    },
  };
}

const killSelf = (): void => {
  process.kill(process.pid, "SIGKILL");
};

/**
 * Reads faults from text, as a parent hands them to a child process: `after-commit:3:kill`, `before-step:1:throw`,
 * `after-claim:2:delay=500`, several with commas between them. Throws OPTION_INVALID.
 */
export function parseFaults(text: string): readonly Fault[] {
  const parts = text.split(",").map((one) => one.trim());
  return parts.filter((one) => one !== "").map(parseFault);
}

function parseFault(text: string): Fault {
  const [name = "", count = "", what = "", ...rest] = text.split(":");
  const point = [...FAULT_POINTS, ...SPENDING_POINTS].find((one) => one === name);
  const hit = Number(count);
  const action = actionOf(what);
  if (point !== undefined && Number.isInteger(hit) && hit >= 1 && action !== undefined && rest.length === 0)
    return { point, hit, action };
  throw new FlujoError(
    "OPTION_INVALID",
    `expected a fault such as after-commit:3:kill, with a point among ${[...FAULT_POINTS, ...SPENDING_POINTS].join(", ")} and kill, throw or delay=<ms>, but found ${JSON.stringify(text)}`,
  );
}

function actionOf(text: string): FaultAction | undefined {
  if (text === "kill" || text === "throw") return text;
  const delay = /^delay=(\d+)$/.exec(text)?.[1];
  return delay === undefined ? undefined : { delayMs: Number(delay) };
}

/** The faults that `FLUJO_FAULT` asks for; none when it is not set. In a child process: `injectFaults(faultsFrom(process.env))`. */
export const faultsFrom = (environment: Readonly<Record<string, string | undefined>>): readonly Fault[] =>
  parseFaults(environment["FLUJO_FAULT"] ?? "");
