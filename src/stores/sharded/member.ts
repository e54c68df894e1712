import { FlujoError } from "../../domain/errors.ts";
import type { ShardStore } from "../../ports/shard.ts";

/** One shard, and whether it answered last time. */
export class Member {
  readonly index: number;
  readonly store: ShardStore;
  /** It could not be reached lately: what need not wait for it passes it over, until it answers again. */
  down = false;

  constructor(index: number, store: ShardStore) {
    this.index = index;
    this.store = store;
  }

  async ask<T>(operation: (store: ShardStore) => Promise<T>): Promise<T> {
    try {
      const answer = await operation(this.store);
      this.down = false;
      return answer;
    } catch (error) {
      if (isUnavailable(error)) this.down = true;
      throw error;
    }
  }
}

export const isUnavailable = (error: unknown): error is FlujoError =>
  error instanceof FlujoError && error.code === "STORE_UNAVAILABLE";

/**
 * Asks all of them at the same time and waits for every answer, so that none is still under way when a failure is told. Throws
 * the first failure.
 */
export async function askAll<T>(
  members: readonly Member[],
  operation: (store: ShardStore, index: number) => Promise<T>,
): Promise<readonly T[]> {
  const answers = await Promise.allSettled(
    members.map(async (member) => member.ask((store) => operation(store, member.index))),
  );
  return answers.map((answer) => {
    if (answer.status === "rejected") throw answer.reason;
    return answer.value;
  });
}

/**
 * What those answer that can be reached. A shard that cannot is passed over, and from then on until it answers again; another
 * failure is thrown, and so is that of the last shard when there is no answer at all.
 */
export async function askReachable<T>(
  members: readonly Member[],
  operation: (store: ShardStore, index: number) => Promise<T>,
): Promise<readonly T[]> {
  const up = members.filter(({ down }) => !down);
  const asked = up.length === 0 ? members : up;
  const answers = await Promise.allSettled(
    asked.map(async (member) => member.ask((store) => operation(store, member.index))),
  );
  const failures = answers.flatMap((answer) => (answer.status === "rejected" ? [answer.reason as unknown] : []));
  for (const failure of failures) if (!isUnavailable(failure) || failures.length === asked.length) throw failure;
  return answers.flatMap((answer) => (answer.status === "fulfilled" ? [answer.value] : []));
}
