import { type FlujoOptions, flow } from "flujo";
import { describe, expect, it } from "vitest";
import { Scene } from "../engine/scene.ts";

const echo = flow("echo", { version: "1" })
  .input<string>()
  .step("echo", (text) => text)
  .build();

const REFUSED: readonly (readonly [options: object, says: string])[] = [
  [{ limits: { costUSD: 1 } }, 'limits: there is no limit "costUSD"; did you mean "costUsd"?'],
  [{ limits: { costUsd: Number.NaN } }, "limits.costUsd: expected a number of at least 0 but found NaN"],
  [{ budgets: { flows: { echo: { costUsd: -1 } } } }, "budgets.flows.echo.costUsd: expected a number of at least 0"],
  [{ budgets: { day: { costUsd: -1 } } }, "budgets.day.costUsd: expected a number of at least 0 but found -1"],
  [{ budgets: { keyDay: { token: 5 } } }, 'budgets.keyDay: there is no limit "token"'],
  [{ budgets: { days: { costUsd: 1 } } }, 'there is no budget "days"; did you mean "day"?'],
  [
    { prices: { own: { one: { input: Number.NaN, output: 1 } } } },
    "prices.own.one.input: expected micro-USD for a million",
  ],
  [{ budgets: { day: { wallTime: "1h" } } }, "budgets.day.wallTime: only a run has a wall time"],
];

describe("limits, budgets and prices that would limit nothing", () => {
  it.each(REFUSED)("are refused before anything runs: %o", async (options, says) => {
    await using scene = new Scene("memory");
    const flujo = scene.open({ flows: [echo], ...(options as FlujoOptions) });
    await expect(flujo.run(echo, "")).rejects.toMatchObject({
      code: "OPTION_INVALID",
      message: expect.stringContaining(says),
    });
  });

  it("are refused at the start of a run, too", async () => {
    await using scene = new Scene("memory");
    const limits = { request: 1 } as object;
    await expect(scene.open({ flows: [echo] }).run(echo, "", { limits })).rejects.toMatchObject({
      code: "OPTION_INVALID",
      message: expect.stringContaining('did you mean "requests"?'),
    });
  });
});
