import { FlujoError } from "../../domain/errors.ts";
import type { Wire } from "../../domain/wire.ts";
import { type Ballot, consensusEmpty, type Reduced, type Vote, votesOf } from "./ballot.ts";

/** What a judge says of one candidate: the higher the score the better. `report` is kept for the reader. */
export interface Judgement {
  readonly score: number;
  readonly report?: Wire;
}

export type Judge = (candidate: Vote) => Promise<Judgement>;

/**
 * The candidate that the judge scores highest; the earliest of equals. All candidates are judged at once. A judge that throws,
 * or gives no finite score, fails the selection: a choice among those that happened to be judged is no choice.
 */
export function judgeSelection(judge: Judge): (ballots: readonly Ballot[]) => Promise<Reduced> {
  return async (ballots) => {
    const votes = votesOf(ballots);
    const judged = await Promise.all(votes.map(async (vote) => ({ vote, judgement: finite(vote, await judge(vote)) })));
    const best = judged.reduce<(typeof judged)[number] | undefined>(
      (leader, one) => (leader === undefined || one.judgement.score > leader.judgement.score ? one : leader),
      undefined,
    );
    if (best === undefined) return consensusEmpty("judge_selection", ballots);
    const { score, report } = best.judgement;
    return {
      ok: true,
      value: best.vote.value,
      consensus: {
        strategy: "judge_selection",
        votes: 1,
        total: votes.length,
        judgeScore: score,
        ...(report !== undefined && { judgeReport: report }),
      },
    };
  };
}

function finite({ name }: Vote, judgement: Judgement): Judgement {
  if (Number.isFinite(judgement.score)) return judgement;
  throw new FlujoError("AGENT_OUTPUT_INVALID", `the judge gave "${name}" no finite score but ${judgement.score}`);
}
