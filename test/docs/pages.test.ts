import { existsSync } from "node:fs";
import { join, posix } from "node:path";
import { describe, expect, it } from "vitest";
import type { Io, Output } from "../../src/cli/io.ts";
import { createProgram } from "../../src/cli/program.ts";
import { Builder } from "../../src/dsl/builder.ts";
import { anchorsOf, filesNamedIn, linksOf, page, pages, ROOT } from "./markdown.ts";

describe.each(pages())("$path", (from) => {
  const inside = linksOf(from).filter((target) => !/^[a-z]+:/.test(target));

  it("links to files and headings that exist", () => {
    const broken = inside.filter((target) => {
      const [path = "", anchor] = target.split("#");
      const file = path === "" ? from.path : posix.join(posix.dirname(from.path), path);
      if (!existsSync(join(ROOT, file))) return true;
      return anchor !== undefined && !anchorsOf(page(file)).includes(anchor);
    });
    expect(broken).toEqual([]);
  });

  it("names files that exist", () => {
    expect(filesNamedIn(from).filter((path) => !existsSync(join(ROOT, path)))).toEqual([]);
  });
});

describe("README.md", () => {
  it("has every construct of the builder in its table", () => {
    const { text } = page("README.md");
    const constructs = Object.getOwnPropertyNames(Builder.prototype).filter(
      (name) => !/^(constructor|build)$/.test(name),
    );
    expect(constructs.length).toBeGreaterThan(15);
    expect(constructs.filter((name) => !new RegExp(`\`\\.${name}[\`(]`).test(text))).toEqual([]);
  });

  it("has every command in its table", () => {
    const { text } = page("README.md");
    const commands = createProgram(NOWHERE, async () => undefined).commands.map((command) => command.name());
    expect(commands.length).toBeGreaterThan(10);
    expect(commands.filter((name) => !new RegExp(`\`${name}[ \`]`).test(text))).toEqual([]);
  });
});

const silent: Output = { isTTY: false, columns: 80, write: () => undefined };
const NOWHERE: Io = {
  stdout: silent,
  stderr: silent,
  stdin: { isTTY: false, read: async () => "", ask: async () => undefined },
  env: {},
  cwd: ROOT,
  now: () => 0,
  onSignal: () => () => undefined,
  importModule: async () => ({}),
};
