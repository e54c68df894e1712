import { describe, expect, it } from "vitest";
import type { Wire } from "../../../src/domain/wire.ts";
import { type AuditEntry, auditLog, type AuditMark } from "../../../src/policies/govern/audit-log.ts";
import { Veil } from "../../../src/policies/govern/veil.ts";
import type { Item } from "../../../src/ports/items.ts";
import { ItemDouble } from "./item-double.ts";

const record = (number: number): { at: number; actor: string; action: string; subject: string; details: Wire } => ({
  at: 1_000 + number,
  actor: "ops",
  action: "approve",
  subject: `run-${number}`,
  details: { number },
});

/** A log of five entries, each in a link of its own. */
async function five(): Promise<ItemDouble> {
  const items = new ItemDouble();
  for (let number = 1; number <= 5; number++) await auditLog(items).append(record(number));
  return items;
}

const linkOf = (items: ItemDouble, seq: number): Item => {
  const item = items.all("audit")[seq - 1];
  if (item === undefined) throw new Error(`expected a link ${seq}`);
  return item;
};
const entryIn = ({ value }: Item): AuditEntry => {
  const [entry] = (value as unknown as { entries: readonly AuditEntry[] }).entries;
  if (entry === undefined) throw new Error("expected an entry");
  return entry;
};
const rewritten = (item: Item, change: Partial<AuditEntry>): Item => ({
  ...item,
  value: { entries: [{ ...entryIn(item), ...change }] } as unknown as Wire,
});

describe("the audit log", () => {
  it("is sound when nobody was at it, empty or not", async () => {
    expect(await auditLog(new ItemDouble()).verify()).toEqual({ entries: 0, hash: "0".repeat(64) });
    const items = await five();
    const last = entryIn(linkOf(items, 5));
    expect(await auditLog(items).verify()).toEqual({ entries: 5, hash: last.hash });
    expect(await auditLog(items).verify({ seq: 5, hash: last.hash })).toMatchObject({ entries: 5 });
  });

  it("shows its entries in order, from any of them on", async () => {
    const log = auditLog(await five());
    expect((await log.entries()).map(({ seq, subject }) => [seq, subject])).toEqual(
      [1, 2, 3, 4, 5].map((n) => [n, `run-${n}`]),
    );
    expect((await log.entries({ after: 2, limit: 2 })).map(({ seq }) => seq)).toEqual([3, 4]);
  });

  it("never forks when two append at once, and loses none", async () => {
    const items = new ItemDouble();
    const [one, other] = [auditLog(items), auditLog(items)];
    const marks: AuditMark[] = [];
    for (let round = 0; round < 30; round++) {
      const pair = [one.append(record(round)), other.append(record(100 + round)), one.append(record(200 + round))];
      marks.push(...(await Promise.all(pair)));
    }
    expect(marks.map(({ seq }) => seq).sort((a, b) => a - b)).toEqual(
      Array.from({ length: 90 }, (_, index) => index + 1),
    );
    const found = await one.entries({ limit: 1_000 });
    expect(new Set(found.map(({ subject }) => subject)).size).toBe(90);
    expect(marks.every((mark) => found.some(({ seq, hash }) => seq === mark.seq && hash === mark.hash))).toBe(true);
    expect(await other.verify()).toMatchObject({ entries: 90 });
  });

  it("writes what comes at once in few links, and reads over links of any length", async () => {
    const items = new ItemDouble();
    const log = auditLog(items);
    await Promise.all(Array.from({ length: 350 }, (_, index) => log.append(record(index))));
    expect(items.all("audit").length).toBeLessThanOrEqual(5);
    expect(await log.verify()).toMatchObject({ entries: 350 });
    expect((await log.entries({ after: 149, limit: 3 })).map(({ seq }) => seq)).toEqual([150, 151, 152]);
  });

  it("goes on where it ended, in another process, and after a crash before the pointer was moved", async () => {
    const items = await five();
    const [head] = items.all("audit-head");
    if (head === undefined) throw new Error("expected a pointer");
    items.write({ ...head, value: { seq: 3, hash: entryIn(linkOf(items, 3)).hash } });
    expect(await auditLog(items).append(record(6))).toMatchObject({ seq: 6 });
    expect(await auditLog(items).verify()).toMatchObject({ entries: 6 });
  });

  it.each<readonly [string, (items: ItemDouble) => unknown, number, RegExp]>([
    ["changed", (items) => items.write(rewritten(linkOf(items, 3), { actor: "eve" })), 3, /changed/],
    [
      "changed together with its hash",
      (items) => items.write(rewritten(linkOf(items, 3), { hash: "f".repeat(64) })),
      3,
      /changed/,
    ],
    ["removed", (items) => items.removeItems([{ collection: "audit", key: linkOf(items, 3).key }]), 3, /missing/],
    [
      "removed at the end",
      (items) => items.removeItems([{ collection: "audit", key: linkOf(items, 5).key }]),
      5,
      /missing/,
    ],
    [
      "swapped with the next",
      (items) => {
        const [second, third] = [linkOf(items, 2), linkOf(items, 3)];
        items.write({ ...second, value: third.value });
        items.write({ ...third, value: second.value });
      },
      2,
      /moved/,
    ],
    [
      "repeated",
      (items) => items.write({ ...linkOf(items, 5), key: linkOf(items, 5).key.replace(/5$/, "6") }),
      6,
      /moved/,
    ],
    ["made unreadable", (items) => items.write({ ...linkOf(items, 4), value: null }), 4, /changed/],
  ])("is broken when an entry was %s, and names it", async (_, tamper, seq, message) => {
    const items = await five();
    await tamper(items);
    await expect(auditLog(items).verify()).rejects.toMatchObject({
      code: "AUDIT_BROKEN",
      details: { seq },
      message: expect.stringMatching(message),
    });
  });

  it("is broken for who remembers another entry, even when the chain was made anew from there", async () => {
    const remembered = entryIn(linkOf(await five(), 4));
    const forged = new ItemDouble();
    for (let number = 1; number <= 5; number++) await auditLog(forged).append({ ...record(number), actor: "eve" });
    await expect(auditLog(forged).verify()).resolves.toMatchObject({ entries: 5 });
    await expect(auditLog(forged).verify(remembered)).rejects.toMatchObject({
      code: "AUDIT_BROKEN",
      details: { seq: 4 },
    });
  });

  it("conceals who, about whom and what, verifies without the key, and shows it with the key", async () => {
    const [items, key] = [new ItemDouble(), "a secret of at least sixteen"];
    const open = (): Veil => new Veil({ key, items });
    const personal = {
      at: 1,
      actor: "ops@example.com",
      action: "read",
      subject: "jane@example.com",
      details: { to: "x@example.com" },
    };
    await auditLog(items, { veil: open() }).append(personal);
    expect(JSON.stringify(items.all("audit"))).not.toContain("example.com");
    expect(await auditLog(items).verify()).toMatchObject({ entries: 1 });
    expect(await auditLog(items, { veil: open() }).entries()).toMatchObject([personal]);
  });

  it("fails the append, and only that, when the store cannot take it", async () => {
    const items = new ItemDouble();
    const log = auditLog(items);
    const put = items.putItems.bind(items);
    items.putItems = () => Promise.reject(new Error("away"));
    await expect(log.append(record(1))).rejects.toThrow("away");
    items.putItems = put;
    expect(await log.append(record(2))).toMatchObject({ seq: 1 });
    expect(await log.verify()).toMatchObject({ entries: 1 });
  });
});
