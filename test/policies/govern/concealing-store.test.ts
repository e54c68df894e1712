import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Flujo, flow, type Observer, loggingObserver } from "flujo";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { z } from "zod";
import { concealingLogger, concealingObserver } from "../../../src/policies/govern/concealing-log.ts";
import { concealingStore } from "../../../src/policies/govern/concealing-store.ts";
import { Veil } from "../../../src/policies/govern/veil.ts";
import type { Store } from "../../../src/ports/store.ts";
import { sqliteStore } from "../../../src/sqlite.ts";
import { memoryStore } from "../../../src/stores/memory/store.ts";

const KEY = "a secret of at least sixteen";
const PII = {
  input: "input.person@example.com",
  output: "output.person@example.com",
  context: "context.person@example.com",
  error: "error.person@example.com",
  cause: "cause.person@example.com",
  question: "question.person@example.com",
  answer: "answer.person@example.com",
  signal: "signal.person@example.com",
  metadata: "metadata.person@example.com",
  reason: "reason.person@example.com",
  log: "log.person@example.com",
  large: "large.person@example.com",
  child: "child.person@example.com",
  schedule: "schedule.person@example.com",
  card: "4111 1111 1111 1111",
} as const;

/** Finds what must not be there, without quoting it into the output of a passing test. */
const originalsIn = (text: string): readonly string[] => Object.values(PII).filter((one) => text.includes(one));

const seen: unknown[] = [];

const child = flow("child", { version: "1" })
  .input(z.object({ mail: z.string() }))
  .step("see", ({ mail }) => {
    seen.push(mail);
    return { mail };
  })
  .build();

const talk = flow("talk", { version: "1" })
  .input(z.object({ mail: z.string(), card: z.string() }))
  .step("first", (input, ctx) => {
    seen.push(input.mail, ctx.run.metadata["customer"]);
    ctx.log.warn(`about ${PII.log}`, { who: PII.log, error: new Error(PII.error) });
    ctx.context["who"] = PII.context;
    return { ...input, out: PII.output, [PII.output]: 1 };
  })
  .step(
    "flaky",
    (input, { attempt }) => {
      if (attempt === 1) throw new Error(`no ${PII.error}`, { cause: new Error(PII.cause) });
      return input;
    },
    { retry: { attempts: 2, backoff: "immediate" } },
  )
  .parallel("both", {
    a: (b) => b.step("a", ({ out }) => ({ out, filler: `${PII.large} `.repeat(4_000) })),
    b: (b) => b.step("b", ({ card }) => card),
  })
  .human("ask", { question: () => ({ text: `Is it ${PII.question}?` }), answer: z.object({ mail: z.string() }) })
  .step("heard", (answer, ctx) => {
    seen.push(answer.mail, ctx.context["who"]);
    return answer;
  })
  .waitForSignal("wait", "go")
  .step("last", (signal) => {
    seen.push(signal);
    return { done: PII.output };
  })
  .build();

const caller = flow("caller", { version: "1" })
  .call("sub", child, { input: () => ({ mail: PII.child }) })
  .build();

const failing = flow("failing", { version: "1" })
  .step("fail", () => {
    throw new Error(`cannot reach ${PII.error}`, { cause: new Error(PII.cause) });
  })
  .build();

const sleepy = flow("sleepy", { version: "1" }).waitForSignal("wait", "never").build();

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "flujo-veil-"));
  seen.length = 0;
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const FLOWS = [talk, child, caller, failing, sleepy];

/** A store with a way to read everything that it keeps. */
interface Kept {
  readonly store: Store;
  readonly content: () => Promise<string>;
}

const KINDS: Readonly<Record<string, () => Promise<Kept>>> = {
  memory: () => {
    const store = memoryStore();
    return Promise.resolve({ store, content: () => rowsOf(store) });
  },
  sqlite: async () => {
    const store = await sqliteStore({ path: join(folder, "flujo.db") });
    return { store, content: async () => filesIn(folder) + (await rowsOf(store)) };
  },
};

const filesIn = (path: string): string =>
  readdirSync(path)
    .map((name) => readFileSync(join(path, name), "latin1"))
    .join("\n");

/** All rows that the contract shows, as the store has them. */
async function rowsOf(store: Store): Promise<string> {
  const { items } = await store.list({ limit: 1_000 });
  const rows: unknown[] = [
    items,
    await store.schedules(),
    await store.listItems({ collection: "vault", limit: 1_000 }),
  ];
  for (const { id, output } of items) {
    rows.push(await store.history(id), await store.fibers(id), await store.messages(id));
    const hashes = JSON.stringify([output, await store.history(id)]).matchAll(/"\$blob":"([0-9a-f]{64})"/g);
    for (const [, hash = ""] of hashes) rows.push(await store.blob(hash));
  }
  return JSON.stringify(rows);
}

/** Everything that a run can say, up to its last wait. */
async function speak(flujo: Flujo): Promise<string> {
  const paused = await flujo.run(
    talk,
    { mail: PII.input, card: PII.card },
    { id: "t", metadata: { customer: PII.metadata } },
  );
  expect(paused).toMatchObject({ status: "paused", pauses: [{ question: { text: `Is it ${PII.question}?` } }] });
  await flujo.resume("t", { mail: PII.answer });
  expect(await flujo.run(caller, null)).toMatchObject({ status: "completed", output: { mail: PII.child } });
  expect(await flujo.run(failing, null, { id: "f" })).toMatchObject({ status: "failed" });
  await flujo.run(sleepy, PII.input, { id: "s" });
  await flujo.cancel("s", `asked by ${PII.reason}`);
  await flujo.result("s", { until: "end" });
  await flujo.schedule("daily", { flow: child, every: "1 day", input: { mail: PII.schedule } });
  return paused.runId;
}

describe.each(Object.entries(KINDS))("a concealing store on %s", (_, open) => {
  it("keeps no original anywhere, while steps and callers see them", async () => {
    const { store, content } = await open();
    const lines: string[] = [];
    const veil = new Veil({ key: KEY, items: store });
    const observer: Observer = loggingObserver({
      level: "debug",
      format: "json",
      write: (line) => void lines.push(line),
    });
    const flujo = new Flujo({
      store: concealingStore(store, veil),
      flows: FLOWS,
      logger: concealingLogger({ log: (...line) => void lines.push(JSON.stringify(line)) }, veil),
      observers: [concealingObserver(observer, veil)],
    });
    await speak(flujo);
    await flujo.signal("t", "go", { mail: PII.signal });
    expect(await flujo.result("t", { until: "end" })).toMatchObject({
      status: "completed",
      output: { done: PII.output },
    });
    expect(seen).toEqual(
      expect.arrayContaining([PII.input, PII.metadata, PII.answer, PII.context, { mail: PII.signal }, PII.child]),
    );
    expect((await flujo.list({ metadata: { customer: PII.metadata } })).items.map(({ id }) => id)).toEqual(["t"]);
    expect(originalsIn(JSON.stringify(await flujo.history("t")))).toEqual(
      expect.arrayContaining([
        PII.input,
        PII.output,
        PII.context,
        PII.error,
        PII.cause,
        PII.question,
        PII.answer,
        PII.signal,
      ]),
    );
    expect(await flujo.doctor()).toEqual([]);
    await flujo.close();
    const [kept, logged] = [await content(), lines.join("\n")];
    expect([...originalsIn(kept), ...originalsIn(logged)]).toEqual([]);
    expect(kept).toMatch(/\[EMAIL_x[0-9a-f]{16}\]/);
    expect(kept).toMatch(/\[CARD_x[0-9a-f]{16}\]/);
    expect(logged).toMatch(/about \[EMAIL_x[0-9a-f]{16}\]/);
    await store.close();
  });

  it("shows originals to another process with the key, and placeholders to one without", async () => {
    const { store } = await open();
    const before = new Flujo({
      store: concealingStore(store, new Veil({ key: KEY, items: store })),
      flows: FLOWS,
      logger: { log: () => undefined },
    });
    await speak(before);
    await before.close();

    const ignorant = new Flujo({ store: concealingStore(store, new Veil()), flows: FLOWS, worker: false });
    expect(
      originalsIn(JSON.stringify([await ignorant.get("t"), await ignorant.history("t"), await ignorant.get("f")])),
    ).toEqual([]);
    await ignorant.close();

    seen.length = 0;
    const after = new Flujo({ store: concealingStore(store, new Veil({ key: KEY, items: store })), flows: FLOWS });
    await after.signal("t", "go", { mail: PII.signal });
    expect(await after.result("t", { until: "end" })).toMatchObject({ output: { done: PII.output } });
    expect(seen).toContainEqual({ mail: PII.signal });
    expect(originalsIn(JSON.stringify(await after.history("t")))).toContain(PII.large);
    expect(await after.result("f")).toMatchObject({ failure: { message: `cannot reach ${PII.error}` } });
    expect(await after.result("s")).toMatchObject({ reason: `asked by ${PII.reason}` });
    expect(await after.doctor()).toEqual([]);
    await after.close();
    await store.close();
  });

  it("lets a step that was taken over after a restart see the originals", async () => {
    const { store } = await open();
    const before = new Flujo({
      store: concealingStore(store, new Veil({ key: KEY, items: store })),
      flows: FLOWS,
      worker: false,
    });
    await before.start(child, { mail: PII.child }, { id: "c" });
    await before.close();
    const after = new Flujo({ store: concealingStore(store, new Veil({ key: KEY, items: store })), flows: FLOWS });
    expect(await after.result("c", { until: "end" })).toMatchObject({ output: { mail: PII.child } });
    expect(seen).toEqual([PII.child]);
    await after.close();
    await store.close();
  });

  it("finds the run that an id started before, also in a process that cannot bring its input back", async () => {
    const { store } = await open();
    const start = async (veil: Veil, mail: string): Promise<unknown> => {
      const flujo = new Flujo({ store: concealingStore(store, veil), flows: FLOWS, worker: false });
      try {
        return (await flujo.start(child, { mail }, { id: "twice" })).runId;
      } catch (error) {
        return error;
      } finally {
        await flujo.close();
      }
    };
    expect(await start(new Veil({ key: KEY, items: store }), PII.child)).toBe("twice");
    expect(await start(new Veil({ key: KEY, items: store }), PII.child)).toBe("twice");
    expect(await start(new Veil({ key: KEY }), PII.child)).toBe("twice");
    expect(await start(new Veil({ key: KEY }), PII.input)).toMatchObject({ code: "RUN_EXISTS" });
    await store.close();
  });

  it.each<readonly [string, () => Veil]>([
    ["cannot bring back", () => new Veil()],
    ["would conceal otherwise today", () => new Veil({ key: KEY, strong: true })],
  ])("moves a schedule on that a process %s", async (_what, veil) => {
    const { store } = await open();
    const one = concealingStore(store, new Veil({ key: KEY, items: store }));
    await one.migrate();
    const spec = { v: 1, input: `Mr. Jones, ${PII.schedule}` };
    await one.putSchedule({ id: "s", spec, nextAt: 5 });
    const other = concealingStore(store, veil());
    const [found] = await other.schedules();
    if (found === undefined) throw new Error("expected the schedule");
    expect(await other.moveSchedule(found, { nextAt: 10 })).toBe(true);
    expect(await other.moveSchedule(found, { nextAt: 99 })).toBe(false);
    expect(await one.moveSchedule({ id: "s", spec, nextAt: 10 }, { nextAt: 11 })).toBe(true);
    expect(await one.schedules()).toMatchObject([{ spec, nextAt: 11 }]);
    await store.close();
  });
});

describe("a concealing store", () => {
  it("conceals what a step does inside of a transaction", async () => {
    const store = await sqliteStore({ path: join(folder, "flujo.db") });
    const pay = flow("pay", { version: "1" })
      .transaction("write", () => ({ mail: PII.output }))
      .build();
    const open = (): Flujo =>
      new Flujo({ store: concealingStore(store, new Veil({ key: KEY, items: store })), flows: [pay] });
    const first = open();
    expect(await first.run(pay, null, { id: "p" })).toMatchObject({ output: { mail: PII.output } });
    await first.close();
    const second = open();
    expect(await second.result("p")).toMatchObject({ output: { mail: PII.output } });
    await second.close();
    await store.close();
    expect(originalsIn(filesIn(folder))).toEqual([]);
  });

  it("leaves alone what runs are found by: ids, keys, names of metadata", async () => {
    const store = memoryStore();
    const flujo = new Flujo({ store: concealingStore(store, new Veil()), flows: FLOWS });
    const id = "555-234-5678";
    await flujo.run(child, { mail: PII.child }, { id, key: "tenant@example.com", metadata: { "a@example.com": 1 } });
    expect(await store.load(id as never)).toMatchObject({ id, metadata: { "a@example.com": 1 } });
    await flujo.close();
  });
});

describe("a concealing logger", () => {
  it("withholds a line that a detector fails on, and the step goes on", () => {
    const lines: string[] = [];
    const find = (): never => {
      throw new RangeError(PII.log);
    };
    const veil = new Veil({ detectors: [{ kind: "BAD", find }] });
    const logger = concealingLogger({ log: (...line) => void lines.push(JSON.stringify(line)) }, veil);
    logger.log("info", `about ${PII.log}`, {});
    expect(lines).toEqual([
      JSON.stringify([
        "error",
        "a line was withheld: a detector failed on it",
        { withheld: "info", reason: "RangeError" },
      ]),
    ]);
  });
});
