import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type ContextReference, fileStateProvider, flow, isReference, reference, storeStateProvider } from "flujo";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { z } from "zod";
import { Scene, STORES } from "../engine/scene.ts";

const MADE = reference<Uint8Array>("state", "made");
const { signal } = new AbortController();
const options = { signal };

describe("a folder of values", () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "flujo-references-"));
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  const VALUES: readonly (readonly [string, unknown])[] = [
    ["bytes", Uint8Array.of(0, 1, 254, 255)],
    ["no bytes", new Uint8Array()],
    ["text", "text"],
    ["a list", [1, null, { a: "b" }]],
    ["what JSON cannot say", { at: new Date(0), big: 12n, all: new Set(["x"]), bytes: Uint8Array.of(1) }],
    ["null", null],
  ];
  it.each(VALUES)("gives back %s as it was", async (_, value) => {
    const files = fileStateProvider(folder);
    await files.save("some/where", value, options);
    expect(await fileStateProvider(folder).load("some/where", options)).toEqual(value);
  });

  it("has nothing where nothing was saved", async () => {
    expect(await fileStateProvider(folder).load("nowhere", options)).toBeUndefined();
  });

  it("gives what somebody else put there", async () => {
    mkdirSync(join(folder, "in"));
    writeFileSync(join(folder, "in", "a file.pdf"), "%PDF");
    expect(await fileStateProvider(folder).load("in/a file.pdf", options)).toEqual(new TextEncoder().encode("%PDF"));
  });

  it("keeps bytes as a file, and leaves no other behind", async () => {
    await fileStateProvider(folder).save("a", Uint8Array.of(7), options);
    expect(readdirSync(folder)).toEqual(["a"]);
    expect([...readFileSync(join(folder, "a"))]).toEqual([7]);
  });

  it("leaves nothing of what could not be written", async () => {
    mkdirSync(join(folder, "taken", "by a folder"), { recursive: true });
    const files = fileStateProvider(folder);
    await expect(files.save("taken", Uint8Array.of(7), options)).rejects.toThrow();
    await expect(files.save("aborted", Uint8Array.of(7), { signal: AbortSignal.abort() })).rejects.toThrow();
    expect(readdirSync(folder)).toEqual(["taken"]);
  });

  const ESCAPES = ["../x", "a/../../x", "/etc/passwd", "a//b", "", ".", "a/.", "..\\x", "c:x", "a\0b", "a/"];
  it.each(ESCAPES)("refuses the key %j", async (key) => {
    const files = fileStateProvider(folder);
    await expect(files.load(key, options)).rejects.toMatchObject({ code: "REFERENCE_FAILED" });
    await expect(files.save(key, "x", options)).rejects.toMatchObject({ code: "REFERENCE_FAILED" });
  });
});

describe.each(STORES)("a value in the store of the runner, on %s", (store) => {
  it("is found by a later step in another process", async () => {
    await using scene = new Scene(store);
    const write = flow("write", { version: "1" })
      .input(z.instanceof(Uint8Array))
      .context(z.object({ made: z.custom<ContextReference<Uint8Array>>(isReference).default(MADE) }))
      .step("write", (bytes, ctx) => ctx.reference(ctx.context.made).set(bytes))
      .waitForSignal("go", "go")
      .step("read", async (_, ctx) => (await ctx.hydrate(ctx.context.made))[0].get())
      .build();
    const bytes = new Uint8Array(100_000).fill(7);
    const stateProviders = { state: storeStateProvider() };
    const first = scene.open({ flows: [write], stateProviders });
    const { runId } = await first.run(write, bytes);
    await first.close();
    const second = scene.open({ flows: [write], stateProviders });
    await second.signal(runId, "go");
    expect(await second.handle(runId).output()).toEqual(bytes);
  });
});
