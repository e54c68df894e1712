import { describe, expect, it } from "vitest";
import type { Line } from "./ledger.ts";
import { headStart, violations } from "./oracle.ts";

const begin = (pid: number, run: string, key = "a"): Line => ({ what: "begin", pid, run, key });
const end = (pid: number, run: string, key = "a"): Line => ({ what: "end", pid, run, key });
const claims = (...at: number[]): Line[] =>
  at.map((one, i) => ({ what: "claim", pid: 1, run: `r${i}`, key: "a", at: one }));
const queue = "q";

describe("the oracle of limits", () => {
  it("sees one more at once than there are places, whichever processes they are in", () => {
    const lines = [begin(1, "x"), begin(2, "y"), end(1, "x"), begin(1, "z", "b")];
    expect(violations(lines, { queue, concurrency: 2 })).toEqual([]);
    expect(violations([...lines, begin(2, "w")], { queue, concurrency: 2 })).toEqual(["queue: 3 at once, not 2"]);
  });

  it("counts nothing of a process that is dead", () => {
    const lines: Line[] = [begin(1, "x"), { what: "killed", pid: 1 }, begin(2, "x")];
    expect(violations(lines, { queue, concurrency: 1 })).toEqual([]);
  });

  it("sees a claim too many in a period, wherever the period begins", () => {
    const rate = { count: 2, perMs: 100 };
    expect(violations(claims(50, 60, 150, 160), { queue, rate })).toEqual([]);
    expect(violations(claims(50, 60, 140), { queue, rate })).toEqual(["queue: 3 claims within 90 ms, not 100 ms"]);
    expect(violations(claims(1, 2, 3), { queue, lane: { rate } })).toEqual(["key a: 3 claims within 2 ms, not 100 ms"]);
  });

  it("sees how long a key waits for its first turn", () => {
    const late: Line = { what: "claim", pid: 1, run: "last", key: "b", at: 9 };
    expect(headStart([...claims(1, 2, 3), late])).toBe(3);
    expect(headStart([...claims(1, 10), late])).toBe(1);
  });
});
