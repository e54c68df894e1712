import { describe, expect, it } from "vitest";
import { displayOn } from "./display.ts";
import type { Progress } from "./watch.ts";

const step = (name: string, visit = "") => ({ path: `root/${name}`, visit, attempt: 1, startedAt: 0, at: 1 });
const progress = (...finished: Progress["finished"][number][]): Progress => ({
  finished,
  files: 2,
  done: new Set([0]),
  active: new Map([[1, "read"]]),
});

/** What a terminal shows after these writes: only "up n lines and erase" is understood. */
function screen(written: readonly string[]): string[] {
  const lines = [""];
  for (const text of written) {
    // oxlint-disable-next-line no-control-regex -- the escape sequence of a terminal
    const [up] = text.match(/(?<=^\u001b\[)\d+(?=A\u001b\[0J$)/u) ?? [];
    if (up !== undefined) lines.splice(lines.length - 1 - Number(up), Number(up));
    else lines.push(...`${lines.pop() ?? ""}${text}`.split("\n"));
  }
  return lines.slice(0, -1);
}

describe("on a terminal", () => {
  const drawn = (act: (display: ReturnType<typeof displayOn>) => void): string[] => {
    const written: string[] = [];
    act(displayOn({ write: (text) => written.push(text), isTTY: true, columns: 40 }, ["a.txt", "b.txt"], false));
    return screen(written);
  };
  const bar = `  ${"█".repeat(12)}${"░".repeat(12)} 1/2 files, 1 steps finished`;

  it("redraws the same lines", () => {
    const lines = drawn((display) => {
      display.progress({ ...progress(), done: new Set() });
      display.progress(progress(step("list")));
    });
    expect(lines).toEqual([bar, "    b.txt read"]);
  });

  it("keeps what is said above what is redrawn", () => {
    const lines = drawn((display) => {
      display.progress(progress(step("list")));
      display.say("Worker 1 was killed.");
      display.progress(progress(step("list")));
    });
    expect(lines).toEqual(["Worker 1 was killed.", bar, "    b.txt read"]);
  });

  it("leaves alone what others wrote after settling", () => {
    const lines = drawn((display) => {
      display.progress(progress(step("list")));
      display.settle();
      display.progress(progress(step("list"), step("read", "0")));
    });
    expect(lines).toHaveLength(4);
  });

  it("cuts a long name, so that a line never wraps", () => {
    const written: string[] = [];
    displayOn({ write: (text) => written.push(text), isTTY: true, columns: 40 }, ["", "x".repeat(90)], false).progress(
      progress(),
    );
    for (const line of screen(written).slice(1)) expect(line.length).toBeLessThan(40);
  });
});

it("writes each finished step once where there is no terminal", () => {
  const written: string[] = [];
  const display = displayOn({ write: (text) => written.push(text) }, ["a.txt"], true);
  display.progress(progress(step("list")));
  display.progress(progress(step("list"), step("read", "0"), step("tighten", "0.2")));
  expect(written).toEqual(["  finished list\n", "  finished read a.txt\n", "  finished tighten (round 2) a.txt\n"]);
});
