import type { Random } from "../../src/testing/random.ts";
import type { Behaviour } from "../setup/tcp-proxy.ts";
import { CHAOS_WORKER, type Crew, endIn } from "./crew.ts";
import type { Site, Victim } from "./site.ts";

/** What can be done to the system, and how often relative to each other. */
const WEIGHTS = {
  "worker killed": 5,
  "worker frozen past its lease": 3,
  "worker terminated": 3,
  "server stopped hard": 2,
  "connections cut": 2,
  "network slow": 2,
  "network half-open": 2,
  "network reset": 2,
  "network reset after commit": 3,
  "network reset amid an answer": 1,
} as const;
export type FaultName = keyof typeof WEIGHTS;

const TERM_PATIENCE_MS = 30_000;
const NEEDS_SERVER = /^(server|connections|network)/;

/** Up to two things at a time are done to the workers, and meanwhile one after the other to the server and the network. */
export class Faults {
  readonly counts: Map<FaultName, number> = new Map();
  /** What a fault found that no fault excuses. */
  readonly violations: string[] = [];
  readonly #site: Site;
  readonly #crew: Crew;
  readonly #random: Random;

  constructor(site: Site, crew: Crew, random: Random) {
    this.#site = site;
    this.#crew = crew;
    this.#random = random;
  }

  get total(): number {
    return [...this.counts.values()].reduce((a, b) => a + b, 0);
  }

  /** Until `over`. Everything is healed again when this resolves. */
  async unleash(over: () => boolean): Promise<void> {
    const names = Object.keys(WEIGHTS) as FaultName[];
    const lines = [
      this.#line(
        names.filter((name) => !NEEDS_SERVER.test(name)),
        over,
      ),
    ];
    const { victim } = this.#site;
    if (victim !== undefined)
      lines.push(
        this.#line(
          names.filter((name) => NEEDS_SERVER.test(name)),
          over,
        ),
      );
    await Promise.all(lines);
    victim?.proxy.heal();
  }

  async #line(names: readonly FaultName[], over: () => boolean): Promise<void> {
    const random = this.#random.fork();
    const bag = names.flatMap((name) => Array.from({ length: WEIGHTS[name] }, () => name));
    while (!over()) {
      await rest(random.int(100, 1_200));
      const name = random.pick(bag);
      if (name === undefined || over()) return;
      if (await this.#inflict(name, random)) this.counts.set(name, (this.counts.get(name) ?? 0) + 1);
    }
  }

  #inflict(name: FaultName, random: Random): Promise<boolean> {
    const { victim } = this.#site;
    if (victim === undefined) return this.#onWorker(name, random);
    switch (name) {
      case "worker killed":
      case "worker terminated":
      case "worker frozen past its lease":
        return this.#onWorker(name, random);
      case "server stopped hard":
        return stopHard(victim, random.int(100, 1_500));
      case "connections cut":
        return victim.cut().then(() => true);
      case "network slow":
        return weather(victim, { kind: "latency", ms: random.int(20, 200) }, random.int(500, 3_000));
      case "network half-open":
        return weather(victim, { kind: "stall" }, random.int(500, 4_000));
      case "network reset":
        return weather(victim, { kind: "reset" }, random.int(50, 1_000));
      case "network reset after commit":
        return weather(victim, { kind: "reset-after-commit" }, random.int(50, 700));
      case "network reset amid an answer":
        return weather(victim, { kind: "reset-after", bytes: random.int(1, 400) }, random.int(200, 1_000));
    }
  }

  #onWorker(name: FaultName, random: Random): Promise<boolean> {
    return this.#crew.with(
      (count) => random.int(0, Math.max(0, count - 1)),
      async (process) => {
        if (name === "worker killed") return process.kill();
        if (name === "worker terminated") {
          const ended = await endIn(process, TERM_PATIENCE_MS);
          if (ended === undefined) this.violations.push(`a worker was there ${TERM_PATIENCE_MS} ms after SIGTERM`);
          return ended ?? process.kill();
        }
        process.signal("SIGSTOP");
        await rest(CHAOS_WORKER.lease * random.int(12, 25) * 0.1);
        process.signal("SIGCONT");
        return undefined;
      },
    );
  }
}

const rest = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

async function stopHard(victim: Victim, downMs: number): Promise<boolean> {
  await victim.down();
  await rest(downMs);
  await victim.up();
  return true;
}

async function weather({ proxy }: Victim, behaviour: Behaviour, ms: number): Promise<boolean> {
  proxy.behave(behaviour);
  await rest(ms);
  proxy.heal();
  return true;
}
