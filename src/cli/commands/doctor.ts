import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { codeOf, exitCodeOf, messageOf, problemText } from "../problem.ts";
import { withoutSecrets } from "../../runner/open-store.ts";
import type { Shell } from "../shell.ts";
import { tableText } from "../text.ts";
import { packageVersion } from "../../engine/version.ts";

/** A store at work moves between two reads: only what is wrong both times is wrong. */
const SECOND_LOOK_MS = 500;

/** `flujo doctor`: versions, where runs are kept and by whose word, whether it can be reached, whether the invariants hold. */
export async function doctorCommand(shell: Shell): Promise<number> {
  const { file } = await shell.config();
  const { uri, source } = await shell.store();
  const versions = { flujo: packageVersion(), node: process.versions.node, libsql: libsqlVersion() };
  const facts = { versions, store: withoutSecrets(uri), source, config: file ?? "none" };
  if (!shell.json) {
    shell.result(undefined, () =>
      tableText([
        ...Object.entries(versions).map(([name, version]) => [name, version]),
        ["store", `${facts.store} (${source})`],
        ["config", facts.config],
      ]),
    );
  }
  let violations: readonly string[];
  try {
    const flujo = await shell.look();
    violations = await shell.slowly(
      "checking the invariants of every run",
      twice(() => flujo.doctor()),
    );
  } catch (error) {
    if (shell.json) {
      shell.result(
        { ...facts, healthy: false, error: { code: codeOf(error) ?? "UNEXPECTED", message: messageOf(error) } },
        () => "",
      );
    }
    shell.note(problemText(error, shell.noteColors, shell.verbose));
    return exitCodeOf(error);
  }
  const healthy = violations.length === 0;
  const { green, red } = shell.colors;
  shell.result({ ...facts, healthy, violations }, () =>
    healthy
      ? green("the store is reachable and every invariant holds")
      : [red(`${violations.length} invariants are broken:`), ...violations.map((one) => `- ${one}`)].join("\n"),
  );
  return healthy ? 0 : 1;
}

async function twice(look: () => Promise<readonly string[]>): Promise<readonly string[]> {
  const first = await look();
  if (first.length === 0) return first;
  await new Promise((resolve) => {
    setTimeout(resolve, SECOND_LOOK_MS);
  });
  const second = new Set(await look());
  return first.filter((one) => second.has(one));
}

/** Its package.json is no public door: it stands beside the main file. */
function libsqlVersion(): string {
  try {
    const file = join(dirname(createRequire(import.meta.url).resolve("libsql")), "package.json");
    return (JSON.parse(readFileSync(file, "utf8")) as { readonly version: string }).version;
  } catch {
    return "not installed";
  }
}
