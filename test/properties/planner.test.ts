import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Fact } from "../../src/domain/event.ts";
import { sameWire } from "../../src/domain/canonical.ts";
import type { Wire } from "../../src/domain/wire.ts";
import type { Definition } from "../../src/definition/definition.ts";
import { asideOf, stateOf } from "../../src/engine/fiber-codec.ts";
import { type Fiber, newFiber } from "../../src/planner/fiber.ts";
import { begun, fold } from "../../src/planner/fold.ts";
import { plan } from "../../src/planner/plan.ts";
import type { Plan } from "../../src/planner/planning.ts";
import { simulatedFlow } from "../../src/testing/simulator/flows.ts";
import { type Drawn, drawn, World } from "./happenings.ts";
import { CASES } from "./values.ts";

/** States in which a fiber can be stored, and those in which the engine must answer before it can. */
const STORED: readonly string[] = ["new", "step", "undo", "wait", "join", "call", "ended"];
const TRANSIENT: readonly string[] = ["gather", "collect", "starting", "finish"];

const wireOf = (fiber: Fiber): Wire => [stateOf(fiber), fiber.value, fiber.context, asideOf(fiber.aside)];

interface Planned {
  readonly definition: Definition;
  readonly born: Fiber;
  readonly plans: readonly Plan[];
}

/** Plans one event after another, as they are drawn, on a flow of that number. */
function rehearse(number: number, input: Wire, events: readonly Drawn[], { root = true, answers = false }): Planned {
  const definition = simulatedFlow(number);
  const born = newFiber({ path: definition.root.path, visit: "" }, { root, value: input });
  const world = new World();
  const plans: Plan[] = [];
  let fiber = born;
  for (const event of events) {
    const happened = world.happened(event, fiber, answers);
    const next = plan(definition, fiber, happened, world.context(event.passMs, event.detail));
    plans.push(next);
    fiber = next.after;
  }
  return { definition, born, plans };
}

const rehearsals = (): [
  fc.Arbitrary<number>,
  fc.Arbitrary<Wire>,
  fc.Arbitrary<readonly Drawn[]>,
  fc.Arbitrary<boolean>,
] => [fc.nat(2_500), fc.nat(9), fc.array(drawn(), { maxLength: 60, size: "max" }), fc.boolean()];

describe("the planner", () => {
  it("never throws, and leaves a fiber where it can be stored or answered", () => {
    fc.assert(
      fc.property(...rehearsals(), (number, input, events, root) => {
        const known = [...STORED, ...TRANSIENT];
        for (const { after } of rehearse(number, input, events, { root }).plans)
          expect(known).toContain(after.doing.kind);
      }),
      CASES,
    );
  });

  it("plans the same for the same", () => {
    fc.assert(
      fc.property(...rehearsals(), (number, input, events, root) => {
        const once = (): Planned => rehearse(number, input, events, { root });
        const [one, two] = [1, 2].map(once); // from one place: failures carry stacks
        expect(two?.plans).toEqual(one?.plans);
      }),
      CASES,
    );
  });

  it("records all that it changes: folding the facts gives the state", () => {
    fc.assert(
      fc.property(...rehearsals(), (number, input, events, root) => {
        const { definition, born, plans } = rehearse(number, input, events, { root, answers: true });
        const facts: Fact[] = [];
        for (const next of plans) {
          facts.push(...next.facts);
          if (TRANSIENT.includes(next.after.doing.kind)) continue;
          const folded = fold(definition, born, facts);
          const told = next.after.doing.kind === "new" ? folded : begun(definition, folded);
          if (!sameWire(wireOf(told), wireOf(next.after))) expect(wireOf(told)).toEqual(wireOf(next.after));
        }
      }),
      CASES,
    );
  });

  it("changes nothing of a fiber that has ended", () => {
    fc.assert(
      fc.property(...rehearsals(), (number, input, events, root) => {
        const { plans } = rehearse(number, input, events, { root });
        const end = plans.findIndex(({ after }) => after.doing.kind === "ended");
        fc.pre(end >= 0);
        for (const { after, facts, effects } of plans.slice(end + 1)) {
          expect(sameWire(wireOf(after), wireOf(plans[end]?.after ?? after))).toBe(true);
          expect(facts).toEqual([]);
          expect([effects.spawn, effects.cancelRuns]).toEqual([[], []]);
        }
      }),
      { ...CASES, maxSkipsPerRun: 1_000 },
    );
  });

  it("never touches what it was given", () => {
    fc.assert(
      fc.property(...rehearsals(), (number, input, events, root) => {
        const { born, plans } = rehearse(number, input, events, { root });
        const states = [born, ...plans.map(({ after }) => after)].map(wireOf);
        const before = JSON.stringify(states);
        rehearse(number, input, events, { root });
        expect(JSON.stringify(states)).toBe(before);
      }),
      CASES,
    );
  });
});
