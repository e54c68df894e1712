import { describe, expect, it } from "vitest";
import { page, pages } from "./markdown.ts";

const records = pages().filter(({ path }) => /^docs\/adr\/\d/.test(path));

describe("the decision records", () => {
  it("are numbered without a gap, and listed", () => {
    const numbers = records.map(({ path }) => Number(path.slice("docs/adr/".length, "docs/adr/0000".length)));
    expect(numbers.length).toBeGreaterThan(0);
    expect(numbers).toEqual(numbers.map((_, i) => i + 1));
    const { text } = page("docs/adr/README.md");
    expect(records.filter(({ path }) => !text.includes(`](${path.slice("docs/adr/".length)})`))).toEqual([]);
  });

  it.each(records)("$path has a title with its number, a status and the three sections in order", ({ path, text }) => {
    const [title = "", ...rest] = text.split("\n");
    expect(title).toMatch(new RegExp(`^# ${path.slice("docs/adr/".length, "docs/adr/0000".length)}: .+`));
    expect(rest.find((line) => line !== "")).toMatch(/^Status: (accepted|replaced by \d{4})$/);
    expect([...text.matchAll(/^## (.+)$/gm)].map(([, name]) => name)).toEqual(["Context", "Decision", "Consequences"]);
  });
});
