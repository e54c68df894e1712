import { readdirSync, readFileSync } from "node:fs";
import { join, posix } from "node:path";
import { fileURLToPath } from "node:url";

export const ROOT: string = fileURLToPath(new URL("../..", import.meta.url));

/** One page of the documentation. */
export interface Page {
  /** From the root of the repository, with slashes. */
  readonly path: string;
  readonly text: string;
}

export const page = (path: string): Page => ({ path, text: readFileSync(join(ROOT, path), "utf8") });

/** The pages in the root and those below docs/. */
export function pages(): Page[] {
  const top = readdirSync(ROOT).filter((name) => name.endsWith(".md"));
  const below = readdirSync(join(ROOT, "docs"), { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".md"))
    .map((name) => posix.join("docs", name.replaceAll("\\", "/")));
  return [...top, ...below].sort().map(page);
}

export interface Fence {
  readonly language: string;
  /** What stands after the language: `title="order.mjs" run`. */
  readonly info: string;
  readonly code: string;
  readonly line: number;
}

const FENCE = /^```(\w*)[ \t]*([^\n]*)\n([\s\S]*?)^```$/gm;

export const fencesOf = ({ text }: Page): Fence[] =>
  [...text.matchAll(FENCE)].map(({ 1: language = "", 2: info = "", 3: code = "", index }) => ({
    language,
    info,
    code,
    line: text.slice(0, index).split("\n").length,
  }));

const withoutCode = (text: string): string => text.replaceAll(FENCE, "").replaceAll(/`[^`\n]*`/g, "");

/** Targets of `[text](target)` outside of code. */
export const linksOf = ({ text }: Page): string[] =>
  [...withoutCode(text).matchAll(/\]\(([^)\s]+)\)/g)].map(([, target = ""]) => target);

/** The anchors that GitHub gives to headings. */
export const anchorsOf = ({ text }: Page): string[] =>
  [...text.replaceAll(FENCE, "").matchAll(/^#{1,6} (.+)$/gm)].map(([, heading = ""]) =>
    heading
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N} _-]/gu, "")
      .replaceAll(" ", "-"),
  );

/** Files of the repository that the page names in backquotes. */
export const filesNamedIn = ({ text }: Page): string[] =>
  [...text.matchAll(/`((?:src|test|scripts|examples|bench)\/[\w./-]+)`/g)].map(([, path = ""]) => path);
