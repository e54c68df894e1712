import { type Ambient, type Clock, uuidV7 } from "../../domain/ambient.ts";
import { type Random } from "../random.ts";
import type { SimulationLoop } from "./loop.ts";

/**
 * One operating-system process of the cluster. Whatever it hears (timers, answers, hints) goes through `deliver`: nothing while
 * it is paused, all at once when it goes on, and nothing ever again when it is dead. Its clock may be wrong.
 */
export class SimulatedProcess {
  readonly name: string;
  readonly ambient: Ambient;
  readonly #loop: SimulationLoop;
  readonly #random: Random;
  #alive = true;
  #paused = false;
  #held: (() => void)[] = [];
  #offsetMs: number;

  constructor(name: string, loop: SimulationLoop, random: Random, offsetMs: number) {
    this.name = name;
    this.#loop = loop;
    this.#random = random;
    this.#offsetMs = offsetMs;
    const clock: Clock = {
      now: () => loop.now + this.#offsetMs,
      monotonic: () => loop.now,
      after: (delayMs, callback) => this.deliver(delayMs, callback),
    };
    this.ambient = {
      clock,
      random: random.next,
      newId: () => uuidV7(clock.now(), random.next),
      yieldTurn: () =>
        new Promise((resolve) => {
          this.deliver(0, resolve);
        }),
    };
  }

  get alive(): boolean {
    return this.#alive;
  }

  /** It lives and is not paused. */
  get runs(): boolean {
    return this.#alive && !this.#paused;
  }

  deliver(delayMs: number, callback: () => void): () => void {
    let wanted = true;
    const arrive = (): void => {
      if (!this.#alive || !wanted) return;
      if (this.#paused) this.#held.push(arrive);
      else callback();
    };
    const cancel = this.#loop.after(delayMs, arrive);
    return () => {
      wanted = false;
      cancel();
    };
  }

  /** As by `kill -9`: no code of it runs again, its timers are gone, its promises never settle. */
  kill(): void {
    this.#alive = false;
    this.#held = [];
  }

  /** As by SIGSTOP. */
  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    const held = this.#random.chance(0.5) ? this.#held : this.#random.shuffle(this.#held);
    this.#held = [];
    // Each in an event of its own: between two of them promise reactions have their turn.
    for (const arrive of held) this.#loop.after(0, arrive);
  }

  /** Its clock is set. */
  setClock(offsetMs: number): void {
    this.#offsetMs = offsetMs;
  }
}
