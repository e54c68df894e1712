import { flow, type RunExport } from "flujo";
import { describe, expect, it } from "vitest";
import { Scene } from "./scene.ts";

const echo = flow("echo", { version: "1" })
  .input<string>()
  .step("echo", (text) => text)
  .build();

type Broken = (whole: RunExport) => unknown;
const BROKEN: readonly (readonly [what: string, broken: Broken, says: string])[] = [
  ["nothing", () => null, "but found something else"],
  ["another version", (whole) => ({ ...whole, v: 2 }), "but found version 2"],
  ["no flow", (whole) => ({ ...whole, run: { id: "x" } }), "does not say which run of which flow it is"],
  ["no events", (whole) => ({ ...whole, events: undefined }), "but found one without events"],
  ["an event that is none", (whole) => ({ ...whole, events: [whole.events[0], {}] }), "something else in events[1]"],
  [
    "a fact that is none",
    ({ events: [first], ...rest }) => ({ ...rest, events: [{ ...first, facts: [5] }] }),
    "something else in events[0]",
  ],
];

describe("a replay", () => {
  it.each(BROKEN)("refuses %s", async (_, broken, says) => {
    await using scene = new Scene("memory");
    const flujo = scene.open({ flows: [echo] });
    const { runId } = await flujo.run(echo, "hi");
    const trace = broken(await flujo.export(runId)) as RunExport;
    await expect(flujo.replayFromTrace(trace, echo)).rejects.toMatchObject({
      code: "EXPORT_INVALID",
      message: expect.stringContaining(says),
    });
  });
});
