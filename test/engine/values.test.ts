import { flow } from "flujo";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { eventsOf } from "./reading.ts";
import { Scene, STORES } from "./scene.ts";

const KILOBYTE = 1_024;

describe.each(STORES)("a large value on %s", (store) => {
  it("of a megabyte goes through five steps, into history and out of it, whole", async () => {
    await using scene = new Scene(store);
    const big = "x".repeat(KILOBYTE * KILOBYTE);
    const pass = (value: { readonly text: string; readonly n: number }): { text: string; n: number } => ({
      text: value.text,
      n: value.n + 1,
    });
    const heavy = flow("heavy", { version: "1" })
      .input(z.object({ text: z.string(), n: z.number() }))
      .step("one", pass)
      .step("two", pass)
      .step("three", pass)
      .step("four", pass)
      .step("five", pass)
      .build();
    const flujo = scene.open({ flows: [heavy] });
    const result = await flujo.run(heavy, { text: big, n: 0 });
    expect(result).toMatchObject({ status: "completed", output: { n: 5 } });
    const later = scene.open({ flows: [heavy] });
    expect(await later.get(result.runId)).toEqual(await flujo.get(result.runId));
    expect((await later.get(result.runId)).output).toEqual({ text: big, n: 5 });
    const outputs = (await eventsOf(later, result.runId, "step.completed")).map(({ output }) => output);
    expect(outputs.map((output) => JSON.stringify(output).length)).toEqual(
      Array.from({ length: 5 }, () => JSON.stringify({ text: big, n: 1 }).length),
    );
  });

  it("is stored once, and travels as a reference", async () => {
    await using scene = new Scene(store);
    const big = "b".repeat(100 * KILOBYTE);
    const echo = flow("echo", { version: "1" })
      .input(z.object({ big: z.string() }))
      .step("keep", (value, ctx) => {
        ctx.context["kept"] = value;
        return value;
      })
      .map(
        "each",
        ({ big: text }) => [{ big: text }, { big: text }],
        (b) => b.waitForSignal("go", "go").step("end", (_, ctx) => ctx.context["kept"]),
      )
      .build();
    const flujo = scene.open({ flows: [echo] });
    const { runId } = await flujo.run(echo, { big });
    const behind = await scene.store();
    const rows = JSON.stringify([await behind.history(runId), await behind.fibers(runId), await behind.load(runId)]);
    expect(rows.length).toBeLessThan(20_000);
    const hashes = new Set([...rows.matchAll(/"\$blob":"([0-9a-f]{64})"/g)].map(([, hash = ""]) => hash));
    expect(hashes.size).toBeLessThanOrEqual(3); // the value, the list of items, the context
    for (const hash of hashes) expect(await behind.blob(hash)).toContain(big);
    await flujo.signal(runId, "go");
    await flujo.signal(runId, "go");
    expect(await flujo.handle(runId).output()).toEqual([{ big }, { big }]);
  });

  it("survives a wait, a change of process, a fork and a join, a child run, a context and a signal", async () => {
    await using scene = new Scene(store);
    const big = "y".repeat(100 * KILOBYTE);
    const child = flow("child", { version: "1" })
      .input(z.string())
      .step("measure", (text) => ({ text, length: text.length }))
      .build();
    const heavy = flow("heavy", { version: "1" })
      .input(z.string())
      .step("keep", (text, ctx) => {
        ctx.context["kept"] = text;
        return text;
      })
      .waitForSignal("go", "go", { schema: z.string() })
      .parallel("both", {
        call: (b) => b.call("child", child),
        context: (b) => b.step("read", (_, ctx) => String(ctx.context["kept"])),
      })
      .attempt(
        "try",
        (b) =>
          b.step("fail", () => {
            throw new Error("no");
          }),
        { catch: (b) => b.step("held", ({ input }) => input) },
      )
      .step("sum", ({ call, context }) => [call.length, context.length, call.text === context])
      .build();
    const first = scene.open({ flows: [heavy] });
    const { runId } = await first.run(heavy, big);
    await first.close();
    const second = scene.open({ flows: [heavy] });
    await second.signal(runId, "go", `${big}!`);
    expect(await second.handle(runId).output()).toEqual([big.length + 1, big.length, false]);
  });

  it.each([
    ["64 KB", 65_536],
    ["64 KB and one", 65_537],
    ["65 KB of umlauts", 33_280],
  ])("is whole at the edge: %s", async (name, length) => {
    await using scene = new Scene(store);
    const text = (name.endsWith("umlauts") ? "ü" : "z").repeat(length);
    const echo = flow("echo", { version: "1" })
      .input(z.unknown())
      .step("echo", (value) => value)
      .build();
    const flujo = scene.open({ flows: [echo] });
    for (const value of [text, [text], { [text.slice(0, 100)]: text }]) {
      const result = await flujo.run(echo, value);
      const later = scene.open({ worker: { queues: ["elsewhere"] } });
      expect((await later.get(result.runId)).output).toEqual(value);
    }
  });

  it("beyond the limit fails its step, without another attempt", async () => {
    await using scene = new Scene(store);
    let attempts = 0;
    const huge = flow("huge", { version: "1" })
      .step(
        "make",
        () => {
          attempts += 1;
          return "x".repeat(65 * KILOBYTE * KILOBYTE);
        },
        { retry: { attempts: 3, backoff: "immediate" } },
      )
      .build();
    expect(await scene.open().run(huge, 0)).toMatchObject({
      status: "failed",
      failure: { code: "VALUE_TOO_LARGE", at: "root/make" },
    });
    expect(attempts).toBe(1);
  });
});

describe.each(STORES)("a value on %s", (store) => {
  const kinds: unknown[] = [
    undefined,
    null,
    0,
    -0,
    Number.NaN,
    Number.NEGATIVE_INFINITY,
    12n ** 30n,
    "",
    "a\u0000b",
    "\ud800",
    "👩‍🚀",
    new Date(0),
    new Uint8Array([0, 255, 128]),
    new Map<unknown, unknown>([
      [{ a: 1 }, new Set([1])],
      [Number.NaN, undefined],
    ]),
    new Set([new Date(1), null]),
    { $date: "not a date" },
    { $blob: "not a blob" },
    { $object: ["a", 1] },
    { ["__proto__"]: { polluted: true } },
    [[], {}, [undefined]],
  ];

  it("of every kind comes back as it went, through steps, waits, forks and another process", async () => {
    await using scene = new Scene(store);
    const echo = flow("echo", { version: "1" })
      .input(z.unknown())
      .step("echo", (value) => [value])
      .map("each", (b) => b.step("same", (value) => value))
      .waitForSignal("go", "go")
      .build();
    const first = scene.open({ flows: [echo] });
    const runs: string[] = [];
    for (const value of kinds) runs.push((await first.run(echo, value)).runId);
    await first.close();
    const second = scene.open({ flows: [echo] });
    for (const [i, value] of kinds.entries()) {
      await second.signal(runs[i] ?? "", "go", value);
      expect(await second.handle(runs[i] ?? "").output()).toEqual(value);
      expect((await second.get(runs[i] ?? "")).input).toEqual(value);
      const completed = await eventsOf(second, runs[i] ?? "", "step.completed");
      expect(completed).toHaveLength(2);
    }
    expect(({} as { polluted?: boolean }).polluted).toBeUndefined();
  });

  const cyclic: Record<string, unknown> = {};
  cyclic["self"] = cyclic;
  class Account {
    balance = 1;
  }

  it.each<readonly [string, unknown, string, string]>([
    ["a function", { list: [1, () => 1] }, "a function", "$.list[1]"],
    ["a named function", { call: function pay(): void {} }, "a function (pay)", "$.call"],
    ["a symbol", [Symbol("s")], "a symbol (Symbol(s))", "$[0]"],
    ["an instance", { a: { b: new Account() } }, "an instance of Account", "$.a.b"],
    ["an error", new Error("x"), "an instance of Error", "$"],
    ["a promise in a list", [Promise.resolve(1)], "an instance of Promise", "$[0]"],
    ["an invalid date", { at: new Date(Number.NaN) }, "an invalid Date", "$.at"],
    ["a weak map", { m: new WeakMap() }, "an instance of WeakMap", "$.m"],
    ["a key in a map", new Map([[(): number => 1, 1]]), "a function", "$.key(0)"],
  ])("that cannot be stored fails its step with the place: %s", async (...[, value, what, path]) => {
    await using scene = new Scene(store);
    const bad = flow("bad", { version: "1" })
      .step("make", () => value, { retry: 3 })
      .build();
    const result = await scene.open().run(bad, 0);
    expect(result).toMatchObject({
      status: "failed",
      failure: {
        code: "VALUE_NOT_SERIALIZABLE",
        message: `cannot store ${what} (at ${path})`,
        at: "root/make",
        attempt: 1,
        details: { path },
      },
    });
  });

  it("that is cyclic, or too deep, fails its step and not the process", async () => {
    await using scene = new Scene(store);
    const flujo = scene.open();
    let deep: unknown = 1;
    for (let i = 0; i < 10_000; i++) deep = [deep];
    const values = new Map<string, unknown>([
      ["cyclic", cyclic],
      ["deep", deep],
    ]);
    const bad = flow("bad", { version: "1" })
      .input(z.string())
      .step("make", (name) => values.get(name))
      .build();
    for (const name of values.keys())
      expect(await flujo.run(bad, name)).toMatchObject({
        status: "failed",
        failure: { code: "VALUE_NOT_SERIALIZABLE" },
      });
    await expect(flujo.run(bad, cyclic as never)).rejects.toMatchObject({ code: "INPUT_INVALID" });
  });

  it("that a step was given is its own: changing it changes nothing that is stored", async () => {
    await using scene = new Scene(store);
    const mutates = flow("mutates", { version: "1" })
      .input(z.object({ list: z.array(z.number()) }))
      .step(
        "change",
        (value, { attempt }) => {
          value.list.push(attempt);
          if (attempt < 3) throw new Error("again");
          return value;
        },
        { retry: { attempts: 3, backoff: "immediate" } },
      )
      .build();
    const input = { list: [0] };
    const flujo = scene.open();
    const result = await flujo.run(mutates, input);
    expect(result).toMatchObject({ output: { list: [0, 3] } });
    expect(input).toEqual({ list: [0] });
    expect((await flujo.get(result.runId)).input).toEqual({ list: [0] });
  });
});
