import { byShard } from "./batch.ts";
import type { Member } from "./member.ts";

export interface Scattering<T, A> {
  /** Number of the shard that this one is for. */
  readonly place: (one: T) => number;
  readonly ask: (member: Member, share: readonly T[]) => Promise<A>;
}

interface Answer<A> {
  /** Places of the share in what was given. */
  readonly indexes: readonly number[];
  readonly answer: A;
}

/**
 * Asks each shard about its own share, all of them at the same time, and waits for every answer, so that none is still under way
 * when a failure is told. Throws the first failure.
 */
export async function scatter<T, A>(
  members: readonly Member[],
  given: readonly T[],
  { place, ask }: Scattering<T, A>,
): Promise<readonly Answer<A>[]> {
  const shares = [...byShard([...given.entries()], ([, one]) => place(one))];
  const asked = await Promise.allSettled(
    shares.map(async ([shard, share]): Promise<Answer<A>> => {
      const member = members[shard];
      if (member === undefined) throw new Error(`expected one of ${members.length} shards but found ${shard}`);
      const mine = share.map(([, one]) => one);
      return { indexes: share.map(([index]) => index), answer: await ask(member, mine) };
    }),
  );
  return asked.map((answer) => {
    if (answer.status === "rejected") throw answer.reason;
    return answer.value;
  });
}

/** The same where a shard has one answer for each that it is asked about: all of them, in the order of `given`. */
export async function scatterEach<T, A>(
  members: readonly Member[],
  given: readonly T[],
  scattering: Scattering<T, readonly A[]>,
): Promise<readonly A[]> {
  const answers: A[] = [];
  for (const { indexes, answer } of await scatter(members, given, scattering)) {
    for (const [i, one] of answer.entries()) {
      const index = indexes[i];
      if (index !== undefined) answers[index] = one;
    }
  }
  return answers;
}
