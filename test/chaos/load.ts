import { type Flujo, FlujoError } from "flujo";
import type { Random } from "../../src/testing/random.ts";
import type { Pattern } from "./flows.ts";

/** A run that was accepted, and what it must come to. */
export interface Expected {
  readonly run: string;
  readonly pattern: string;
  readonly n: number;
}

const OPEN_AT_ONCE = 120;
const BATCH = 10;
const BETWEEN_MS = 50;

/** Keeps starting runs and sending the signals they wait for, as a service does: whatever fails is asked again under the same id. */
export class Load {
  readonly accepted: Expected[] = [];
  readonly violations: string[] = [];
  #refused = 0;
  readonly #flujo: Flujo;
  readonly #patterns: Readonly<Record<string, Pattern>>;
  readonly #random: Random;

  constructor(flujo: Flujo, patterns: Readonly<Record<string, Pattern>>, random: Random) {
    this.#flujo = flujo;
    this.#patterns = patterns;
    this.#random = random;
  }

  /** Questions that the store did not answer. */
  get refused(): number {
    return this.#refused;
  }

  async keepOn(over: () => boolean): Promise<void> {
    while (!over()) {
      const open = await this.insist("list", () => this.open());
      if (open !== undefined && open < OPEN_AT_ONCE)
        await Promise.all(Array.from({ length: BATCH }, () => this.#begin()));
      await rest(BETWEEN_MS);
    }
  }

  /** How many runs have not ended, as far as it matters. */
  async open(): Promise<number> {
    const page = await this.#flujo.list({ status: ["pending", "running", "paused", "waiting"], limit: 1_000 });
    return page.items.length;
  }

  async #begin(): Promise<void> {
    const name = this.#random.pick(Object.keys(this.#patterns)) ?? "sequence";
    const pattern = this.#patterns[name];
    if (pattern === undefined) return;
    const n = this.#random.int(0, 1_000);
    const run = `${name}-${this.accepted.length}`;
    this.accepted.push({ run, pattern: name, n });
    await this.insist(`start ${run}`, () => this.#flujo.start(pattern.flow, { n, by: "start" }, { id: run }));
    const { signal } = pattern;
    if (signal === undefined) return;
    const data = { n, by: "signal" };
    await this.insist(`signal ${run}`, () => this.#flujo.signal(run, signal, data, { id: "the-one" }), ["RUN_ENDED"]);
  }

  /** Asks until there is an answer. Only a store that is away may refuse; what else is refused is a violation. */
  async insist<T>(what: string, ask: () => Promise<T>, fine: readonly string[] = []): Promise<T | undefined> {
    for (;;) {
      try {
        return await ask();
      } catch (error) {
        const code = error instanceof FlujoError ? error.code : String(error);
        if (fine.includes(code)) return undefined;
        if (code !== "STORE_UNAVAILABLE") {
          this.violations.push(`${what}: expected an answer or STORE_UNAVAILABLE but found ${String(error)}`);
          return undefined;
        }
        this.#refused += 1;
        await rest(BETWEEN_MS);
      }
    }
  }
}

const rest = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
