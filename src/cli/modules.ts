import { statSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { FlujoError } from "../domain/errors.ts";

/** Loads a file of the user's. TypeScript goes through Node where it strips types (22.18 and later), else through `tsx`. */
export async function importModule(file: string, cwd: string): Promise<unknown> {
  if (statSync(file, { throwIfNoEntry: false })?.isFile() !== true)
    throw new FlujoError("MODULE_UNREADABLE", `there is no file ${file}`, { details: { file } });
  if (/\.[mc]?ts$/.test(file) && !readsTypeScript()) await registerTsx(file, cwd);
  return import(pathToFileURL(file).href);
}

function readsTypeScript(): boolean {
  const { typescript } = process.features as { readonly typescript?: unknown }; // unknown to the types of Node 20
  return typescript !== undefined && typescript !== false;
}

/**
 * As `node --import tsx` does, for the whole process, and not with its `tsImport`: that loads every module a second time under
 * another name, and then the errors a flow throws are not of the classes this process knows (`instanceof` was false).
 */
async function registerTsx(file: string, cwd: string): Promise<void> {
  const loader = [file, join(cwd, "package.json"), import.meta.url].map(tsxLoader).find((path) => path !== undefined);
  if (loader === undefined) {
    throw new FlujoError(
      "MODULE_UNREADABLE",
      `${file} is TypeScript, which Node ${process.versions.node} does not read: npm i -D tsx, or use Node 22.18 or later`,
      { details: { file } },
    );
  }
  await import(pathToFileURL(loader).href);
}

function tsxLoader(from: string): string | undefined {
  try {
    return createRequire(from).resolve("tsx");
  } catch {
    return undefined;
  }
}
