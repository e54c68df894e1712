import { randomUUID } from "node:crypto";
import { mkdir, open, readFile, rename, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { FlujoError } from "../domain/errors.ts";
import { decode, encodeSized, type Wire } from "../domain/wire.ts";
import type { StateProvider } from "../ports/state-provider.ts";

const JSON_SUFFIX = ".json";

/**
 * Keeps the values behind references in files below a folder, one each: `reference("files", "reports/may.pdf")` is the file
 * reports/may.pdf. Bytes are files as they are, anything else is JSON in a file that ends with .json; what you put there yourself
 * can be referred to. A file is there whole and synced to disk, or not at all. Keys are names divided by `/`; one that could
 * mean something outside of the folder is refused. Workers on several machines need a folder they share.
 */
export function fileStateProvider(folder: string): StateProvider {
  return {
    async load(key, { signal }) {
      const path = pathOf(folder, key);
      const bytes = await read(path, signal);
      if (bytes !== undefined) return bytes;
      const text = await read(path + JSON_SUFFIX, signal);
      return text && decode(JSON.parse(new TextDecoder().decode(text)) as Wire);
    },
    async save(key, value, { signal }) {
      const path = pathOf(folder, key);
      if (value instanceof Uint8Array) await write(path, value, signal);
      else await write(path + JSON_SUFFIX, JSON.stringify(encodeSized(value, Number.MAX_SAFE_INTEGER).wire), signal);
    },
  };
}

// A name, and on no system a way to somewhere else: no separator, no drive, no control character.
// oxlint-disable-next-line no-control-regex
const NAME = /^[^\\/:\u0000-\u001f]+$/;

function pathOf(folder: string, key: string): string {
  const names = key.split("/");
  if (names.some((name) => !NAME.test(name) || name === "." || name === ".."))
    throw new FlujoError("REFERENCE_FAILED", `expected names divided by / as the key of a file but found "${key}"`);
  return join(folder, ...names);
}

async function read(path: string, signal: AbortSignal): Promise<Uint8Array | undefined> {
  try {
    const { buffer, byteOffset, byteLength } = await readFile(path, { signal });
    return new Uint8Array(buffer, byteOffset, byteLength);
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw error;
  }
}

/** Under another name first: whoever reads sees the whole file or none, also after a power failure. */
async function write(path: string, content: Uint8Array | string, signal: AbortSignal): Promise<void> {
  const folder = dirname(path);
  await mkdir(folder, { recursive: true });
  const unfinished = join(folder, `.${randomUUID()}.tmp`);
  try {
    const file = await open(unfinished, "wx");
    try {
      await file.writeFile(content, { signal });
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(unfinished, path);
  } catch (error) {
    await rm(unfinished, { force: true });
    throw error;
  }
  await syncFolder(folder);
}

/** The new name itself has to reach the disk. Windows has no such thing, and needs none. */
async function syncFolder(folder: string): Promise<void> {
  if (process.platform === "win32") return;
  const directory = await open(folder, "r");
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}
