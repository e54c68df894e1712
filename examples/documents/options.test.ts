import { describe, expect, it } from "vitest";
import { parseOptions, UsageError } from "./options.ts";

describe("parseOptions", () => {
  it("reads the sample texts by default", () => {
    expect(parseOptions([], "/home")).toMatchObject({
      folder: expect.stringMatching(/examples.data$/u),
      out: expect.stringMatching(/examples.out$/u),
      targetWords: 120,
      yes: false,
      kill: true,
      json: false,
    });
  });

  it("takes a folder and options, relative to where it was called", () => {
    const options = parseOptions(["texts", "--out", "r", "--words", "60", "-y", "--no-kill", "--json"], "/home");
    expect(options).toEqual({
      folder: "/home/texts",
      out: "/home/r",
      targetWords: 60,
      yes: true,
      kill: false,
      json: true,
    });
  });

  it("gives nothing when help is asked for", () => {
    expect(parseOptions(["--help"], "/home")).toBeUndefined();
  });

  it.each([
    ["an unknown option", ["--fast"], /--fast/u],
    ["two folders", ["a", "b"], /expected one folder but found 2/u],
    ["a length that is no number", ["--words", "few"], /"few"/u],
    ["a length out of bounds", ["--words", "5"], /from 20 to 2000/u],
    ["an option without its value", ["--out"], /--out/u],
  ])("refuses %s", (_, args, message) => {
    expect(() => parseOptions(args, "/home")).toThrow(UsageError);
    expect(() => parseOptions(args, "/home")).toThrow(message);
  });
});
