import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, describe, expect, it } from "vitest";
import { prompt, promptHash, type PromptSource } from "../../../src/agents/prompts/prompt.ts";

const folder = realpathSync(mkdtempSync(join(tmpdir(), "flujo-prompts-")));
const base = join(folder, "prompts");
mkdirSync(base);
afterAll(() => rmSync(folder, { recursive: true }));

function file(name: string, text: string): string {
  writeFileSync(join(base, name), text);
  return name;
}

const variables = {
  name: "Ada",
  age: 36,
  tags: ["a", "b"],
  person: { city: "Ghent", langs: new Set(["nl", "fr"]) },
  when: new Date(0),
  big: 12n,
  nothing: null,
  map: new Map([["k", 1]]),
};

describe("a template", () => {
  it.each([
    ["no braces, no change: { } }}", "no braces, no change: { } }}"],
    ["Hello {{ name }}, {{ age }}.", "Hello Ada, 36."],
    ["{{ person.city }} {{ tags[0] }}", "Ghent a"],
    ["{{ tags }} {{ person }}", '["a","b"] {"city":"Ghent","langs":["nl","fr"]}'],
    ["{{ map }} {{ big }} {{ when }}", '{"k":1} 12 1970-01-01T00:00:00.000Z'],
    ["[{{ nothing }}]", "[]"],
    ["{{ tags | join: '-' }} {{ tags | join }}", "a-b a, b"],
    ["{{ person.langs | join: '/' }}", "nl/fr"],
    ["{{ name | upper }} {{ name | lower }}", "ADA ada"],
    ["{{ name | length }} {{ tags | length }} {{ person | length }} {{ nothing | length }}", "3 2 2 0"],
    ["{{ name | tojson }} {{ nothing | tojson }}", '"Ada" null'],
    ["{{ nobody | default: 'you' }} {{ nothing | default: name }} {{ age | default: 1 }}", "you Ada 36"],
    ["{{ tags | join: ' ' | upper }}", "A B"],
    ["write \\{{ name }} for {{ name }}", "write {{ name }} for Ada"],
  ])("says %j as %j", async (text, said) => {
    expect(await prompt(text, variables)).toBe(said);
  });

  it("puts in values as they are, whatever they contain", async () => {
    const value = fc.string({
      unit: fc.constantFrom("{", "}", "%", "\\", "{{ secret }}", "{% raw %}", "|", "a", "\n"),
    });
    await fc.assert(
      fc.asyncProperty(value, async (text) => {
        expect(await prompt("<{{ text }}>", { text, secret: "hidden" })).toBe(`<${text}>`);
      }),
    );
  });

  it.each([
    ["a\n  {{ nmae }}", /"nmae" is missing; there are name, age.*did you mean "name"\?.*\(at prompt:2:6\)/],
    ["{{ person.town }}", /"person\.town" is missing; there are city, langs/],
    ["{{ name.constructor }}", /"name\.constructor" is missing; there are none/],
    ["{{ name | uper }}", /filter "uper" is unknown; there are join, .*did you mean "upper"\?/],
    ["{% if name %}x{% endif %}", /no control blocks/],
    ["{% include '/etc/passwd' %}", /no control blocks/],
    ["{{ name", /not closed.*prompt:1:1/],
    ["{{ age | join }}", /"join" needs a list/],
  ])("refuses %j", async (text, message) => {
    await expect(prompt(text, variables)).rejects.toMatchObject({
      code: "PROMPT_INVALID",
      message: expect.stringMatching(message),
    });
  });

  it.each([
    ["bytes", new Uint8Array(3)],
    ["symbol", Symbol("x")],
  ])("refuses %s", async (what, x) => {
    await expect(prompt("{{ x }}", { x })).rejects.toMatchObject({
      code: "PROMPT_INVALID",
      message: expect.stringContaining(what),
    });
  });

  it("reads no inherited property", async () => {
    const inherited: Record<string, unknown> = Object.create({ secret: "hidden" });
    await expect(prompt("{{ x.secret }}", { x: inherited })).rejects.toMatchObject({ code: "PROMPT_INVALID" });
  });
});

describe("a function", () => {
  it("says what it likes, now or later", async () => {
    expect(await prompt(({ name }) => `Hi ${String(name)} {{ name }}`, variables)).toBe("Hi Ada {{ name }}");
    expect(await prompt(() => Promise.resolve("later"), {})).toBe("later");
  });

  it("that throws, or returns no text, is an invalid prompt", async () => {
    const cause = new Error("oops");
    const thrower: PromptSource = () => {
      throw cause;
    };
    await expect(prompt(thrower, {})).rejects.toMatchObject({ code: "PROMPT_INVALID", cause });
    await expect(prompt((() => 7) as never, {})).rejects.toMatchObject({ message: expect.stringContaining("number") });
  });
});

describe("a file", () => {
  it("is a template, with variables of its own that a caller may replace", async () => {
    const source = {
      file: file("a.md", "Hello {{ name }} from {{ place }}"),
      variables: { name: "you", place: "here" },
    };
    expect(await prompt(source, { name: "Ada" }, { base })).toBe("Hello Ada from here");
  });

  it("is named in what is wrong with it", async () => {
    const source = { file: file("b.md", "one\ntwo {{ gone }}") };
    await expect(prompt(source, {}, { base })).rejects.toMatchObject({
      code: "PROMPT_INVALID",
      message: expect.stringContaining("(at b.md:2:8)"),
    });
  });

  it("is read once: what is saved later is for the next process", async () => {
    const source = { file: file("c.md", "before") };
    expect(await prompt(source, {}, { base })).toBe("before");
    file("c.md", "after");
    expect(await prompt(source, {}, { base })).toBe("before");
  });

  it("may be absolute, wherever it is", async () => {
    writeFileSync(join(folder, "outside.md"), "outside");
    expect(await prompt({ file: join(folder, "outside.md") }, {}, { base })).toBe("outside");
  });

  it("may not lie outside its folder otherwise, not even after it was read by its whole path", async () => {
    writeFileSync(join(folder, "secret.md"), "secret");
    const refused = { code: "PROMPT_INVALID", message: expect.stringContaining("outside its folder") };
    await expect(prompt({ file: "../secret.md" }, {}, { base })).rejects.toMatchObject(refused);
    await prompt({ file: join(folder, "secret.md") }, {}, { base });
    await expect(prompt({ file: "../secret.md" }, {}, { base })).rejects.toMatchObject(refused);
    symlinkSync(join(folder, "secret.md"), join(base, "link.md"));
    await expect(prompt({ file: "link.md" }, {}, { base })).rejects.toMatchObject(refused);
    await prompt({ file: join(base, "link.md") }, {}, { base });
    await expect(prompt({ file: "link.md" }, {}, { base })).rejects.toMatchObject(refused);
  });

  it("that is not there is an invalid prompt", async () => {
    await expect(prompt({ file: "none.md" }, {}, { base })).rejects.toMatchObject({
      code: "PROMPT_INVALID",
      message: expect.stringContaining('"none.md" cannot be read'),
    });
  });
});

describe("promptHash", () => {
  it("is the same for a text and a file that holds it, whatever its line ends", () => {
    const text = "one\ntwo {{ x }}";
    const hash = promptHash(text);
    expect(promptHash({ file: file("h1.md", text) }, { base })).toBe(hash);
    expect(promptHash({ file: file("h2.md", `\uFEFF${text.replace("\n", "\r\n")}`) }, { base })).toBe(hash);
  });

  it("changes with the text and with the variables that belong to it", () => {
    const name = file("h3.md", "x {{ a }}");
    const hashes = [
      promptHash("x"),
      promptHash("y"),
      promptHash({ file: name }, { base }),
      promptHash({ file: name, variables: { a: 1 } }, { base }),
      promptHash({ file: name, variables: { a: 2 } }, { base }),
    ];
    expect(new Set(hashes).size).toBe(hashes.length);
  });

  it("does not look into functions", () => {
    expect(promptHash(() => "a")).toBe(promptHash(() => "b"));
    expect(promptHash(() => "a")).not.toBe(promptHash("a"));
  });
});
