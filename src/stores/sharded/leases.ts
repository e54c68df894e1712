import type { WorkerId } from "../../domain/ids.ts";
import type { Wire } from "../../domain/wire.ts";
import type { GuardRequest, HeartbeatOutcome, LeaseGuard, WorkerRecord } from "../../ports/queue.ts";
import { askAll, askReachable, type Member } from "./member.ts";

interface Lease {
  readonly epoch: number;
  readonly leaseMs: number;
  /** The shards that know the worker under this epoch. */
  readonly admitted: Set<Member>;
}

/**
 * One lease per worker and shard, all under the epoch that the first shard gives. A worker has ONE answer to "does my lease
 * hold": so when a shard that knows it does not answer a heartbeat, the heartbeat fails, and if that lasts the worker drops all
 * its work before any lease ends. It then registers anew; a shard that is still away is left out and can hold nothing against
 * it. The others go on, and the missing one admits the worker as soon as it is back.
 *
 * The first shard gives the epochs: while it is away nobody can register.
 */
export class Leases {
  readonly #members: readonly Member[];
  readonly #first: Member;
  readonly #leases = new Map<WorkerId, Lease>();
  readonly #readmitting = new Map<Member, Promise<void>>();

  constructor(members: readonly Member[], first: Member) {
    this.#members = members;
    this.#first = first;
  }

  async register(worker: WorkerId, leaseMs: number, about?: Wire): Promise<{ readonly epoch: number }> {
    const { epoch } = await this.#first.ask((store) => store.register(worker, leaseMs, about));
    const lease: Lease = { epoch, leaseMs, admitted: new Set([this.#first]) };
    this.#leases.set(worker, lease);
    const up = this.#members.filter((member) => member !== this.#first && !member.down);
    await Promise.all(up.map(async (member) => admit(member, worker, lease)));
    return { epoch };
  }

  async heartbeat(worker: WorkerId, epoch: number, leaseMs: number, about?: Wire): Promise<HeartbeatOutcome> {
    const lease = this.#leases.get(worker);
    const known = lease?.epoch === epoch ? lease.admitted : new Set(this.#members);
    if (lease?.epoch === epoch) this.#readmit(worker, { ...lease, leaseMs });
    const answers = await askAll([...known], (store) => store.heartbeat(worker, epoch, leaseMs, about));
    const alive = answers.flatMap((answer) => (answer.status === "alive" ? [answer] : []));
    if (alive.length < answers.length) return { status: "lost" };
    const cancelled = alive.flatMap((answer) => answer.cancelled);
    const expiries = alive.flatMap(({ nextExpiryMs }) => (nextExpiryMs === undefined ? [] : [nextExpiryMs]));
    const told = expiries.length === alive.length;
    return { status: "alive", cancelled, ...(told && { nextExpiryMs: Math.min(...expiries) }) };
  }

  /** Asks those that are away, one question at a time for each. Nobody waits for the answer: it may take a time-out. */
  #readmit(worker: WorkerId, lease: Lease): void {
    for (const member of this.#members) {
      if (lease.admitted.has(member) || this.#readmitting.has(member)) continue;
      const asked = admit(member, worker, lease).finally(() => this.#readmitting.delete(member));
      this.#readmitting.set(member, asked);
    }
  }

  /** Workers as the first shard knows them, with what they hold everywhere. */
  async workers(): Promise<readonly WorkerRecord[]> {
    const others = this.#members.filter((member) => member !== this.#first);
    const [known, elsewhere] = await Promise.all([
      this.#first.ask((store) => store.workers()),
      askReachable(others, (store) => store.workers()).then((lists) => lists.flat()),
    ]);
    return known.map((record) => {
      const same = elsewhere.filter(({ worker, epoch }) => worker === record.worker && epoch === record.epoch);
      return { ...record, held: same.reduce((sum, { held }) => sum + held, record.held) };
    });
  }

  /** Resolves when no question is under way. */
  async settled(): Promise<void> {
    await Promise.all(this.#readmitting.values());
  }
}

/** A shard that does not answer is left out: `Member` remembers that it is away, and the next heartbeat asks again. */
async function admit(member: Member, worker: WorkerId, { epoch, leaseMs, admitted }: Lease): Promise<void> {
  try {
    await member.ask((store) => store.admit(worker, epoch, leaseMs));
    admitted.add(member);
  } catch {
    admitted.delete(member);
  }
}

/** A guard on each shard that has one. The lease counts as renewed when it was renewed on every shard. */
export function guardAll(members: readonly Member[], request: GuardRequest): LeaseGuard {
  const guards = members.flatMap(({ store }) => store.guard?.(request) ?? []);
  return {
    beaten: () => {
      for (const guard of guards) guard.beaten();
    },
    get renewedAt() {
      return guards.length < members.length ? 0 : Math.min(...guards.map(({ renewedAt }) => renewedAt));
    },
    stop: async () => {
      await Promise.all(guards.map(async (guard) => guard.stop()));
    },
  };
}
