import { type ContextReference, flow, isReference, reference, type StateProvider } from "flujo";
import { describe, expect, expectTypeOf, it } from "vitest";
import { z } from "zod";
import { Scene, STORES } from "../engine/scene.ts";

const textRef = z.custom<ContextReference<string>>(isReference);
const DRAFT = reference<string>("notes", "draft");

/** Keeps values in this process, and tells what was asked of it. */
class Notes implements StateProvider {
  readonly kept = new Map<string, unknown>([["draft", "one"]]);
  readonly asked: string[] = [];

  load(key: string): Promise<unknown> {
    this.asked.push(`load ${key}`);
    return Promise.resolve(this.kept.get(key));
  }

  save(key: string, value: unknown): Promise<void> {
    this.asked.push(`save ${key}`);
    this.kept.set(key, value);
    return Promise.resolve();
  }

  get saved(): readonly string[] {
    return this.asked.filter((what) => what.startsWith("save"));
  }
}

/** A context with one reference; its step adds a word to what is behind it. */
const extend = flow("extend", { version: "1" })
  .input(z.string())
  .context(z.object({ draft: textRef.default(DRAFT) }))
  .step("extend", async (word, ctx) => {
    const [draft] = await ctx.hydrate(ctx.context.draft);
    expectTypeOf(draft.get()).toEqualTypeOf<string>();
    draft.set(`${draft.get()} ${word}`);
    return ctx.context.draft;
  })
  .step("read", async (draft, ctx) => {
    const [behind] = await ctx.hydrate(draft);
    return { text: behind.get(), same: draft.key === ctx.context.draft.key };
  })
  .build();

describe.each(STORES)("a reference on %s", (store) => {
  it("is read before and saved after the step that changed it, everywhere it stands", async () => {
    await using scene = new Scene(store);
    const notes = new Notes();
    const flujo = scene.open({ flows: [extend], stateProviders: { notes } });
    const result = await flujo.run(extend, "two");
    expect(result).toMatchObject({ status: "completed", output: { text: "one two", same: true } });
    expect(notes.kept.get("draft")).toBe("one");
    expect(notes.saved).toHaveLength(1);
  });

  it("keeps its value out of the run", async () => {
    await using scene = new Scene(store);
    const notes = new Notes();
    notes.kept.set("draft", "a long story");
    const holding = flow("holding", { version: "1" })
      .context(z.object({ draft: textRef.default(DRAFT) }))
      .step("look", async (_, ctx) => (await ctx.hydrate(ctx.context.draft))[0].get().length)
      .waitForSignal("go", "go")
      .build();
    const flujo = scene.open({ flows: [holding], stateProviders: { notes } });
    const { runId } = await flujo.run(holding, null);
    const behind = await scene.store();
    const rows = JSON.stringify([await behind.history(runId), await behind.fibers(runId), await behind.load(runId)]);
    expect(rows).not.toContain("a long story");
    expect(rows).toContain('"$reference":"notes"');
  });
});

describe("references", () => {
  it("are loaded at once, and only those that a step asks for", async () => {
    await using scene = new Scene("memory");
    const asked: string[] = [];
    const waiting: (() => void)[] = [];
    const slow: StateProvider = {
      load: (key) =>
        new Promise((resolve) => {
          asked.push(key);
          waiting.push(() => resolve(key.toUpperCase()));
          if (waiting.length === 2) for (const go of waiting) go(); // one after another would never end
        }),
      save: () => Promise.reject(new Error("nothing was changed")),
    };
    const pair = flow("pair", { version: "1" })
      .input(z.array(textRef))
      .step("ask", async (refs, ctx) => {
        const [a, b] = refs;
        const [left, right] = await ctx.hydrate(a ?? DRAFT, b ?? DRAFT);
        return left.get() + right.get();
      })
      .build();
    const flujo = scene.open({ flows: [pair], stateProviders: { slow } });
    const result = await flujo.run(
      pair,
      ["a", "b", "c"].map((key) => reference<string>("slow", key)),
    );
    expect(result).toMatchObject({ status: "completed", output: "AB" });
    expect(asked).toEqual(["a", "b"]);
  });

  it("are all loaded where none is named: also nested ones, in maps and lists", async () => {
    await using scene = new Scene("memory");
    const notes = new Notes();
    notes.kept.set("other", "two");
    const all = flow("all", { version: "1" })
      .step("all", async (_, ctx) => (await ctx.hydrate()).map((one) => one.get()))
      .build();
    const flujo = scene.open({ flows: [all], stateProviders: { notes } });
    const input = { deep: [new Map([["a", { ref: DRAFT }]])], twice: DRAFT, other: reference("notes", "other") };
    expect(await flujo.run(all, input)).toMatchObject({ status: "completed", output: ["one", "two"] });
    expect(notes.asked).toEqual(["load draft", "load other"]);
  });

  it("cannot be read before they are hydrated", async () => {
    await using scene = new Scene("memory");
    const early = flow("early", { version: "1" })
      .step("early", (_, ctx) => ctx.reference(DRAFT).get())
      .build();
    const flujo = scene.open({ flows: [early], stateProviders: { notes: new Notes() } });
    const result = await flujo.run(early, null);
    expect(result).toMatchObject({ status: "failed", error: { code: "REFERENCE_FAILED" } });
  });

  it("can be made by a step, which sets what was never read", async () => {
    await using scene = new Scene("memory");
    const notes = new Notes();
    const make = flow("make", { version: "1" })
      .input(z.string())
      .step("make", (text, ctx) => {
        const made = reference<string>("notes", "made");
        ctx.reference(made).set(text);
        return { made };
      })
      .step("read", async ({ made }, ctx) => (await ctx.hydrate(made))[0].get())
      .build();
    const flujo = scene.open({ flows: [make], stateProviders: { notes } });
    expect(await flujo.run(make, "new")).toMatchObject({ status: "completed", output: "new" });
  });

  it("that are set and stand nowhere are not saved", async () => {
    await using scene = new Scene("memory");
    const notes = new Notes();
    const forget = flow("forget", { version: "1" })
      .step("forget", (_, ctx) => ctx.reference(DRAFT).set("lost"))
      .build();
    const flujo = scene.open({ flows: [forget], stateProviders: { notes } });
    expect(await flujo.run(forget, null)).toMatchObject({ status: "completed" });
    expect(notes.asked).toEqual([]);
  });
});

describe("an attempt that fails", () => {
  it("saves nothing, and the next one reads what was there", async () => {
    await using scene = new Scene("memory");
    const notes = new Notes();
    const seen: string[] = [];
    const flaky = flow("flaky", { version: "1" })
      .context(z.object({ draft: textRef.default(DRAFT) }))
      .step(
        "flaky",
        async (_, ctx) => {
          const [draft] = await ctx.hydrate(ctx.context.draft);
          seen.push(draft.get());
          draft.set("changed");
          if (ctx.attempt === 1) throw new Error("once");
          return draft.reference.key;
        },
        { retry: { attempts: 2, delay: 0 } },
      )
      .build();
    const flujo = scene.open({ flows: [flaky], stateProviders: { notes } });
    expect(await flujo.run(flaky, null)).toMatchObject({ status: "completed", output: "draft" });
    expect(seen).toEqual(["one", "one"]);
    expect(notes.saved).toHaveLength(1);
  });

  it("between saving and recording leaves what was recorded readable, and saves under the same key again", async () => {
    await using scene = new Scene("sqlite");
    const notes = new Notes();
    let dies = true;
    const first = scene.open({
      flows: [extend],
      stateProviders: { notes },
      at: (point, { path }) => {
        if (point !== "before-commit" || !path.endsWith("extend") || !dies) return;
        dies = false;
        throw new Error("the process dies here");
      },
    });
    const { runId } = await first.start(extend, "two");
    await expect.poll(() => notes.saved).toHaveLength(1);
    await first.close();
    const second = scene.open({ flows: [extend], stateProviders: { notes } });
    expect(await second.handle(runId).output()).toEqual({ text: "one two", same: true });
    expect(new Set(notes.saved).size).toBe(1);
  });
});

describe("a provider", () => {
  const broken: StateProvider = {
    load: () => Promise.reject(new Error("no bucket")),
    save: () => Promise.reject(new Error("no bucket")),
  };
  const rewrite = flow("rewrite", { version: "1" })
    .step("rewrite", (_, ctx) => {
      ctx.reference(DRAFT).set("two");
      return DRAFT;
    })
    .build();

  it("that is missing is named when it is needed", async () => {
    await using scene = new Scene("memory");
    const flujo = scene.open({ flows: [extend], stateProviders: { files: new Notes() } });
    const result = await flujo.run(extend, "two");
    expect(result).toMatchObject({ status: "failed", error: { code: "REFERENCE_UNKNOWN" } });
    expect(result.status === "failed" && result.error.message).toContain('"notes"; known: files');
  });

  it("that cannot read fails the step", async () => {
    await using scene = new Scene("memory");
    const flujo = scene.open({ flows: [extend], stateProviders: { notes: broken } });
    const result = await flujo.run(extend, "two");
    expect(result).toMatchObject({ status: "failed", error: { code: "REFERENCE_FAILED" } });
  });

  it("that has nothing there fails the step", async () => {
    await using scene = new Scene("memory");
    const notes = new Notes();
    notes.kept.clear();
    const flujo = scene.open({ flows: [extend], stateProviders: { notes } });
    const result = await flujo.run(extend, "two");
    expect(result).toMatchObject({ status: "failed", error: { code: "REFERENCE_FAILED" } });
  });

  it("that cannot write fails the step", async () => {
    await using scene = new Scene("memory");
    const flujo = scene.open({ flows: [rewrite], stateProviders: { notes: broken } });
    const result = await flujo.run(rewrite, null);
    expect(result).toMatchObject({ status: "failed", error: { code: "REFERENCE_FAILED" } });
  });

  it("that cannot write is only warned of where that was asked for, and the reference stays", async () => {
    await using scene = new Scene("memory");
    const said: string[] = [];
    const flujo = scene.open({
      flows: [rewrite],
      stateProviders: { notes: broken },
      onReferenceError: "warn",
      logger: { log: (level, message) => void said.push(`${level}: ${message}`) },
    });
    expect(await flujo.run(rewrite, null)).toMatchObject({ status: "completed", output: DRAFT });
    expect(said).toEqual(["warn: a reference could not be written"]);
  });

  it("may name values by itself", async () => {
    await using scene = new Scene("memory");
    const naming: StateProvider = {
      load: () => Promise.resolve(undefined),
      save: () => Promise.resolve("named-17"),
    };
    const flujo = scene.open({ flows: [rewrite], stateProviders: { notes: naming } });
    const result = await flujo.run(rewrite, null);
    expect(result).toMatchObject({ status: "completed", output: reference("notes", "named-17") });
  });

  it("that never answers does not keep a cancelled run", async () => {
    await using scene = new Scene("memory");
    let isSaving = (): void => undefined;
    const saving = new Promise<void>((resolve) => {
      isSaving = resolve;
    });
    const silent: StateProvider = {
      load: () => Promise.resolve(undefined),
      save: () => {
        isSaving();
        return new Promise(() => undefined);
      },
    };
    const flujo = scene.open({ flows: [rewrite], stateProviders: { notes: silent } });
    const { runId } = await flujo.start(rewrite, null);
    await saving;
    await flujo.cancel(runId, "enough");
    expect(await flujo.handle(runId).result()).toMatchObject({ status: "cancelled" });
  });
});
