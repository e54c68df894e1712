import { ERRORS, type ErrorCode, flow, type Flujo, FlujoError, RunFailedError } from "flujo";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { Scene, STORES } from "./scene.ts";

/*
 * Bad input never gets stuck: it is refused at once, or fails its run, with a code, with what was expected and what was
 * found, and with help.
 */

const echo = flow("echo", { version: "1" })
  .input(z.object({ n: z.number() }))
  .context(z.object({ tier: z.enum(["gold", "basic"]).default("basic") }))
  .step("echo", ({ n }) => n)
  .build();
const echo2 = flow("echo", { version: "2" })
  .step("echo", (value) => value)
  .build();
const asks = flow("asks", { version: "1" })
  .human("ask", { message: "?", answer: z.object({ ok: z.boolean() }) })
  .waitForSignal("go", "go", { schema: z.number() })
  .build();

interface Refusal {
  readonly code: ErrorCode;
  readonly when: string;
  readonly provoke: (flujo: Flujo, paused: string) => Promise<unknown>;
  readonly message: RegExp;
}

/** What a caller does wrong: nothing is started, nothing is changed, and it is told at once. */
const REFUSALS: readonly Refusal[] = [
  {
    code: "FLOW_UNKNOWN",
    when: "a flow is not registered",
    provoke: (flujo) => flujo.start("ehco", 1),
    message: /expected a registered flow but found "ehco"; registered: .*echo@1.*asks@1/,
  },
  {
    code: "FLOW_UNKNOWN",
    when: "a version is not registered",
    provoke: (flujo) => flujo.start({ name: "echo", version: "9" }, 1),
    message: /found "echo@9"/,
  },
  {
    code: "FLOW_AMBIGUOUS",
    when: "a version is not named where there are two",
    provoke: (flujo) => flujo.start("echo", 1),
    message: /flow "echo" is registered in several versions: 1, 2/,
  },
  {
    code: "INPUT_INVALID",
    when: "an input does not satisfy its schema",
    provoke: (flujo) => flujo.start({ name: "echo", version: "1" }, { n: "one" }),
    message: /echo@1: its input does not satisfy its schema: .*n.*expected number/,
  },
  {
    code: "CONTEXT_INVALID",
    when: "a context does not satisfy its schema",
    provoke: (flujo) => flujo.start(echo, { n: 1 }, { context: { tier: "silver" as "gold" } }),
    message: /echo@1: its context does not satisfy its schema: .*tier/,
  },
  {
    code: "VALUE_NOT_SERIALIZABLE",
    when: "an input cannot be stored",
    provoke: (flujo) => flujo.start(echo2, { call: () => 1 }),
    message: /cannot store a function \(call\) \(at \$\.call\)/,
  },
  {
    code: "ID_INVALID",
    when: "a run id is none",
    provoke: (flujo) => flujo.start(echo, { n: 1 }, { id: "order 7" }),
    message: /expected a run id of 1 to 128 characters .* but found "order 7"/,
  },
  {
    code: "RUN_UNKNOWN",
    when: "a run is not there",
    provoke: (flujo) => flujo.get("x-1"),
    message: /no run has the id "x-1"/,
  },
  {
    code: "RUN_NOT_FAILED",
    when: "a run is retried that has not failed",
    provoke: (flujo, paused) => flujo.retry(paused),
    message: /expected a failed or cancelled run but .* is paused/,
  },
  {
    code: "EVENT_UNKNOWN",
    when: "a run is forked at no event",
    provoke: (flujo, paused) => flujo.fork(paused, { at: 12_345 }),
    message: /has no event 12345; see its history/,
  },
  {
    code: "ANSWER_INVALID",
    when: "an answer does not satisfy its schema",
    provoke: (flujo, paused) => flujo.resume(paused, { ok: "yes" }),
    message: /does not satisfy its schema: .*ok.*expected boolean/,
  },
  {
    code: "PAUSE_UNKNOWN",
    when: "a token names no question",
    provoke: (flujo, paused) => flujo.answer(paused, { ok: true }, { token: `${paused}:0:99` }),
    message: /has no open pause .*:0:99; open: .*root\/ask/,
  },
  {
    code: "SIGNAL_UNDECLARED",
    when: "nothing waits for a signal of that name",
    provoke: (flujo, paused) => flujo.signal(paused, "stop"),
    message: /expected one of go but found "stop"/,
  },
  {
    code: "SIGNAL_INVALID",
    when: "a signal does not satisfy its schema",
    provoke: (flujo, paused) => flujo.signal(paused, "go", "five"),
    message: /signal "go" does not satisfy its schema: .*expected number/,
  },
  {
    code: "FILTER_UNKNOWN",
    when: "a filter does not exist",
    provoke: (flujo) => flujo.list({ custmer: "a" } as object),
    message: /custmer/,
  },
  {
    code: "CURSOR_INVALID",
    when: "a cursor was made up",
    provoke: (flujo) => flujo.list({ cursor: "page 2" }),
    message: /cursor/,
  },
];

async function thrown(promise: Promise<unknown>): Promise<FlujoError> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof FlujoError) return error;
    throw error;
  }
  throw new Error("expected it to be refused");
}

describe.each(STORES)("a mistake of a caller on %s", (store) => {
  it.each(REFUSALS)("is refused with $code when $when", async ({ code, provoke, message }) => {
    await using scene = new Scene(store);
    const flujo = scene.open({ flows: [echo, echo2, asks] });
    const { runId } = await flujo.run(asks, 0);
    const before = await flujo.history(runId);
    const error = await thrown(provoke(flujo, runId));
    expect([error.code, error.help]).toEqual([code, ERRORS[code].help]);
    expect(error.message).toMatch(message);
    expect(JSON.parse(JSON.stringify(error))).toMatchObject({ code, help: ERRORS[code].help });
    expect((await flujo.list()).items).toHaveLength(1);
    expect(await flujo.history(runId)).toEqual(before);
    expect(await flujo.resume(runId, { ok: true })).toMatchObject({ status: "waiting" });
  });
});

const boom = (): never => {
  throw new Error("boom");
};
const start = () => flow("wrong", { version: "1" });
const child = flow("child", { version: "1" }).step("boom", boom).build();

/** What an author does wrong: the run ends as failed, and says where. */
const FAILURES = [
  ["STEP_FAILED", "root/x", start().step("x", boom).build()],
  [
    "STEP_INPUT_INVALID",
    "root/x",
    start()
      .step("x", () => 1, { input: z.string() })
      .build(),
  ],
  [
    "STEP_OUTPUT_INVALID",
    "root/x",
    start()
      .step("x", () => 1 as never, { output: z.string() })
      .build(),
  ],
  [
    "STEP_TIMEOUT",
    "root/x",
    start()
      .step("x", () => new Promise<never>(() => undefined), { timeout: 5 })
      .build(),
  ],
  [
    "OUTPUT_INVALID",
    "root",
    start()
      .output(z.string())
      .step("x", () => 1 as never)
      .build(),
  ],
  [
    "VALUE_NOT_SERIALIZABLE",
    "root/x",
    start()
      .step("x", () => Symbol("x"))
      .build(),
  ],
  [
    "PREDICATE_FAILED",
    "root/x",
    start()
      .if("x", boom, (b) => b.step("y", () => 1))
      .build(),
  ],
  [
    "ITEMS_INVALID",
    "root/x",
    start()
      .step("list", () => 7 as unknown as number[])
      .map("x", (b) => b.step("y", () => 1))
      .build(),
  ],
  [
    "BRANCH_UNKNOWN",
    "root/x",
    start()
      .parallel("x", { a: (b) => b.step("a", () => 1) }, { choose: () => ["z" as "a"] })
      .build(),
  ],
  [
    "LOOP_LIMIT",
    "root/x",
    start()
      .loop("x", (b) => b.step("y", () => 1), { until: () => false, max: 2 })
      .build(),
  ],
  [
    "JOIN_FAILED",
    "root/x",
    start()
      .parallel("x", { a: (b) => b.step("a", boom) }, { join: "any" })
      .build(),
  ],
  [
    "CHILD_FAILED",
    "root/x",
    start()
      .call("x", child, { input: () => 0 })
      .build(),
  ],
  ["DEADLINE_EXCEEDED", "root/x", start().waitForSignal("x", "never", { deadline: 5 }).build()],
  [
    "COMPENSATION_FAILED",
    "root/x",
    start()
      .step("x", () => 1, { compensate: boom })
      .step("y", boom)
      .build(),
  ],
  ["RUN_TIMEOUT", "root/x", flow("wrong", { version: "1", timeout: 5 }).sleep("x", "1 hour").build()],
] as const satisfies readonly (readonly [ErrorCode, string, unknown])[];

describe.each(STORES)("a mistake of an author on %s", (store) => {
  it.each(FAILURES)("ends the run with %s at %s", async (code, at, wrong) => {
    await using scene = new Scene(store);
    const flujo = scene.open({ flows: [wrong] });
    const { runId } = await flujo.start(wrong, 0);
    const result = await flujo.result(runId, { until: "end", signal: AbortSignal.timeout(5_000) });
    expect(result).toMatchObject({ status: "failed", failure: { code, at } });
    expect(result.status === "failed" && result.error).toBeInstanceOf(RunFailedError);
    expect(result).toMatchObject({ error: { code, help: ERRORS[code].help, runId } });
    await expect(flujo.handle(runId).output()).rejects.toMatchObject({ code, help: ERRORS[code].help });
    expect(await flujo.get(runId)).toMatchObject({ status: "failed", failure: { code, at }, fibers: [] });
    expect((await flujo.why(runId)).reasons).toEqual([expect.stringContaining(`failed (${code}: `)]);
  });

  it.each<readonly [string, unknown]>([
    ["text", "just text"],
    ["nothing", undefined],
    ["null", null],
    ["an object", { reason: 1 }],
    ["an error with a getter that throws", Object.defineProperty(new Error("x"), "message", { get: boom })],
    ["an error that is its own cause", ownCause()],
    ["a proxy", new Proxy({}, { get: boom, getPrototypeOf: boom })],
    ["an object without a prototype", Object.create(null)],
  ])("fails the run also when a step throws %s", async (_, what) => {
    await using scene = new Scene(store);
    const odd = start()
      .step("x", () => {
        throw what; // oxlint-disable-line typescript/only-throw-error -- that is the point
      })
      .build();
    const result = await scene.open().run(odd, 0, { signal: AbortSignal.timeout(5_000) });
    expect(result).toMatchObject({ status: "failed", failure: { code: "STEP_FAILED", at: "root/x" } });
  });

  it("keeps details of an error as plain JSON, whatever stands in them", async () => {
    await using scene = new Scene(store);
    const details = {
      big: 10n,
      when: new Date(0),
      none: undefined,
      nan: Number.NaN,
      $ref: "#/a",
      set: new Set([1]),
      work: function work() {},
      why: new Error("deep"),
      get bad(): string {
        return boom();
      },
      long: "x".repeat(100_000),
    };
    const kept = {
      big: "10",
      when: "1970-01-01T00:00:00.000Z",
      nan: "NaN",
      $ref: "#/a",
      set: [1],
      work: "[function work]",
      why: "Error: deep",
      bad: "[unreadable]",
    };
    const odd = start()
      .attempt(
        "try",
        (b) =>
          b.step("x", () => {
            throw new FlujoError("STEP_FAILED", "odd", { details, cause: new FlujoError("CLOSED", "c", { details }) });
          }),
        { catch: (b) => b.step("see", ({ error }) => error) },
      )
      .build();
    const result = await scene.open().run(odd, 0);
    expect(result).toMatchObject({ status: "completed", output: { details: kept, cause: { details: kept } } });
    expect(JSON.stringify(result).length).toBeLessThan(40_000);
  });
});

function ownCause(): Error {
  const error = new Error("round");
  error.cause = error;
  return error;
}
