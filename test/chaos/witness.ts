import type { LeasedFiber } from "../../src/ports/queue.ts";
import type { CommitOutcome, Store, Transition } from "../../src/ports/store.ts";
import { note } from "./ledger.ts";

/** The same store, with a witness who notes what it answers to claims and commits. */
export function witnessed(store: Store, ledger: string, worker: string): Store {
  const claim: Store["claim"] = async (request) => {
    const rows = await store.claim(request);
    for (const row of rows) noteClaim(row);
    return rows;
  };
  const noteClaim = ({ run, key: fiber, seq, deliveries, owner }: LeasedFiber): void =>
    note(ledger, { what: "claim", run, fiber, seq, deliveries, epoch: owner?.epoch ?? 0, worker, at: Date.now() });

  const commit: Store["commit"] = async (batch) => {
    const outcomes = await store.commit(batch);
    for (const [i, transition] of batch.entries()) noteCommit(transition, outcomes[i]);
    return outcomes;
  };
  const noteCommit = (transition: Transition, outcome: CommitOutcome | undefined): void => {
    const { run, fiber, expectedSeq: seq, lease, event } = transition;
    const status = outcome?.status ?? "nothing";
    note(ledger, {
      what: "commit",
      ...{ run, fiber, seq, epoch: lease.epoch, status, worker, at: Date.now() },
      ...(event && { event: event.at }),
    });
  };

  const transact: Store["transact"] = async (run, work) => {
    let transition: Transition | undefined;
    const outcome = await store.transact?.(run, async (tx) => (transition = await work(tx)));
    if (transition !== undefined) noteCommit(transition, outcome);
    return outcome;
  };

  return new Proxy(store, {
    get: (target, name) => {
      if (name === "claim") return claim;
      if (name === "commit") return commit;
      if (name === "transact") return target.transact === undefined ? undefined : transact;
      const member: unknown = Reflect.get(target, name, target);
      return typeof member === "function" ? (member.bind(target) as unknown) : member;
    },
  });
}
