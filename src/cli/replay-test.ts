import { writeFile } from "node:fs/promises";
import { dirname, relative } from "node:path";
import { type Definition, titleOf } from "../definition/definition.ts";
import { sameWire } from "../domain/canonical.ts";
import { FlujoError } from "../domain/errors.ts";
import { encode, type Wire } from "../domain/wire.ts";
import type { ReplayResult } from "../runner/replay.ts";
import { exportedAs } from "./flows.ts";
import type { Shell } from "./shell.ts";

interface ReplayTest {
  readonly flow: Definition;
  /** The exported run. */
  readonly file: string;
  /** The module that exports the flow, as the user wrote it. */
  readonly module: string;
  readonly replayed: ReplayResult;
  readonly out: string;
}

/** Writes a vitest that replays an exported run; answers where. From then on a change of how the flow decides fails it. */
export async function replayTest(shell: Shell, { flow, file, module, replayed, out }: ReplayTest): Promise<string> {
  const path = shell.file(out);
  const from = dirname(path);
  const { imported, expression } = await exportedAs(shell, module, flow);
  const expected = {
    status: replayed.status,
    identical: true,
    ...(isJson(replayed.output) && { output: replayed.output }),
  };
  const text = [
    `import { fileURLToPath } from "node:url";`,
    `import { Flujo } from "flujo";`,
    `import { expect, it } from "vitest";`,
    `import ${imported} from ${JSON.stringify(beside(from, shell.file(module)))};`,
    "",
    `const run = fileURLToPath(new URL(${JSON.stringify(beside(from, file))}, import.meta.url));`,
    "",
    `it(${JSON.stringify(`decides as in run ${replayed.runId} of ${titleOf(flow)}`)}, async () => {`,
    `  await using flujo = new Flujo({ store: "memory:" });`,
    `  const replayed = await flujo.replayFromTrace({ file: run }, ${expression});`,
    `  expect(replayed.differences).toEqual([]);`,
    `  expect(replayed).toMatchObject(${JSON.stringify(expected, undefined, 2).replaceAll("\n", "\n  ")});`,
    `});`,
    "",
  ].join("\n");
  try {
    await writeFile(path, text);
  } catch (cause) {
    throw new FlujoError("OPTION_INVALID", `--as-test: ${path} cannot be written`, { cause });
  }
  return path;
}

function beside(folder: string, file: string): string {
  const path = relative(folder, file).replaceAll("\\", "/");
  return path.startsWith(".") ? path : `./${path}`;
}

/** Whether a value can stand in the text of a test as it is; else that it is the same is seen by the recorded facts. */
function isJson(value: unknown): boolean {
  if (value === undefined) return false;
  return sameWire(encode(value), JSON.parse(JSON.stringify(value)) as Wire);
}
