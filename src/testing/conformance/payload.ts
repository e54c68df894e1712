import { failure } from "../../domain/failure.ts";
import { encode, type Wire } from "../../domain/wire.ts";
import { blobOf, newMessage, openWait, OTHER_RUN, RUN, storedDefinition } from "./records.ts";
import type { AspectSuite } from "./suite.ts";
import { endRun, handBack, newEvent, park, transition } from "./transitions.ts";

const nested = (depth: number): Wire => {
  let wire: Wire = "bottom";
  for (let i = 0; i < depth; i++) wire = i % 2 === 0 ? [wire] : { in: wire };
  return wire;
};

const PROTO: Wire = JSON.parse('{"__proto__":{"polluted":true},"constructor":1,"toString":null}') as Wire;

const PAYLOADS: readonly (readonly [what: string, wire: Wire])[] = [
  ["null", null],
  ["an empty text", ""],
  ["an empty list", []],
  ["an empty record", {}],
  ["false and zero", [false, 0]],
  ["large and small numbers", [Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER, Number.MAX_VALUE, 5e-324, 0.1, 1e21]],
  ["a text with NUL", "before\u0000after"],
  ["control characters", "\u0001\u0008\t\n\r\u001b\u007f\u2028\u2029"],
  ["emoji and other planes", "🙂👩‍👩‍👧‍👦𝒳"],
  ["a lone surrogate", ["\ud800", "a\udc00b"]],
  ["scripts of many kinds", "Ærøskøbing ελληνικά 漢字 עברית ไทย"],
  ["text that looks like SQL", `'; drop table runs; -- " \\ %_ $1 ?1 :a`],
  ["text that looks like JSON", '{"a":[1,null]}'],
  ["text that looks like a number", ["007", "1e5", "true", "null"]],
  ["odd keys", { "": 1, "a.b": 2, "a b": 3, $: 4, $a: 5, "\u0000": 6, ключ: 7, "0": 8 }],
  ["keys of prototypes", PROTO],
  [
    "tagged values",
    encode({
      d: new Date(0),
      b: 12n,
      y: new Uint8Array([0, 255]),
      m: new Map([[1, new Set([2])]]),
      u: undefined,
      n: Number.NaN,
    }),
  ],
  ["a user's own dollar key", encode({ $date: "not a date" })],
  ["a reference to a blob", { $blob: "0".repeat(64) }],
  ["a value 400 levels deep", nested(400)],
  ["a list of 20,000 items", Array.from({ length: 20_000 }, (_, i) => i)],
  ["a text of a megabyte", "é".repeat(1_000_000)],
];

const text = (wire: unknown): string => JSON.stringify(wire);

export const payload: AspectSuite = {
  aspect: "payload",
  title: "returns what it was given",
  define({ it, expect }) {
    for (const [what, wire] of PAYLOADS) {
      it(`keeps ${what} wherever a value may stand`, async (scene) => {
        const lease = await scene.worker();
        const held = await scene.hold(lease, { input: wire, event: newEvent(wire) });
        const root = await scene.pass(
          transition(held, { state: wire, value: wire, context: wire, aside: wire, event: newEvent(wire) }),
        );
        await scene.store.signal(newMessage({ data: wire }));
        await scene.pass(park(root, { wait: { question: wire } }));
        const { fiber, held: again } = await scene.claimOne(lease);
        await scene.pass(endRun(again, { output: wire }));
        const run = await scene.store.load(RUN);
        const seen = [
          run?.input,
          run?.output,
          ...(await scene.facts()),
          fiber.value,
          fiber.context,
          fiber.aside,
          fiber.wait?.question,
          fiber.messages[0]?.data,
        ];
        expect(seen.filter((value) => text(value) !== text(wire))).toEqual([]);
        expect(seen.length).toBe(9);
      });
    }

    it("keeps names and reasons of any text", async (scene) => {
      const odd = `o'dd "näme" 🙂 \\ % ; --`;
      const held = await scene.hold(await scene.worker(), { flow: odd, version: odd, root: { queue: odd } });
      await scene.store.signal(newMessage({ name: odd }));
      await scene.pass(park(held, { names: [odd], wait: { path: odd, visit: odd } }));
      await scene.store.cancel(RUN, odd);
      const [fiber] = await scene.claim(held.lease, { queues: [odd] });
      expect(fiber).toMatchObject({ queue: odd, cancel: odd, wait: openWait({ names: [odd], path: odd, visit: odd }) });
      expect(fiber?.messages).toMatchObject([{ name: odd }]);
      expect((await scene.store.list({ flow: odd, version: odd })).items).toMatchObject([
        { flow: odd, cancelReason: odd },
      ]);
    });

    it("keeps ids of every allowed character and of full length", async (scene) => {
      const id = `aZ09._:-${"x".repeat(120)}` as typeof RUN;
      const prefix = "aZ09._:-" as typeof RUN;
      await scene.start({ id });
      await scene.start({ id: prefix });
      expect((await scene.store.load(id))?.id).toBe(id);
      expect(await scene.signal({ run: id, id })).toBe("delivered");
      expect([await scene.mailbox(id), await scene.mailbox(prefix)]).toEqual([[id], []]);
    });

    it("tells ids apart by case", async (scene) => {
      const [lower, upper] = ["run-a", "RUN-A"] as unknown as readonly [typeof RUN, typeof RUN];
      await scene.start({ id: lower, input: 1 });
      await scene.start({ id: upper, input: 2 });
      expect([(await scene.store.load(lower))?.input, (await scene.store.load(upper))?.input]).toEqual([1, 2]);
    });

    it("keeps times and priorities as they are", async (scene) => {
      const far = 8_640_000_000_000_000; // the last instant of a Date
      const held = await scene.hold(await scene.worker(), { createdAt: 1, root: { priority: -2_000_000_000 } });
      await scene.pass(handBack(held, far, { scheduling: { queue: "default", priority: 2_000_000_000 } }));
      expect(await scene.fiber()).toMatchObject({ readyAt: far, priority: 2_000_000_000 });
      expect((await scene.store.load(RUN))?.createdAt).toBe(1);
    });

    it("keeps failures, definitions and blobs of any text", async (scene) => {
      const odd = "a\u0000b 🙂 \ud800 '\"\\";
      const lease = await scene.worker();
      const what = failure("STEP_FAILED", odd, { details: { odd }, stack: odd });
      await scene.pass(endRun(await scene.hold(lease), { status: "failed", failure: what }));
      expect(text((await scene.store.load(RUN))?.failure)).toBe(text(what));
      await scene.store.putDefinitions([storedDefinition({ described: odd })]);
      expect(text(await scene.store.definition(storedDefinition().fingerprint))).toBe(
        text(storedDefinition({ described: odd })),
      );
      const blob = blobOf(text(odd));
      await scene.hold(lease, { id: OTHER_RUN, blobs: [blob] });
      expect(await scene.store.blob(blob.hash)).toBe(blob.text);
    });
  },
};
