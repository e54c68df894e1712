import { FlujoError } from "../domain/errors.ts";
import { type Failure, failure, failureFrom, failureWire } from "../domain/failure.ts";
import type { EndStatus } from "../domain/run.ts";
import type { Wire } from "../domain/wire.ts";
import type { JoinPolicy } from "../definition/node.ts";
import { noPromise } from "./ask.ts";

/** The state of a fork when one more child has ended. */
export interface JoinState {
  readonly total: number;
  readonly ended: number;
  readonly succeeded: number;
  readonly latest: {
    readonly ordinal: number;
    readonly name: string;
    readonly outcome: EndStatus;
    readonly failure?: Failure;
  };
}

export type Verdict =
  | { readonly verdict: "join"; readonly winner?: number }
  | { readonly verdict: "fail"; readonly failure: Failure };

/** Whether the children are done, well or not; undefined = wait for more. Pure: the same order of ends gives the same verdict. */
export function judge(policy: JoinPolicy, { total, ended, succeeded, latest }: JoinState): Verdict | undefined {
  const failed = ended - succeeded;
  const good = latest.outcome === "completed";
  const done: Verdict | undefined = ended === total ? { verdict: "join" } : undefined;
  switch (policy.kind) {
    case "all":
      return good ? done : { verdict: "fail", failure: failureOf(latest) };
    case "settled":
      return done;
    case "any":
      if (good) return { verdict: "join", winner: latest.ordinal };
      return done && { verdict: "fail", failure: unmet(`none of ${total} children succeeded`, latest) };
    case "atLeast":
      if (succeeded >= policy.count) return { verdict: "join" };
      if (total - failed < policy.count)
        return {
          verdict: "fail",
          failure: unmet(
            `expected at least ${policy.count} of ${total} children to succeed, but ${failed} failed`,
            latest,
          ),
        };
      return undefined;
    case "critical": // a critical branch that was not chosen is not missed: it did not fail
      return !good && policy.names.includes(latest.name) ? { verdict: "fail", failure: failureOf(latest) } : done;
    case "custom":
      return judgeCustom(policy, { total, ended, succeeded, latest });
  }
}

/** What a fork without children yields. */
export function judgeEmpty(policy: JoinPolicy): Verdict {
  const wanted = policy.kind === "any" ? 1 : policy.kind === "atLeast" ? policy.count : 0;
  return wanted === 0
    ? { verdict: "join" }
    : {
        verdict: "fail",
        failure: failure("JOIN_FAILED", `expected at least ${wanted} children to succeed, but there were none`),
      };
}

function judgeCustom(policy: Extract<JoinPolicy, { kind: "custom" }>, state: JoinState): Verdict | undefined {
  const { total, ended, succeeded, latest } = state;
  let answer: "wait" | "join" | "fail";
  try {
    const progress = {
      total,
      ended,
      succeeded,
      failed: ended - succeeded,
      latest: { ordinal: latest.ordinal, name: latest.name, succeeded: latest.outcome === "completed" },
    };
    answer = noPromise(policy.decide(progress), "join");
  } catch (thrown) {
    return { verdict: "fail", failure: failureFrom(thrown, "PREDICATE_FAILED") };
  }
  if (answer === "join") return { verdict: "join" };
  if (answer === "fail") return { verdict: "fail", failure: unmet(`the join policy "${policy.name}" gave up`, latest) };
  if (answer === "wait" && ended < total) return undefined;
  // Nothing more can come: to wait on would be to wait for ever (I11).
  return {
    verdict: "fail",
    failure: unmet(
      `the join policy "${policy.name}" answered ${JSON.stringify(answer)} after the last of ${total} children`,
      latest,
    ),
  };
}

const failureOf = ({ name, failure: cause, outcome }: JoinState["latest"]): Failure =>
  cause ?? failure("JOIN_FAILED", `child "${name}" ended ${outcome}`);

const unmet = (message: string, latest: JoinState["latest"]): Failure =>
  failure("JOIN_FAILED", message, latest.failure && { cause: latest.failure });

/** One child as the join sees it. */
export interface Joined {
  readonly ordinal: number;
  readonly name: string;
  readonly outcome: EndStatus;
  readonly value: Wire;
  readonly failure?: Failure;
}

/** The output of a fork: by name for branches, in declared order for a map; `all` gives plain outputs, `any` the winner's. */
export function joinOutput(
  policy: JoinPolicy,
  children: readonly Joined[],
  shape: "record" | "list",
  winner: number | undefined,
): Wire {
  if (policy.kind === "any") {
    const won = children.find(({ ordinal }) => ordinal === winner);
    if (won === undefined) throw new FlujoError("JOIN_FAILED", "the winner's result is gone");
    return won.value;
  }
  const outputs = policy.kind === "all" ? children.map(({ value }) => value) : children.map(settled);
  return shape === "list" ? outputs : Object.fromEntries(children.map(({ name }, i) => [name, outputs[i] ?? null]));
}

function settled({ outcome, value, failure: why }: Joined): Wire {
  if (outcome === "completed") return { status: "fulfilled", value };
  const reason = why ?? failure("RUN_CANCELLED", "the child was cancelled before it ended");
  return { status: "rejected", reason: failureWire(reason) };
}
