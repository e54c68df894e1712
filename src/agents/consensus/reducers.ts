import { canonical } from "../../domain/canonical.ts";
import { failure } from "../../domain/failure.ts";
import type { Wire } from "../../domain/wire.ts";
import { consensusEmpty, type Reduced, type Reducer, type Vote, votesOf } from "./ballot.ts";

/*
 * Several results, one value. Failures are left out as long as anything succeeded; where nothing did, the reduction fails as
 * `consensus_empty`. Ties go to the earliest, so that the same results always give the same value. Source: Flujo, reducers.
 */

/** The value that most gave, compared by content. */
export const majorityVote: Reducer = over("majority_vote", (votes) =>
  mostFrequent(votes, ({ value }) => canonical(value)),
);

/** The text that several gave, white space around it and at its line ends aside; where no two agree, the majority. */
export const codeConsensus: Reducer = (ballots) => {
  const votes = votesOf(ballots);
  const agreed = mostFrequent(votes, ({ value }) => trimmedText(value));
  if (agreed === undefined || agreed.votes < 2) return majorityVote(ballots);
  return { ok: true, value: agreed.value, consensus: { strategy: "code_consensus", ...tally(agreed.votes, votes) } };
};

/** The value of the first that succeeded, in declared order. */
export const first: Reducer = over("first", (votes) => one(votes[0]));
/** The value of the last that succeeded, in declared order. */
export const last: Reducer = over("last", (votes) => one(votes.at(-1)));
/** The names of those that succeeded. */
export const keys: Reducer = over("keys", (votes) =>
  all(
    votes,
    votes.map(({ name }) => name),
  ),
);
/** The values of those that succeeded, in declared order. */
export const values: Reducer = over("values", (votes) =>
  all(
    votes,
    votes.map(({ value }) => value),
  ),
);

/** Lists one after the other; what is no list counts as a list of one. */
export const concat: Reducer = over("concat", (votes) =>
  all(
    votes,
    votes.flatMap(({ value }): readonly Wire[] => (isList(value) ? value : [value])),
  ),
);

/** Records put together, the later one winning a key; or lists, each item once. Anything else, or both, is a failure. */
export const union: Reducer = (ballots) => {
  const votes = votesOf(ballots);
  if (votes.length === 0) return consensusEmpty("union", ballots);
  const lists = votes.map(({ value }) => value).filter(isList);
  const records = votes.map(({ value }) => value).filter(isRecord);
  const consensus = { strategy: "union", ...tally(votes.length, votes) };
  if (records.length === votes.length)
    return { ok: true, value: Object.fromEntries(records.flatMap(entriesOf)), consensus };
  if (lists.length === votes.length) return { ok: true, value: distinct(lists.flat()), consensus };
  return { ok: false, failure: failure("JOIN_FAILED", "union needs results that are all records or all lists") };
};

interface Chosen {
  readonly value: Wire;
  readonly votes: number;
}

function over(strategy: string, choose: (votes: readonly Vote[]) => Chosen | undefined): Reducer {
  return (ballots): Reduced => {
    const votes = votesOf(ballots);
    const chosen = choose(votes);
    if (chosen === undefined) return consensusEmpty(strategy, ballots);
    return { ok: true, value: chosen.value, consensus: { strategy, ...tally(chosen.votes, votes) } };
  };
}

const tally = (agreeing: number, votes: readonly Vote[]) => ({ votes: agreeing, total: votes.length });
const one = (vote: Vote | undefined): Chosen | undefined => vote && { value: vote.value, votes: 1 };
const all = (votes: readonly Vote[], value: Wire): Chosen | undefined =>
  votes.length === 0 ? undefined : { value, votes: votes.length };

/** The earliest of the largest group of votes that are alike. */
export function mostFrequent(votes: readonly Vote[], digest: (vote: Vote) => string): Chosen | undefined {
  const groups = new Map<string, Chosen>();
  for (const vote of votes) {
    const key = digest(vote);
    const known = groups.get(key);
    groups.set(key, { value: known?.value ?? vote.value, votes: (known?.votes ?? 0) + 1 });
  }
  let best: Chosen | undefined;
  for (const group of groups.values()) if (best === undefined || group.votes > best.votes) best = group;
  return best;
}

/** Text without what an editor would trim; other values by their content. */
export const trimmedText = (value: Wire): string =>
  typeof value === "string" ? value.trim().replace(/[ \t\r]+$/gm, "") : canonical(value);

const isList = (value: Wire): value is readonly Wire[] => Array.isArray(value);
const isRecord = (value: Wire): value is { readonly [key: string]: Wire } =>
  typeof value === "object" && value !== null && !isList(value);
const entriesOf = (record: { readonly [key: string]: Wire }): (readonly [string, Wire])[] => Object.entries(record);

function distinct(items: readonly Wire[]): readonly Wire[] {
  return [...new Map(items.map((item) => [canonical(item), item] as const)).values()];
}
