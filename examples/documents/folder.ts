import { readdir, stat } from "node:fs/promises";
import { extname, join, relative, resolve, sep } from "node:path";

/** A file the pipeline will look at. Whether it can be read is found out by the step that reads it. */
export interface DocumentFile {
  /** As people name it: relative to the folder, with slashes. */
  readonly file: string;
  readonly path: string;
  readonly targetWords: number;
}

/** The folder cannot be worked on at all. The message names it and says what to do. */
export class FolderError extends Error {
  override readonly name = "FolderError";
}

/** One page of report per file stays readable, and one run stays small. */
const MAX_FILES = 2_000;
const TEXT_EXTENSIONS: ReadonlySet<string> = new Set([".txt", ".text"]);
const MARKDOWN_EXTENSIONS: ReadonlySet<string> = new Set([".md", ".markdown"]);
const PASSED_OVER: ReadonlySet<string> = new Set(["node_modules", "SOURCES.md"]);

/**
 * All files of a folder and its subfolders, by name. Hidden files, `node_modules`, a `SOURCES.md` (it says where the
 * others come from) and what the demo itself writes into `reportFolder` are passed over. Throws a FolderError when
 * nothing is left.
 */
export async function listDocuments(
  folder: string,
  options: { readonly targetWords: number; readonly reportFolder?: string },
): Promise<DocumentFile[]> {
  const root = resolve(folder);
  await expectFolder(root);
  const files = await filesBelow(root, ownOutput(root, options.reportFolder));
  if (files.length === 0) {
    throw new FolderError(`${root} has no files to read: put .txt or .md files there, or name another folder`);
  }
  if (files.length > MAX_FILES) {
    throw new FolderError(`${root} has more than ${MAX_FILES} files: name a folder with fewer, such as a subfolder`);
  }
  return files
    .map((path) => ({ file: relative(root, path).split(sep).join("/"), path, targetWords: options.targetWords }))
    .sort((a, b) => (a.file < b.file ? -1 : 1));
}

/** Paths below `root` that were written here: the report's folder, or the report alone when it goes into `root` itself. */
function ownOutput(root: string, reportFolder: string | undefined): ReadonlySet<string> {
  if (reportFolder === undefined) return new Set();
  const out = resolve(reportFolder);
  return new Set(out === root ? [join(out, "report.md"), join(out, "report.html")] : [out]);
}

/** Whether the name promises text. */
export function isTextName(file: string): boolean {
  return TEXT_EXTENSIONS.has(extname(file).toLowerCase()) || isMarkdownName(file);
}

export function isMarkdownName(file: string): boolean {
  return MARKDOWN_EXTENSIONS.has(extname(file).toLowerCase());
}

async function expectFolder(root: string): Promise<void> {
  const found = await stat(root).catch((error: unknown) => {
    throw new FolderError(`${root} cannot be opened (${codeOf(error)}): name a folder that exists and may be read`);
  });
  if (!found.isDirectory()) throw new FolderError(`${root} is not a folder: name the folder that holds the file`);
}

async function filesBelow(folder: string, except: ReadonlySet<string>): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true }).catch((error: unknown) => {
    throw new FolderError(`${folder} cannot be listed (${codeOf(error)}): allow reading it, or name another folder`);
  });
  const files: string[] = [];
  for (const entry of entries) {
    const path = join(folder, entry.name);
    if (entry.name.startsWith(".") || PASSED_OVER.has(entry.name) || except.has(path)) continue;
    if (entry.isDirectory()) files.push(...(await filesBelow(path, except)));
    else files.push(path);
    if (files.length > MAX_FILES) break;
  }
  return files;
}

/** `ENOENT` and its like; the message of errors that have no code. */
export function codeOf(error: unknown): string {
  if (error instanceof Error && "code" in error && typeof error.code === "string") return error.code;
  return error instanceof Error ? error.message : String(error);
}
