import { afterAll, afterEach, beforeEach } from "vitest";
import { type Baseline, leaksSince, takeBaseline } from "./leak-check.ts";

/**
 * Fails the test that leaves something running, so the culprit is named and not the file after it. What a suite
 * opens in beforeAll belongs to the baseline of its tests and is judged when the file ends. Tests that run
 * concurrently cannot be told apart, so they too are judged at the end of the file.
 */
const fileBaseline = takeBaseline();
let testBaseline: Baseline = fileBaseline;

beforeEach(() => {
  testBaseline = takeBaseline();
});

afterEach(async ({ task }) => {
  if (task.concurrent !== true) refuse(await leaksSince(testBaseline), "This test");
});

afterAll(async () => {
  refuse(await leaksSince(fileBaseline), "This file");
});

function refuse(leaks: readonly string[], who: string): void {
  if (leaks.length > 0) throw new Error(`${who} leaks:\n${leaks.map((leak) => `- ${leak}`).join("\n")}`);
}
