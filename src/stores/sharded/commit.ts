import type { RunId } from "../../domain/ids.ts";
import type { ShardTransition } from "../../ports/shard.ts";
import type { CommitOutcome, Transition } from "../../ports/store.ts";
import { ofRun } from "../../ports/transact.ts";
import { byShard, parts, type Placed } from "./batch.ts";
import type { Member } from "./member.ts";
import type { Relay } from "./relay.ts";
import { refusal, split } from "./split.ts";

/** Commits on the shard of each run and relays before it answers, so that whoever is alone sees what one store would show. */
export class ShardedCommit {
  readonly #placeOf: (run: RunId) => number;
  readonly #memberOf: (run: RunId) => Member;
  readonly #relay: Relay;

  constructor(placeOf: (run: RunId) => number, memberOf: (run: RunId) => Member, relay: Relay) {
    this.#placeOf = placeOf;
    this.#memberOf = memberOf;
    this.#relay = relay;
  }

  /** A shard that fails fails the whole batch, after the others have committed: send batches of one part (`partitionOf`). */
  async commit(batch: readonly Transition[]): Promise<readonly CommitOutcome[]> {
    const outcomes: (CommitOutcome | undefined)[] = batch.map((transition) => {
      const error = refusal(transition);
      return error && { status: "rejected", error };
    });
    for (const part of parts(batch, this.#placeOf)) {
      const wanted = part.filter(({ index }) => outcomes[index] === undefined);
      const shares = [...byShard(wanted, ({ transition }) => this.#placeOf(transition.run)).values()];
      const answers = await Promise.allSettled(shares.map(async (share) => this.#commitShare(share)));
      for (const [i, answer] of answers.entries()) {
        if (answer.status === "rejected") throw answer.reason;
        for (const [j, { index }] of (shares[i] ?? []).entries()) outcomes[index] = answer.value[j];
      }
    }
    return outcomes.map((outcome, index) => outcome ?? missing(index));
  }

  async #commitShare(share: readonly Placed[]): Promise<readonly CommitOutcome[]> {
    const [first] = share;
    if (first === undefined) return [];
    const member = this.#memberOf(first.transition.run);
    const transitions = share.map(({ transition }) => split(transition, this.#placeOf));
    const outcomes = await this.#certain(member, transitions, async () =>
      member.ask((store) => store.commit(transitions)),
    );
    await this.#relay.deliver(member, committed(transitions, outcomes));
    return outcomes;
  }

  async transact(
    run: RunId,
    work: (tx: unknown) => Promise<Transition | undefined>,
  ): Promise<CommitOutcome | undefined> {
    const member = this.#memberOf(run);
    const chosen: ShardTransition[] = [];
    let refused: CommitOutcome | undefined;
    const ask = async (): Promise<CommitOutcome | undefined> =>
      member.ask(async (store) =>
        store.transact?.(run, async (tx) => {
          const transition = ofRun(run, await work(tx));
          const error = transition && refusal(transition);
          refused = error && { status: "rejected", error };
          if (transition === undefined || refused !== undefined) return undefined; // rolls back
          chosen.push(split(transition, this.#placeOf));
          return chosen[0];
        }),
      );
    const outcome = await this.#certain(member, chosen, ask);
    if (outcome !== undefined) await this.#relay.deliver(member, committed(chosen, [outcome]));
    return refused ?? outcome;
  }

  /** An answer that did not come leaves open whether the entries are there. */
  async #certain<T>(member: Member, transitions: readonly ShardTransition[], ask: () => Promise<T>): Promise<T> {
    try {
      return await ask();
    } catch (error) {
      this.#relay.doubt(
        member,
        transitions.flatMap(({ outbox = [] }) => outbox),
      );
      throw error;
    }
  }
}

const committed = (
  transitions: readonly ShardTransition[],
  outcomes: readonly CommitOutcome[],
): NonNullable<ShardTransition["outbox"]> =>
  transitions.flatMap(({ outbox = [] }, i) => (outcomes[i]?.status === "committed" ? outbox : []));

function missing(index: number): never {
  throw new Error(`the transition ${index} of the batch has no outcome`);
}
