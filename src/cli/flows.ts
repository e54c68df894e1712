import { FlujoError } from "../domain/errors.ts";
import { type Definition, titleOf } from "../definition/definition.ts";
import { didYouMean } from "../domain/suggest.ts";
import { codeOf } from "./problem.ts";
import type { Shell } from "./shell.ts";

/** The built flows that files export: by default or by name, alone or in a list. Throws MODULE_UNREADABLE, MODULE_WITHOUT_FLOW. */
export async function loadFlows(shell: Shell, files: readonly string[]): Promise<readonly Definition[]> {
  const flows: Definition[] = [];
  for (const file of files) flows.push(...(await flowsOf(shell, file)));
  return [...new Set(flows)];
}

/** Like `loadFlows`, when a file was given at all. */
export const maybeFlows = (shell: Shell, file: string | undefined): Promise<readonly Definition[]> =>
  file === undefined ? Promise.resolve([]) : loadFlows(shell, [file]);

async function flowsOf(shell: Shell, path: string): Promise<readonly Definition[]> {
  const file = shell.file(path);
  const exported = exportsOf(await imported(shell, file));
  const flows = exported.flatMap(([, value]) => (Array.isArray(value) ? value : [value])).filter(isDefinition);
  if (flows.length > 0) return flows;
  const builders = exported.filter(([, value]) => isBuilder(value)).map(([name]) => name);
  const names = exported.map(([name]) => name).join(", ") || "nothing";
  const hint = builders.length > 0 ? `; ${builders.join(", ")} was not built: end it with .build()` : "";
  throw new FlujoError("MODULE_WITHOUT_FLOW", `${file} exports no built flow; it exports ${names}${hint}`, {
    details: { file, exports: exported.map(([name]) => name) },
  });
}

/** How a module is imported for one of its flows, and what the flow is called then. */
export async function exportedAs(
  shell: Shell,
  path: string,
  flow: Definition,
): Promise<{ readonly imported: string; readonly expression: string }> {
  for (const [name, value] of exportsOf(await imported(shell, shell.file(path)))) {
    const list: readonly unknown[] = Array.isArray(value) ? value : [];
    const index = list.indexOf(flow);
    if (value !== flow && index < 0) continue;
    const called = name === "default" ? "flow" : name;
    return {
      imported: name === "default" ? called : `{ ${name} }`,
      expression: value === flow ? called : `${called}[${index}]`,
    };
  }
  throw new FlujoError("MODULE_WITHOUT_FLOW", `${path} does not export ${titleOf(flow)} under a name`);
}

/** A CommonJS module (also TypeScript in a package that is not `"type": "module"`) arrives as the default export of itself. */
function exportsOf(module: object): [name: string, value: unknown][] {
  const whole = "default" in module ? module.default : undefined;
  const inner = typeof whole === "object" && whole !== null && !isDefinition(whole) && !isBuilder(whole) ? whole : {};
  return Object.entries({ ...module, ...inner }).filter(([name]) => name !== "__esModule" && name !== "module.exports");
}

async function imported(shell: Shell, file: string): Promise<object> {
  try {
    const module = await shell.slowly(`importing ${file}`, shell.io.importModule(file));
    return typeof module === "object" && module !== null ? module : {};
  } catch (error) {
    if (codeOf(error) !== undefined) throw error; // a flow that cannot be built says itself what is wrong
    throw new FlujoError("MODULE_UNREADABLE", `${file} could not be imported`, { cause: error, details: { file } });
  }
}

/** By shape: the file may come with a copy of the package of its own. */
function isDefinition(value: unknown): value is Definition {
  if (typeof value !== "object" || value === null) return false;
  const { name, version, fingerprint, nodes, root } = value as Partial<Record<keyof Definition, unknown>>;
  const texts = [name, version, fingerprint].every((text) => typeof text === "string");
  return texts && nodes instanceof Map && typeof root === "object";
}

const isBuilder = (value: unknown): boolean =>
  typeof value === "object" && value !== null && "build" in value && typeof value.build === "function";

/** The one flow that is meant: the only one, or the one named `name` or `name@version`. Throws FLOW_UNKNOWN, FLOW_AMBIGUOUS. */
export function chooseFlow(flows: readonly Definition[], name: string | undefined): Definition {
  const found = name === undefined ? flows : flows.filter((flow) => flow.name === name || titleOf(flow) === name);
  const [only, ...others] = found;
  const titles = flows.map(titleOf);
  if (only === undefined) {
    const meant = didYouMean(
      name ?? "",
      flows.map((flow) => flow.name),
    );
    throw new FlujoError("FLOW_UNKNOWN", `expected one of ${titles.join(", ")} but found "${name}"${meant}`);
  }
  if (others.length > 0) {
    const which = found.map(titleOf).join(", ");
    throw new FlujoError("FLOW_AMBIGUOUS", `expected one flow but found ${found.length}: ${which}; choose with --flow`);
  }
  return only;
}
