import type { HeartbeatOutcome, SweepOutcome } from "../../ports/queue.ts";
import { askReachable, type Member } from "./member.ts";
import type { Relay } from "./relay.ts";

/** Heartbeats between two looks into all outboxes, as long as nothing points to something being left there. */
const BEATS = 10;

/**
 * Takes back the fibers of workers that fell silent, and relays what they left behind. A look into the outboxes costs one query
 * per shard, so it is taken when there is reason to: at the first sweep, when a worker has died, when this process could not
 * relay something itself, and now and then, since a process may die between a sweep and its relaying.
 */
export class Sweeper {
  readonly #members: readonly Member[];
  readonly #relay: Relay;
  #beats = 0;
  #look = true;

  constructor(members: readonly Member[], relay: Relay) {
    this.#members = members;
    this.#relay = relay;
  }

  /** Workers sweep when the heartbeat says so: also when there is something to relay. */
  due(outcome: HeartbeatOutcome): HeartbeatOutcome {
    this.#beats += 1;
    if (this.#beats % BEATS === 0) this.#look = true;
    const wanted = this.#look || this.#relay.behind;
    return outcome.status === "alive" && wanted ? { ...outcome, nextExpiryMs: 0 } : outcome;
  }

  async sweep(): Promise<SweepOutcome> {
    const swept = await askReachable(this.#members, (store) => store.sweep());
    const workers = [...new Set(swept.flatMap((one) => one.workers))];
    const fibers = swept.reduce((sum, one) => sum + one.fibers, 0);
    if (this.#look || workers.length > 0 || this.#relay.behind) {
      await this.#relay.sweep();
      this.#look = false;
    }
    return { workers, fibers };
  }
}
