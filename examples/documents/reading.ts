import { constants } from "node:fs";
import { open } from "node:fs/promises";
import type { FileHandle } from "node:fs/promises";
import type { DocumentFile } from "./folder.ts";
import { codeOf, isMarkdownName, isTextName } from "./folder.ts";
import { plainMarkdown } from "./plain-markdown.ts";
import { titleOf, wordsOf } from "./text.ts";

/** A text ready to be analysed. */
export interface Document {
  readonly file: string;
  readonly title: string;
  readonly text: string;
  readonly targetWords: number;
}

/** Why a file was left out, and what its owner can do about it. */
export interface Skipped {
  readonly file: string;
  readonly problem: "unsupported" | "unreadable" | "too-large" | "empty" | "binary" | "encoding";
  readonly message: string;
}

/** What reading a file gave. A file that cannot be used is an answer, not an exception: the others go on. */
export type Reading =
  | { readonly ok: true; readonly document: Document }
  | { readonly ok: false; readonly skipped: Skipped };

/** Ranking the sentences of 5 MB takes seconds; beyond, a file is a collection rather than a document. */
export const MAX_BYTES: number = 5 * 1024 * 1024;
/** Text has tabs and line ends, and hardly any other control character. */
const BINARY_CONTROL_SHARE = 0.02;

/** Reads one file as UTF-8 text. */
export async function readDocument(source: DocumentFile): Promise<Reading> {
  if (!isTextName(source.file)) return skip(source, "unsupported", "is not a .txt or .md file: save it as plain text");
  const bytes = await contentOf(source);
  return bytes instanceof Uint8Array ? decode(source, bytes) : bytes;
}

async function contentOf(source: DocumentFile): Promise<Uint8Array | Reading> {
  let handle: FileHandle | undefined;
  try {
    // Without O_NONBLOCK, opening a named pipe waits for somebody to write into it.
    handle = await open(source.path, constants.O_RDONLY | constants.O_NONBLOCK);
    const found = await handle.stat();
    if (!found.isFile()) return skip(source, "unsupported", "is not a regular file: put the file itself there");
    if (found.size > MAX_BYTES) {
      const size = `${megabytes(found.size)}, more than the ${megabytes(MAX_BYTES)} this pipeline takes`;
      return skip(source, "too-large", `has ${size}: split it, for example by chapter`);
    }
    return await handle.readFile();
  } catch (error) {
    const cause = codeOf(error);
    const advice = cause === "ENOENT" ? "restore it, or run again without it" : "allow reading it (chmod +r)";
    return skip(source, "unreadable", `cannot be read (${cause}): ${advice}`);
  } finally {
    await handle?.close();
  }
}

function decode(source: DocumentFile, bytes: Uint8Array): Reading {
  if (bytes.length === 0) return skip(source, "empty", "is empty: write something in it, or remove it");
  const [first, second] = bytes;
  if ((first === 0xff && second === 0xfe) || (first === 0xfe && second === 0xff)) {
    return skip(source, "encoding", "is UTF-16, not UTF-8: convert it, iconv -f UTF-16 -t UTF-8");
  }
  if (looksBinary(bytes)) return skip(source, "binary", "holds binary data, not text: export it as plain text");
  const text = decodeUtf8(bytes);
  if (text === undefined) {
    return skip(source, "encoding", "is not valid UTF-8: convert it, iconv -f WINDOWS-1252 -t UTF-8");
  }
  if (wordsOf(text.slice(0, 100_000)).length === 0) {
    return skip(source, "empty", "holds no words: write something in it, or remove it");
  }
  const { file, targetWords } = source;
  const prose = isMarkdownName(file) ? plainMarkdown(text) : text;
  return { ok: true, document: { file, title: titleOf(prose, file), text: prose, targetWords } };
}

function decodeUtf8(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    return undefined;
  }
}

function looksBinary(bytes: Uint8Array): boolean {
  let controls = 0;
  for (const byte of bytes) {
    if (byte === 0) return true;
    if (byte < 32 && byte !== 9 && byte !== 10 && byte !== 12 && byte !== 13) controls += 1;
  }
  return controls / bytes.length > BINARY_CONTROL_SHARE;
}

function megabytes(bytes: number): string {
  return `${(bytes / 1024 / 1024).toFixed(1)} MB`;
}

function skip({ file }: DocumentFile, problem: Skipped["problem"], says: string): Reading {
  return { ok: false, skipped: { file, problem, message: `${file} ${says}` } };
}
