/**
 * The prose of a Markdown file: without code, markup and the addresses of links. Headings and list items become
 * paragraphs of their own. Not a parser: what it misses is counted as text, which is what it then is.
 */
export function plainMarkdown(markdown: string): string {
  return markdown
    .replace(/^---\r?\n[^]*?\r?\n---\r?\n/u, "") // front matter
    .replace(/^[ \t]*(```+|~~~+)[^\n]*\n[^]*?^[ \t]*\1[^\n]*$/gmu, "\n") // fenced code
    .replace(/<!--[^]*?-->/gu, "")
    .replace(/<\/?[a-z][^<>]*>/giu, "")
    .replace(/^[ \t]*\|?(?:[ \t]*:?-{2,}:?[ \t]*\|)+.*$/gmu, "") // the line below a table's head
    .replace(/^[ \t]*#{1,6}[ \t]+(.*?)[ \t]*#*$/gmu, "\n$1\n")
    .replace(/^[ \t]*(?:>[ \t]?)+/gmu, "")
    .replace(/^[ \t]*(?:[-*+]|\d+[.)])[ \t]+/gmu, "\n")
    .replace(/!\[([^\]]*)\](?:\([^)]*\)|\[[^\]]*\])/gu, "$1")
    .replace(/\[([^\]]+)\](?:\([^)]*\)|\[[^\]]*\])/gu, "$1")
    .replace(/(\*\*|__|~~)(?=\S)([^]*?\S)\1/gu, "$2")
    .replace(/`+([^`\n]+)`+/gu, "$1")
    .replace(/^[ \t]*\|(.*)\|[ \t]*$/gmu, (_, cells: string) => cells.replaceAll("|", " "))
    .trim();
}
