import { describe, expect, it } from "vitest";
import { VIRTUAL_START, VirtualClock, virtualAmbient } from "../../src/testing/virtual-clock.ts";

const setup = (...delays: number[]): { readonly clock: VirtualClock; readonly rung: [number, number][] } => {
  const clock = new VirtualClock();
  const rung: [number, number][] = [];
  for (const delay of delays) clock.after(delay, () => rung.push([delay, clock.now() - VIRTUAL_START]));
  return { clock, rung };
};

describe("a virtual clock", () => {
  it("rings timers in order, each at its own instant", async () => {
    const { clock, rung } = setup(30, 10, 20, 10, 99);
    await clock.advance(30);
    expect(rung).toEqual([
      [10, 10],
      [10, 10],
      [20, 20],
      [30, 30],
    ]);
    expect(clock.now() - VIRTUAL_START).toBe(30);
  });

  it("rings what a timer sets on the way", async () => {
    const { clock, rung } = setup();
    clock.after(5, () => clock.after(5, () => rung.push([0, clock.now() - VIRTUAL_START])));
    await clock.advance(10);
    expect(rung).toEqual([[0, 10]]);
  });

  it("does not ring what was cancelled", async () => {
    const { clock, rung } = setup();
    const cancel = clock.after(5, () => rung.push([5, 5]));
    cancel();
    expect(await clock.runUntilIdle()).toBe(0);
    expect(rung).toEqual([]);
  });

  it("runs until nothing is set, or until a bound", async () => {
    const { clock } = setup(10, 1_000);
    expect(await clock.runUntilIdle({ untilMs: 500 })).toBe(10);
    expect(await clock.runUntilIdle()).toBe(990);
    expect(clock.nextAt()).toBeUndefined();
  });

  it("rings late what a jump forwards passes", () => {
    const { clock, rung } = setup(10, 20, 200);
    clock.jump(100);
    expect(rung).toEqual([
      [10, 100],
      [20, 100],
    ]);
  });

  it("keeps what timers had left when it jumps backwards", async () => {
    const { clock, rung } = setup(10);
    clock.jump(-1_000);
    await clock.advance(9);
    expect(rung).toEqual([]);
    await clock.advance(1);
    expect(rung).toEqual([[10, -990]]);
  });
});

describe("a virtual ambient", () => {
  it("gives the same chance and ids for the same seed, and others for another", () => {
    const draw = (seed: number): unknown[] => {
      const { random, newId } = virtualAmbient({ seed });
      return [random(), newId(), random(), newId()];
    };
    expect(draw(5)).toEqual(draw(5));
    expect(draw(6)).not.toEqual(draw(5));
  });
});
