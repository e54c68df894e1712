import type { StandardSchemaV1 } from "@standard-schema/spec";
import { flow } from "flujo";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { codeOf, eventsOf } from "./reading.ts";
import { Scene, STORES } from "./scene.ts";

const basket = z.object({ items: z.array(z.string()).default([]), total: z.number().default(0) });

describe.each(STORES)("the context of a run on %s", (store) => {
  it("is kept when an attempt succeeds and dropped when it fails", async () => {
    await using scene = new Scene(store);
    const seen: unknown[] = [];
    const drafts = flow("drafts", { version: "1" })
      .context(basket)
      .step(
        "add",
        (_, ctx) => {
          seen.push([...ctx.context.items]);
          ctx.context.items.push(`attempt ${ctx.attempt}`);
          if (ctx.attempt === 1) throw new Error("again");
        },
        { retry: { attempts: 2, backoff: "immediate" } },
      )
      .step("read", (_, ctx) => ctx.context)
      .build();
    const flujo = scene.open();
    const result = await flujo.run(drafts, 0);
    expect(result).toMatchObject({ output: { items: ["attempt 2"], total: 0 } });
    expect(seen).toEqual([[], []]);
    expect(await eventsOf(flujo, result.runId, "step.completed")).toMatchObject([
      { path: "root/add", context: { items: ["attempt 2"], total: 0 } },
      { path: "root/read" },
    ]);
  });

  it("can be replaced as a whole", async () => {
    await using scene = new Scene(store);
    const replaced = flow("replaced", { version: "1" })
      .context(basket)
      .step("replace", (_, ctx) => {
        ctx.context = { items: ["new"], total: 1 };
      })
      .step("read", (_, ctx) => ctx.context)
      .build();
    expect(await scene.open().run(replaced, 0)).toMatchObject({ output: { items: ["new"], total: 1 } });
  });

  it("has the defaults of its schema, or what the start gives", async () => {
    await using scene = new Scene(store);
    const reads = flow("reads", { version: "1" })
      .context(basket)
      .step("read", (_, ctx) => ctx.context)
      .build();
    const flujo = scene.open();
    expect(await flujo.run(reads, 0)).toMatchObject({ output: { items: [], total: 0 } });
    expect(await flujo.run(reads, 0, { context: { items: ["a"], total: 5 } })).toMatchObject({
      output: { items: ["a"], total: 5 },
    });
    const wrong = flujo.run(reads, 0, { context: { items: "a" } as never });
    expect(await codeOf(wrong)).toBe("CONTEXT_INVALID");
    await expect(wrong).rejects.toThrow(/reads@1: its context does not satisfy its schema: .*items/);
    expect((await flujo.list()).items).toHaveLength(2);
  });

  it("fails the step that breaks its schema, and keeps what was there", async () => {
    await using scene = new Scene(store);
    const breaks = flow("breaks", { version: "1" })
      .context(basket)
      .attempt("try", (b) => b.step("break", (_, ctx) => void (ctx.context.total = "much" as never)), {
        catch: (b) => b.step("see", ({ error }, ctx) => [error.code, ctx.context.total]),
      })
      .build();
    expect(await scene.open().run(breaks, 0)).toMatchObject({ status: "completed", output: ["CONTEXT_INVALID", 0] });
  });

  it("fails the step that puts in what cannot be stored", async () => {
    await using scene = new Scene(store);
    const breaks = flow("breaks", { version: "1" })
      .step("break", (_, ctx) => void (ctx.context["call"] = () => 1))
      .build();
    expect(await scene.open().run(breaks, 0)).toMatchObject({
      failure: { code: "VALUE_NOT_SERIALIZABLE", message: "cannot store a function (at $.call)", at: "root/break" },
    });
  });

  it("is the run's own: what a caller or another run does to it is not seen", async () => {
    await using scene = new Scene(store);
    const shared = { items: ["a"], total: 0 };
    const grows = flow("grows", { version: "1" })
      .context(basket)
      .step("grow", (_, ctx) => ctx.context.items.push("b"))
      .step("read", (_, ctx) => ctx.context.items)
      .build();
    const flujo = scene.open();
    const started = flujo.run(grows, 0, { context: shared });
    shared.items.push("later");
    await started;
    expect(await flujo.run(grows, 0, { context: { items: [], total: 0 } })).toMatchObject({ output: ["b"] });
    expect(shared.items).toEqual(["a", "later"]);
  });

  it("is not written where nobody changed it", async () => {
    await using scene = new Scene(store);
    const reads = flow("reads", { version: "1" })
      .context(basket)
      .step("look", (_, ctx) => ctx.context.items.length)
      .build();
    const flujo = scene.open();
    const { runId } = await flujo.run(reads, 0);
    const [look] = await eventsOf(flujo, runId, "step.completed");
    expect(look).not.toHaveProperty("context");
  });
});

describe.each(STORES)("a schema on %s", (store) => {
  const typed = flow("typed", { version: "1" })
    .input(z.object({ n: z.coerce.number().default(5) }))
    .output(z.object({ n: z.number().transform((n) => `${n}!`) }))
    .step("work", ({ n }) => ({ n, extra: "dropped" }), { output: z.object({ n: z.number().max(10) }) })
    .build();

  it("of a flow's input checks and completes it before anything is started", async () => {
    await using scene = new Scene(store);
    const echo = flow("echo", { version: "1" })
      .input(z.object({ n: z.coerce.number().default(5) }))
      .step("echo", (value) => value)
      .build();
    const flujo = scene.open();
    expect(await flujo.run(echo, {})).toMatchObject({ output: { n: 5 } });
    const wrong = flujo.run("echo", { n: "many" });
    expect(await codeOf(wrong)).toBe("INPUT_INVALID");
    await expect(wrong).rejects.toMatchObject({
      message: expect.stringMatching(/echo@1: its input does not satisfy its schema: .*n/) as string,
      help: "Send input that satisfies the flow's input schema. Nothing was started.",
    });
    expect((await flujo.list()).items).toHaveLength(1);
  });

  it("of a flow's output gives what the schema makes of it, or fails the run", async () => {
    await using scene = new Scene(store);
    const flujo = scene.open();
    expect(await flujo.run(typed, { n: 3 })).toMatchObject({ status: "completed", output: { n: "3!" } });
    const wrong = flow("wrong", { version: "1" })
      .output(z.object({ n: z.number() }))
      .step("work", () => ({ n: "three" as unknown as number }))
      .build();
    const result = await flujo.run(wrong, 0);
    expect(result).toMatchObject({ status: "failed", failure: { code: "OUTPUT_INVALID" } });
    expect(await flujo.get(result.runId)).toMatchObject({ status: "failed", failure: { code: "OUTPUT_INVALID" } });
  });

  it("of a step's output gives what the schema makes of it, or fails the attempt", async () => {
    await using scene = new Scene(store);
    const flujo = scene.open();
    const result = await flujo.run(typed, { n: 11 });
    expect(result).toMatchObject({
      status: "failed",
      failure: { code: "STEP_OUTPUT_INVALID", at: "root/work", attempt: 1 },
    });
    let calls = 0;
    const unsteady = flow("unsteady", { version: "1" })
      .step("work", () => ++calls, {
        output: z.number().min(3),
        retry: { attempts: 5, backoff: "immediate" },
      })
      .build();
    expect(await flujo.run(unsteady, 0)).toMatchObject({ status: "completed", output: 3 });
  });

  it("of a step's input fails it without another attempt", async () => {
    await using scene = new Scene(store);
    let calls = 0;
    const strict = flow("strict", { version: "1" })
      .input(z.unknown())
      .step("work", () => ++calls, { input: z.string(), retry: { attempts: 5, backoff: "immediate" } })
      .build();
    const flujo = scene.open();
    expect(await flujo.run(strict, 5)).toMatchObject({
      status: "failed",
      failure: { code: "STEP_INPUT_INVALID", at: "root/work", attempt: 1 },
    });
    expect(calls).toBe(0);
    expect(await flujo.run(strict, "five")).toMatchObject({ status: "completed" });
  });

  it("may be asynchronous, and may throw", async () => {
    await using scene = new Scene(store);
    const slow: StandardSchemaV1<string, string> = {
      "~standard": {
        version: 1,
        vendor: "test",
        validate: async (value) => {
          await new Promise((resolve) => setImmediate(resolve));
          if (value === "boom") throw new Error("the check itself broke");
          return value === "no" ? { issues: [{ message: "not this one" }] } : { value: String(value) };
        },
      },
    };
    const checked = flow("checked", { version: "1" })
      .input(slow)
      .output(slow)
      .step("work", (text) => text, { output: slow })
      .build();
    const flujo = scene.open();
    expect(await flujo.run(checked, "yes")).toMatchObject({ output: "yes" });
    expect(await codeOf(flujo.run(checked, "no"))).toBe("INPUT_INVALID");
    expect(await codeOf(flujo.run(checked, "boom"))).toBe("INPUT_INVALID");
  });
});
