import { flow } from "flujo";
import { describe, expect, it } from "vitest";
import { failure } from "../../src/domain/failure.ts";
import { ROOT_FIBER, runId } from "../../src/domain/ids.ts";
import { type Fiber, newFiber } from "../../src/planner/fiber.ts";
import { plan } from "../../src/planner/plan.ts";
import type { Happened, Plan } from "../../src/planner/planning.ts";

const definition = flow("forks", { version: "1" })
  .map(
    "m",
    () => [1, 2],
    (b) => b.step("s", (n) => n, { compensate: () => undefined }),
  )
  .build();
const at = { now: 1, random: 0, run: runId("r"), fiber: ROOT_FIBER };
const next = (before: Fiber, happened: Happened): Plan => plan(definition, before, happened, at);

const lost = failure("WORKER_LOST", "lost");
const broken: Happened = { type: "broken", failure: lost };
const ended: Happened = {
  type: "children.ended",
  ends: [
    { seq: 1, ordinal: 0, outcome: "completed" },
    { seq: 2, ordinal: 1, outcome: "cancelled" },
  ],
};
const waiting = next(newFiber({ path: definition.root.path, visit: "" }, { root: true }), { type: "began" }).after;

describe("a fiber that breaks while its children run", () => {
  it("stops them and waits for them", () => {
    const { after, facts, effects } = next(waiting, broken);
    expect(facts).toMatchObject([{ type: "fork.decided", verdict: "fail", failure: { ...lost, at: "root/m" } }]);
    expect(effects).toMatchObject({ cancelFork: { fork: 0 } });
    expect(after.doing).toMatchObject({ kind: "join" });
  });

  it("undoes what they had done, then ends as it broke", () => {
    const gather = next(next(waiting, broken).after, ended).after;
    expect(gather.doing.kind).toBe("gather");
    const undo = [{ path: "root/m/item/s", visit: "0", output: 1 }];
    const none = { value: null, context: {}, undo: [] };
    const { after, effects } = next(gather, {
      type: "gathered",
      results: [
        { ...none, ordinal: 0, outcome: "completed", undo },
        { ...none, ordinal: 1, outcome: "cancelled" },
      ],
    });
    expect(effects.dropFork).toBe(0);
    expect(after).toMatchObject({
      doing: { kind: "undo" },
      aside: { undo },
      frames: [{ kind: "undo", ending: { outcome: "failed", failure: { code: "WORKER_LOST" } } }],
    });
  });

  it("leaves nothing of them when it breaks once more", () => {
    const { after, effects } = next(next(waiting, broken).after, broken);
    expect(effects).toMatchObject({ cancelFork: { fork: 0 }, dropFork: 0 });
    expect(after.doing).toMatchObject({ kind: "ended", ending: { outcome: "failed", failure: lost } });
  });

  it("leaves nothing of them when their results cannot be read", () => {
    const { after, effects } = next(next(next(waiting, broken).after, ended).after, broken);
    expect(effects.dropFork).toBe(0);
    expect(after.doing).toMatchObject({ kind: "ended", ending: { outcome: "failed" } });
  });
});
