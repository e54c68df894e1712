import { describe } from "../../definition/describe.ts";
import { toMermaid } from "../../definition/mermaid.ts";
import { FlujoError } from "../../domain/errors.ts";
import { chooseFlow, loadFlows } from "../flows.ts";
import type { Shell } from "../shell.ts";

export interface GraphCommandOptions {
  readonly flow?: string;
  readonly format?: string;
}

/** `flujo graph <file>`: a flow as a Mermaid flowchart, or as JSON. Nothing is run and no store is opened. */
export async function graphCommand(shell: Shell, file: string, options: GraphCommandOptions): Promise<number> {
  const { format = shell.json ? "json" : "mermaid" } = options;
  if (format !== "mermaid" && format !== "json")
    throw new FlujoError("OPTION_INVALID", `--format: expected mermaid or json but found "${format}"`);
  const flow = chooseFlow(await loadFlows(shell, [file]), options.flow);
  const described = describe(flow);
  shell.result(format === "json" ? described : { mermaid: toMermaid(flow) }, () =>
    format === "json" ? JSON.stringify(described, undefined, 2) : toMermaid(flow),
  );
  return 0;
}
