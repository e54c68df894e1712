import { type Flow, flow } from "flujo";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import type { Merge } from "../../src/dsl/options.ts";
import { Scene, STORES } from "./scene.ts";

const shape = z.object({
  total: z.number().default(10),
  log: z.array(z.string()).default(["start"]),
  tags: z.array(z.string()).default(["x"]),
  owner: z.object({ name: z.string(), city: z.string() }).default({ name: "", city: "" }),
  mine: z.string().optional(),
});
type Context = z.infer<typeof shape>;

/** Two branches that change the context, `left` first in declared order and last in time; gives the merged context. */
function merging(
  merge: Merge<Context>,
  left: (c: Context) => void,
  right: (c: Context) => void,
): Flow<unknown, Context> {
  return flow("merging", { version: "1" })
    .context(shape)
    .parallel(
      "both",
      {
        left: (b) =>
          b
            .step("wait", () => new Promise<void>((resolve) => setImmediate(resolve)))
            .step("change", (_, ctx) => left(ctx.context)),
        right: (b) => b.step("change", (_, ctx) => right(ctx.context)),
      },
      { merge },
    )
    .step("read", (_, ctx) => ctx.context)
    .build();
}

describe.each(STORES)("the contexts of branches on %s", (store) => {
  it("come together when they changed different things", async () => {
    await using scene = new Scene(store);
    const merged = merging(
      "context-update",
      (c) => {
        c.owner.name = "Ada";
        c.total = 11;
      },
      (c) => {
        c.owner.city = "London";
        c.total = 11; // the same change is no conflict
        c.mine = "new";
      },
    );
    expect(await scene.open().run(merged, 0)).toMatchObject({
      output: { owner: { name: "Ada", city: "London" }, total: 11, mine: "new", log: ["start"] },
    });
  });

  it.each<readonly [string, Merge<Context>]>([
    ["by default", "context-update"],
    ["where it is asked for", "error-on-conflict"],
  ])("are in conflict when they changed one key differently, %s", async (_, merge) => {
    await using scene = new Scene(store);
    const conflict = merging(
      merge,
      (c) => void (c.owner.name = "Ada"),
      (c) => void (c.owner.name = "Bob"),
    );
    expect(await scene.open().run(conflict, 0)).toMatchObject({
      status: "failed",
      failure: {
        code: "CONTEXT_CONFLICT",
        message: 'branches "left" and "right" set context.owner.name to different values',
        at: "root/both",
        details: { key: "owner.name", branches: ["left", "right"] },
      },
    });
  });

  it.each<readonly [string, Merge<Context>, Partial<Context>]>([
    ["overwrite: the last in declared order", "overwrite", { total: 30 }],
    ["keep-first: the first in declared order", "keep-first", { total: 20 }],
    ["no-merge: nobody", "no-merge", { total: 10, log: ["start"] }],
    ["sum: both", { reducers: { total: "sum" } }, { total: 40 }],
    ["max", { reducers: { total: "max" } }, { total: 30 }],
    ["min", { reducers: { total: "min" } }, { total: 20 }],
    ["keepFirst", { reducers: { total: "keepFirst" } }, { total: 20 }],
    [
      "a function of one's own",
      { custom: (before, children) => ({ ...before, total: children.reduce((n, c) => n * c.total, 1) }) },
      { total: 600 },
    ],
  ])("are merged: %s", async (_, merge, expected) => {
    await using scene = new Scene(store);
    const merged = merging(
      merge,
      (c) => void (c.total = 20),
      (c) => void (c.total = 30),
    );
    expect(await scene.open().run(merged, 0)).toMatchObject({ status: "completed", output: expected });
  });

  it("append and unite lists in declared order", async () => {
    await using scene = new Scene(store);
    const lists = merging(
      { reducers: { log: "append", tags: "union" } },
      (c) => {
        c.log.push("left", "both");
        c.tags.push("a", "b");
      },
      (c) => {
        c.log.push("right", "both");
        c.tags.push("b", "c");
      },
    );
    expect(await scene.open().run(lists, 0)).toMatchObject({
      output: { log: ["start", "left", "both", "right", "both"], tags: ["x", "a", "b", "c"] },
    });
  });

  it("give back only the fields that are wanted", async () => {
    await using scene = new Scene(store);
    const wanted = merging(
      { fields: ["total"] },
      (c) => {
        c.total = 11;
        c.mine = "left";
      },
      (c) => void (c.mine = "right"),
    );
    const result = await scene.open().run(wanted, 0);
    expect(result).toMatchObject({ status: "completed", output: { total: 11 } });
    expect(result.status === "completed" && result.output).not.toHaveProperty("mine");
  });

  it("are dropped with the branch that failed, and kept of those that succeeded", async () => {
    await using scene = new Scene(store);
    const partly = flow("partly", { version: "1" })
      .context(shape)
      .parallel(
        "both",
        {
          good: (b) => b.step("good", (_, ctx) => void (ctx.context.mine = "good")),
          bad: (b) =>
            b
              .step("before", (_, ctx) => void (ctx.context.total = 99))
              .step("bad", () => {
                throw new Error("no");
              }),
        },
        { join: "settled" },
      )
      .step("read", (_, ctx) => ctx.context)
      .build();
    expect(await scene.open().run(partly, 0)).toMatchObject({ output: { mine: "good", total: 10 } });
  });

  it("are of the winner only when the first success wins", async () => {
    await using scene = new Scene(store);
    const won = flow("won", { version: "1" })
      .context(shape)
      .parallel(
        "race",
        {
          first: (b) => b.step("first", (_, ctx) => void (ctx.context.mine = "first")),
          second: (b) => b.step("second", (_, ctx) => void (ctx.context.mine = "second")),
        },
        { join: "any", concurrency: 1 },
      )
      .step("read", (_, ctx) => ctx.context.mine)
      .build();
    expect(await scene.open().run(won, 0)).toMatchObject({ output: "first" });
  });

  it("fail their join when a merge of one's own throws, or gives what cannot be stored", async () => {
    await using scene = new Scene(store);
    const flujo = scene.open();
    const nothing = (): void => undefined;
    const throws = merging(
      {
        custom: () => {
          throw new Error("cannot merge");
        },
      },
      nothing,
      nothing,
    );
    expect(await flujo.run(throws, 0)).toMatchObject({ failure: { code: "JOIN_FAILED", message: "cannot merge" } });
    await using third = new Scene(store);
    const later = merging({ custom: () => Promise.reject(new Error("async")) }, nothing, nothing);
    expect(await third.open().run(later, 0)).toMatchObject({ failure: { code: "PREDICATE_FAILED" } });
    await using other = new Scene(store);
    const odd = merging({ custom: () => ({ f: nothing }) }, nothing, nothing);
    expect(await other.open().run(odd, 0)).toMatchObject({ failure: { code: "VALUE_NOT_SERIALIZABLE" } });
  });
});
