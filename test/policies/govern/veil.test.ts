import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Wire } from "../../../src/domain/wire.ts";
import { decode, encode } from "../../../src/domain/wire.ts";
import type { SlowDetector } from "../../../src/policies/govern/detector.ts";
import { Veil } from "../../../src/policies/govern/veil.ts";
import { throughWire } from "../../../src/policies/govern/wire-text.ts";
import { ItemDouble } from "./item-double.ts";

const KEY = "a secret of at least sixteen";
const JANE = "jane.doe@example.com";

const hidden = (veil: Veil, text: string): Promise<string> => veil.conceal((hide) => hide(text));
const shown = (veil: Veil, text: string): Promise<string> => veil.reveal((show) => show(text));
const concealed = (veil: Veil, wire: Wire): Promise<Wire> => veil.conceal((hide) => throughWire(wire, hide));
const revealed = (veil: Veil, wire: Wire): Promise<Wire> => veil.reveal((show) => throughWire(wire, show));

describe("a veil", () => {
  it("puts a placeholder of the kind where something was, and brings it back", async () => {
    const veil = new Veil();
    const text = `Write to ${JANE} or call +49 30 1234567.`;
    const without = await hidden(veil, text);
    expect(without).toMatch(/^Write to \[EMAIL_x[0-9a-f]{16}\] or call \[PHONE_x[0-9a-f]{16}\]\.$/);
    expect(await shown(veil, without)).toBe(text);
  });

  it("has the same placeholder for the same original in every process with the key, and another without", async () => {
    const [one, other] = [new Veil({ key: KEY }), new Veil({ key: KEY })];
    expect(await hidden(one, JANE)).toBe(await hidden(other, JANE));
    expect(await hidden(new Veil({ key: `${KEY}!` }), JANE)).not.toBe(await hidden(one, JANE));
    expect(await hidden(new Veil(), JANE)).not.toBe(await hidden(new Veil(), JANE));
  });

  it("goes through a whole value, its keys, maps, sets and escaped objects, and leaves bytes, dates and numbers", async () => {
    const veil = new Veil();
    const bytes = new TextEncoder().encode(JANE);
    const value = {
      [JANE]: [JANE, { deep: new Map([[JANE, new Set([JANE])]]) }],
      $only: 1,
      bytes,
      date: new Date(0),
      big: 4_111_111_111_111_111n,
      none: undefined,
    };
    const wire = encode(value);
    const without = await concealed(veil, wire);
    expect(JSON.stringify(without)).not.toContain("jane");
    expect(JSON.stringify(without)).toContain(`{"$bytes":"${Buffer.from(bytes).toString("base64")}"}`);
    expect(decode(await revealed(veil, without))).toEqual(value);
    expect(decode(await revealed(veil, await concealed(veil, encode({ [`$${JANE}`]: 1 }))))).toEqual({
      [`$${JANE}`]: 1,
    });
  });

  it("gives the very same value back where there is nothing to conceal", async () => {
    const wire: Wire = { a: ["some words", { b: 1, $c: null }] };
    expect(await concealed(new Veil(), wire)).toBe(wire);
  });

  it("brings back exactly what was there, whatever that was", async () => {
    const veil = new Veil({ key: KEY, strong: true });
    const known = await hidden(veil, JANE);
    const part = fc.oneof(
      fc.string(),
      fc.constantFrom(
        JANE,
        known,
        known.slice(1),
        `password: ${known}`,
        "[EMAIL_x0123456789abcdef]",
        "Mr. Smith",
        "🙂",
      ),
    );
    const wire = fc.letrec<{ tree: Wire }>((tie) => ({
      tree: fc.oneof(
        { depthSize: "small" },
        fc.array(part, { maxLength: 4 }).map((parts) => parts.join("")),
        fc.array(tie("tree"), { maxLength: 3 }),
        fc.dictionary(part, tie("tree"), { maxKeys: 3 }),
      ),
    })).tree;
    await fc.assert(
      fc.asyncProperty(wire, async (tree) => {
        expect(await revealed(veil, await concealed(veil, tree))).toEqual(tree);
      }),
    );
  });

  it("does not hand out an original to who sends its placeholder", async () => {
    const veil = new Veil();
    const placeholder = await hidden(veil, JANE);
    const stored = await hidden(veil, `my name is ${placeholder}`);
    expect(stored).toMatch(/^my name is \[LITERAL_x/);
    expect(await shown(veil, stored)).toBe(`my name is ${placeholder}`);
  });

  it("conceals nothing twice", async () => {
    const [veil, foreign] = [new Veil({ strong: true }), new Veil({ strong: true })];
    const without = await hidden(foreign, `password: hunter2hunter2 of Mr. Smith`);
    expect(without).not.toContain("hunter2");
    expect(await hidden(veil, without)).toBe(without);
  });

  it("forgets the oldest originals when there are too many, and says so by leaving their placeholders", async () => {
    const veil = new Veil({ memoryCharacters: 500 });
    const first = await hidden(veil, JANE);
    for (let i = 0; i < 10; i++) await hidden(veil, `user${i}@example.com`);
    expect(await shown(veil, first)).toBe(first);
    const last = await hidden(veil, "last@example.com");
    expect(await shown(veil, last)).toBe("last@example.com");
  });

  it("refuses a short key, items without a key, and kinds that are none", () => {
    expect(() => new Veil({ key: "short" })).toThrow(expect.objectContaining({ code: "OPTION_INVALID" }));
    expect(() => new Veil({ items: new ItemDouble() })).toThrow(expect.objectContaining({ code: "OPTION_INVALID" }));
    for (const kind of ["email", "", "LITERAL", "A B"])
      expect(() => new Veil({ detectors: [{ kind, find: () => [] }] })).toThrow(
        expect.objectContaining({ code: "OPTION_INVALID" }),
      );
  });
});

describe("detectors of one's own", () => {
  it("find besides those built in, the longer finding winning", async () => {
    const find = (text: string): { start: number; end: number }[] => {
      const start = text.indexOf("Jane");
      return start < 0 ? [] : [{ start, end: text.indexOf(">") + 1 }];
    };
    const veil = new Veil({ detectors: [{ kind: "PERSON", find }] });
    expect(await hidden(veil, `from Jane Doe <${JANE}> today`)).toMatch(/^from \[PERSON_x[0-9a-f]{16}\] today$/);
    expect(await hidden(veil, `from ${JANE}`)).toMatch(/^from \[EMAIL_x/);
  });

  it("may be services, which are asked once for all texts of a value", async () => {
    const asked: (readonly string[])[] = [];
    const service: SlowDetector = {
      kind: "PERSON",
      findIn: (texts) => {
        asked.push(texts);
        return Promise.resolve(texts.map((text) => (text.startsWith("Jane") ? [{ start: 0, end: 4 }] : [])));
      },
    };
    const veil = new Veil({ slow: [service] });
    const wire: Wire = { a: "Jane came", b: ["nobody here", `Jane <${JANE}>`], c: "Jane came" };
    expect(await concealed(veil, wire)).toEqual({
      a: expect.stringMatching(/^\[PERSON_x\w+\] came$/),
      b: ["nobody here", expect.stringMatching(/^\[PERSON_x\w+\] <\[EMAIL_x\w+\]>$/)],
      c: expect.stringMatching(/^\[PERSON_x\w+\] came$/),
    });
    expect(asked).toEqual([["Jane came", "nobody here", `Jane <${JANE}>`]]);
  });

  it("let nothing through when a service fails, or answers for other texts", async () => {
    const failing = new Veil({ slow: [{ kind: "PERSON", findIn: () => Promise.reject(new Error("away")) }] });
    await expect(hidden(failing, "some text")).rejects.toThrow("away");
    const confused = new Veil({ slow: [{ kind: "PERSON", findIn: () => Promise.resolve([]) }] });
    await expect(hidden(confused, "some text")).rejects.toMatchObject({ code: "PLUGIN_FAILED" });
  });
});

describe("the vault", () => {
  it("lets another process with the key bring originals back, and keeps them unreadable", async () => {
    const items = new ItemDouble();
    const odd = `${JANE} and \ud800 half`;
    const stored = await hidden(new Veil({ key: KEY, items }), odd);
    expect(await shown(new Veil({ key: KEY, items }), stored)).toBe(odd);
    expect(JSON.stringify(items.all("vault"))).not.toContain("jane");
    expect(await shown(new Veil({ key: `${KEY}!`, items }), stored)).toBe(stored);
    expect(await shown(new Veil({ key: KEY }), stored)).toBe(stored);
  });

  it("is written to once for each original, before the concealed text is given away", async () => {
    const items = new ItemDouble();
    const veil = new Veil({ key: KEY, items });
    await hidden(veil, `${JANE}, ${JANE}`);
    expect(items.all("vault")).toHaveLength(1);
    await hidden(veil, JANE);
    expect(items.puts).toBe(1);
  });

  it("does not hand out an original of another process to who sends its placeholder", async () => {
    const items = new ItemDouble();
    const placeholder = await hidden(new Veil({ key: KEY, items }), JANE);
    const stored = await hidden(new Veil({ key: KEY, items }), placeholder);
    expect(stored).toMatch(/^\[LITERAL_x/);
    expect(await shown(new Veil({ key: KEY, items }), stored)).toBe(placeholder);
  });

  it("does not open what was changed, or moved to another placeholder", async () => {
    const items = new ItemDouble();
    const veil = new Veil({ key: KEY, items });
    const [jane, john] = [await hidden(veil, JANE), await hidden(veil, "john@example.com")];
    const [first, second] = items.all("vault");
    if (first === undefined || second === undefined) throw new Error("expected two entries");
    items.write({ ...first, value: second.value });
    const moved = first.key === jane ? jane : john;
    await expect(shown(new Veil({ key: KEY, items }), moved)).rejects.toMatchObject({ code: "RECORD_UNDECODABLE" });
  });
});

describe("strong detectors", () => {
  it.each([
    ["Dear Mr. John A. Smith, hello", "Dear Mr. [PERSON], hello"],
    ["Name: Maria García", "Name: [PERSON]"],
    ["date of birth: 1980-02-29.", "date of birth: [BIRTH_DATE]."],
    ["born on 3 May 1971 in Rome", "born on [BIRTH_DATE] in Rome"],
    ["lives at 221 Baker Street, London", "lives at [ADDRESS], London"],
    ["wohnt Hauptstraße 12a in Köln", "wohnt [ADDRESS] in Köln"],
    ["au 12 rue de la Paix", "au [ADDRESS]"],
    ["passport no: X1234567", "passport no: [DOCUMENT]"],
    ["password=hunter2!x", "password=[PASSWORD]"],
    [
      "the name of the rose, 12 roads, born to run, mr and mrs",
      "the name of the rose, 12 roads, born to run, mr and mrs",
    ],
  ])("read %j", async (text, wanted) => {
    const found = await hidden(new Veil({ strong: true }), text);
    expect(found.replace(/_x[0-9a-f]{16}\]/g, "]")).toBe(wanted);
    if (text !== wanted) expect(await hidden(new Veil(), text)).toBe(text);
  });
});
