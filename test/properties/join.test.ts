import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { failure } from "../../src/domain/failure.ts";
import type { EndStatus } from "../../src/domain/run.ts";
import type { JoinPolicy } from "../../src/definition/node.ts";
import { judge, judgeEmpty, type Verdict } from "../../src/planner/join.ts";
import { CASES } from "./values.ts";

const NAMES = ["a", "b", "c", "d", "e", "f"] as const;

interface End {
  readonly ordinal: number;
  readonly outcome: EndStatus;
}

const ends = (): fc.Arbitrary<readonly End[]> =>
  fc
    .array(fc.constantFrom<EndStatus>("completed", "completed", "failed", "cancelled"), { minLength: 1, maxLength: 6 })
    .map((outcomes) => outcomes.map((outcome, ordinal) => ({ ordinal, outcome })));

/** In which order they end. */
const shuffled = (list: readonly End[]): fc.Arbitrary<readonly End[]> =>
  fc.shuffledSubarray([...list], { minLength: list.length, maxLength: list.length });

const settling = (total: number): fc.Arbitrary<JoinPolicy> =>
  fc.oneof(
    fc.constantFrom<JoinPolicy>({ kind: "all" }, { kind: "settled" }, { kind: "any" }),
    fc.integer({ min: 1, max: total }).map((count): JoinPolicy => ({ kind: "atLeast", count })),
    fc.subarray(NAMES.slice(0, total), { minLength: 1 }).map((names): JoinPolicy => ({ kind: "critical", names })),
  );

const custom = (): fc.Arbitrary<JoinPolicy> =>
  fc.array(fc.constantFrom("wait", "join", "fail", "throw", "nonsense"), { maxLength: 6 }).map(
    (answers): JoinPolicy => ({
      kind: "custom",
      name: "drawn",
      decide: ({ ended }) => {
        const answer = answers[ended - 1] ?? "wait";
        if (answer === "throw") throw new Error("this policy throws");
        return answer as "wait" | "join" | "fail";
      },
    }),
  );

/** All verdicts in the order of the ends, as if judging went on after the first. */
function verdicts(policy: JoinPolicy, order: readonly End[]): readonly (Verdict | undefined)[] {
  let succeeded = 0;
  return order.map(({ ordinal, outcome }, i) => {
    if (outcome === "completed") succeeded += 1;
    const name = NAMES[ordinal] ?? "";
    const why = outcome === "completed" ? {} : { failure: failure("STEP_FAILED", `${name} ended ${outcome}`) };
    return judge(policy, { total: order.length, ended: i + 1, succeeded, latest: { ordinal, name, outcome, ...why } });
  });
}

const first = (policy: JoinPolicy, order: readonly End[]): Verdict | undefined =>
  verdicts(policy, order).find((verdict) => verdict !== undefined);

const withOrders = (
  policy: (total: number) => fc.Arbitrary<JoinPolicy>,
): fc.Arbitrary<[JoinPolicy, readonly End[], readonly End[]]> =>
  ends().chain((list) => fc.tuple(policy(list.length), shuffled(list), shuffled(list)));

describe("a join policy", () => {
  it("comes to a verdict, with the last end at the latest", () => {
    fc.assert(
      fc.property(
        withOrders((total) => fc.oneof(settling(total), custom())),
        ([policy, order]) => {
          expect(first(policy, order)).toBeDefined();
        },
      ),
      CASES,
    );
  });

  it("says the same whatever order the children end in", () => {
    fc.assert(
      fc.property(withOrders(settling), ([policy, one, other]) => {
        expect(first(policy, one)?.verdict).toBe(first(policy, other)?.verdict);
      }),
      CASES,
    );
  });

  it("never takes back what it said, were it asked on", () => {
    const counted = (total: number): fc.Arbitrary<JoinPolicy> =>
      settling(total).filter(({ kind }) => kind === "atLeast");
    fc.assert(
      fc.property(withOrders(counted), ([policy, order]) => {
        const said = verdicts(policy, order).flatMap((verdict) => (verdict === undefined ? [] : [verdict.verdict]));
        expect(new Set(said).size).toBe(1);
      }),
      CASES,
    );
  });

  it("joins exactly when enough succeeded", () => {
    fc.assert(
      fc.property(withOrders(settling), ([policy, order]) => {
        const good = order.filter(({ outcome }) => outcome === "completed");
        const isMet = (): boolean => {
          switch (policy.kind) {
            case "all":
              return good.length === order.length;
            case "any":
              return good.length > 0;
            case "atLeast":
              return good.length >= policy.count;
            case "critical":
              return policy.names.every((name) => good.some(({ ordinal }) => NAMES[ordinal] === name));
            case "settled":
            case "custom":
              return true;
          }
        };
        expect(first(policy, order)?.verdict).toBe(isMet() ? "join" : "fail");
      }),
      CASES,
    );
  });

  it("names as the winner of any the first that succeeded", () => {
    fc.assert(
      fc.property(
        withOrders(() => fc.constant({ kind: "any" })),
        ([policy, order]) => {
          const verdict = first(policy, order);
          const winner = order.find(({ outcome }) => outcome === "completed")?.ordinal;
          expect(verdict?.verdict === "join" ? verdict.winner : undefined).toBe(winner);
        },
      ),
      CASES,
    );
  });

  it("judges a fork without children at once", () => {
    fc.assert(
      fc.property(fc.oneof(settling(3), custom()), (policy) => {
        const wants = policy.kind === "any" || policy.kind === "atLeast";
        expect(judgeEmpty(policy).verdict).toBe(wants ? "fail" : "join");
      }),
      CASES,
    );
  });
});
