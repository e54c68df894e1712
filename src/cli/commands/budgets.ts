import { budgetOf } from "../../config/budgets.ts";
import type { Shell } from "../shell.ts";
import { tableText } from "../text.ts";

/** `flujo budgets show <flow>`: what flujo.toml lets each run of a flow use, and where it says so. */
export async function budgetsShowCommand(shell: Shell, flow: string): Promise<number> {
  const { budgets, file } = await shell.config();
  const { limits, source } = budgetOf(budgets, flow);
  shell.result({ flow, source, limits, ...(file !== undefined && { file }) }, () =>
    tableText([
      ["flow", flow],
      ["cost", limits.costUsd === undefined ? "no limit" : `$${limits.costUsd}`],
      ["tokens", limits.totalTokens === undefined ? "no limit" : String(limits.totalTokens)],
      ["from", source],
      ...(file === undefined ? [] : [["file", file]]),
    ]),
  );
  shell.note("limits that code gives are not known here: of both the smaller holds");
  return 0;
}
