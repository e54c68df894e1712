import { writeFile } from "node:fs/promises";
import { FlujoError } from "../../domain/errors.ts";
import { resolveRun } from "../run-ids.ts";
import type { Shell } from "../shell.ts";

/** `flujo export <run>`: a whole run as JSON, on stdout or in a file, for `flujo replay` wherever its store is not. */
export async function exportCommand(shell: Shell, run: string, { out }: { readonly out?: string }): Promise<number> {
  const flujo = await shell.look();
  const exported = await shell.slowly(
    "reading the history",
    resolveRun(shell, flujo, run).then((id) => flujo.export(id)),
  );
  const text = `${JSON.stringify(exported, undefined, 2)}\n`;
  if (out === undefined) {
    shell.result(exported, () => text);
    return 0;
  }
  const file = shell.file(out);
  try {
    await writeFile(file, text);
  } catch (cause) {
    throw new FlujoError("OPTION_INVALID", `--out: ${file} cannot be written`, { cause });
  }
  const { events } = exported;
  shell.result({ runId: exported.run.id, file, events: events.length }, () => file);
  return 0;
}
