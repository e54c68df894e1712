import { mkdirSync, mkdtempSync, rmSync, symlinkSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { FolderError, listDocuments } from "./folder.ts";
import { MAX_BYTES, readDocument } from "./reading.ts";

let folder = "";
const at = (file: string) => ({ file, path: join(folder, file), targetWords: 50 });
const write = (file: string, content: string | Uint8Array): void => writeFileSync(join(folder, file), content);

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "flujo-documents-"));
  write("good.txt", "\ufeffOn Rain\n\nIt rained all day. Nobody minded.\n");
  write("notes.md", "# On *Rain*\n\nIt [rained](https://example.org) all **day**.\n\n```\ncode()\n```\n");
  write("empty.txt", "");
  write("blank.txt", " \n\n***\n");
  write(
    "binary.txt",
    Uint8Array.from({ length: 2_000 }, (_, index) => (index * 7) % 256),
  );
  write("latin.txt", Uint8Array.from([0x63, 0x61, 0x66, 0xe9, 0x20, 0x61, 0x75, 0x20, 0x6c, 0x61, 0x69, 0x74]));
  write("wide.txt", Uint8Array.from([0xff, 0xfe, 0x68, 0x00, 0x69, 0x00]));
  write("photo.png", Uint8Array.from([0x89, 0x50, 0x4e, 0x47]));
  write("huge.txt", "");
  truncateSync(join(folder, "huge.txt"), MAX_BYTES + 1);
  symlinkSync("nowhere.txt", join(folder, "dangling.txt"));
  symlinkSync(".", join(folder, "loop.txt"));
  write(".hidden.txt", "Hidden words.");
  write("SOURCES.md", "Where it comes from.");
  mkdirSync(join(folder, "below"));
  write("below/deep.txt", "Deep words.");
  mkdirSync(join(folder, "out"));
  write("out/report.md", "An earlier report.");
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe("readDocument", () => {
  it("reads text, without the byte order mark", async () => {
    expect(await readDocument(at("good.txt"))).toEqual({
      ok: true,
      document: {
        file: "good.txt",
        title: "On Rain",
        text: "On Rain\n\nIt rained all day. Nobody minded.\n",
        targetWords: 50,
      },
    });
  });

  it("reads the prose of Markdown", async () => {
    const reading = await readDocument(at("notes.md"));
    expect(reading).toMatchObject({
      ok: true,
      document: { title: "On *Rain*", text: "On *Rain*\n\n\nIt rained all day." },
    });
  });

  it.each([
    ["empty.txt", "empty", /is empty/u],
    ["blank.txt", "empty", /holds no words/u],
    ["binary.txt", "binary", /binary data/u],
    ["latin.txt", "encoding", /iconv -f WINDOWS-1252/u],
    ["wide.txt", "encoding", /iconv -f UTF-16/u],
    ["photo.png", "unsupported", /save it as plain text/u],
    ["huge.txt", "too-large", /5\.0 MB, more than the 5\.0 MB.*split it/u],
    ["dangling.txt", "unreadable", /ENOENT/u],
    ["loop.txt", "unsupported", /not a regular file/u],
  ])("leaves out %s, names it and says what to do", async (file, problem, message) => {
    const reading = await readDocument(at(file));
    expect(reading).toMatchObject({ ok: false, skipped: { file, problem } });
    expect(!reading.ok && reading.skipped.message).toMatch(message);
    expect(!reading.ok && reading.skipped.message).toContain(file);
  });
});

describe("listDocuments", () => {
  it("lists files and subfolders by name, without hidden files and the report's folder", async () => {
    const files = await listDocuments(folder, { targetWords: 50, reportFolder: join(folder, "out") });
    const names = files.map(({ file }) => file);
    expect(names).toContain("below/deep.txt");
    expect(names).toContain("photo.png");
    expect(names).not.toContain(".hidden.txt");
    expect(names).not.toContain("SOURCES.md");
    expect(names).not.toContain("out/report.md");
    expect(names).toEqual([...names].sort());
  });

  it("leaves out only the report where it goes into the folder itself", async () => {
    const below = join(folder, "out");
    write("out/notes.md", "Some notes.");
    const files = await listDocuments(below, { targetWords: 50, reportFolder: below });
    expect(files.map(({ file }) => file)).toEqual(["notes.md"]);
  });

  it.each([
    ["does not exist", "nowhere", /cannot be opened \(ENOENT\)/u],
    ["is a file", "good.txt", /is not a folder/u],
    ["is empty", "void", /has no files to read/u],
  ])("refuses a folder that %s", async (_, name, message) => {
    mkdirSync(join(folder, "void"), { recursive: true });
    const listing = listDocuments(join(folder, name), { targetWords: 50 });
    await expect(listing).rejects.toThrow(FolderError);
    await expect(listing).rejects.toThrow(message);
  });
});
