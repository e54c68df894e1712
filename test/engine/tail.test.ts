import { expect, test } from "vitest";
import type { HistoryEvent } from "../../src/domain/event.ts";
import { Tail } from "../../src/runner/tail.ts";

const event = (seq: number): HistoryEvent => ({ seq, at: 0, fiber: "0", facts: [] }) as unknown as HistoryEvent;

function scene(inOrder: boolean): {
  visible: number[];
  now: number;
  readonly next: (last?: boolean) => Promise<number[]>;
} {
  const tail = new Tail(
    (after) =>
      Promise.resolve(
        [...world.visible]
          .sort((a, b) => a - b)
          .filter((seq) => seq > after)
          .map(event),
      ),
    { inOrder, monotonic: () => world.now },
  );
  const world = {
    visible: [] as number[],
    now: 0,
    next: async (last = false) => (await tail.next({ last })).map(({ seq }) => seq),
  };
  return world;
}

test("a tail yields each event once", async () => {
  for (const inOrder of [true, false]) {
    const world = scene(inOrder);
    world.visible = [1, 2];
    expect(await world.next()).toEqual([1, 2]);
    expect(await world.next()).toEqual([]);
    world.visible = [1, 2, 5];
    world.now = 5_000;
    expect(await world.next()).toEqual([5]);
    expect(await world.next(true)).toEqual([]);
  }
});

test("a tail sees within a second what became visible behind events that it has read", async () => {
  const world = scene(false);
  world.visible = [2, 4];
  expect(await world.next()).toEqual([2, 4]);
  world.visible = [2, 3, 4];
  world.now = 999;
  expect(await world.next()).toEqual([]);
  world.now = 1_000;
  expect(await world.next()).toEqual([3]);
});

test("a tail leaves nothing out at the end", async () => {
  const world = scene(false);
  world.visible = [2];
  await world.next();
  world.visible = [1, 2];
  expect(await world.next(true)).toEqual([1]);
});

test("a tail does not read for ever what it read long ago", async () => {
  const world = scene(false);
  world.visible = [1, 2];
  await world.next();
  world.now = 40_000;
  await world.next();
  world.visible = [2, 3]; // had it looked from the beginning, nothing would tell
  world.now = 80_000;
  expect(await world.next()).toEqual([3]);
});
