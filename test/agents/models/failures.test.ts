import { describe, expect, it } from "vitest";
import { DelayedError } from "../../../src/domain/delayed-error.ts";
import { FlujoError, RetryAfter } from "../../../src/domain/errors.ts";
import { failureFrom } from "../../../src/domain/failure.ts";
import { LIMITS } from "../../../src/domain/limits.ts";
import { billedOf, modelFailure, unreadable } from "../../../src/agents/models/failures.ts";

const model = { provider: "openai", id: "gpt-4o" };
const NOW = Date.UTC(2026, 0, 1);
const failure = (thrown: unknown): FlujoError => modelFailure(thrown, { model, now: () => NOW });
const api = (statusCode: number | undefined, rest: object = {}): Error =>
  Object.assign(new Error("provider says no"), { name: "AI_APICallError", statusCode, ...rest });

describe("what a provider throws", () => {
  it.each([
    [429, "MODEL_RATE_LIMITED"],
    [408, "MODEL_UNAVAILABLE"],
    [409, "MODEL_UNAVAILABLE"],
    [425, "MODEL_UNAVAILABLE"],
    [500, "MODEL_UNAVAILABLE"],
    [503, "MODEL_UNAVAILABLE"],
    [529, "MODEL_UNAVAILABLE"],
    [undefined, "MODEL_UNAVAILABLE"],
    [400, "MODEL_REFUSED"],
    [401, "MODEL_REFUSED"],
    [403, "MODEL_REFUSED"],
    [404, "MODEL_REFUSED"],
    [422, "MODEL_REFUSED"],
    [200, "MODEL_ANSWER_UNREADABLE"],
  ] as const)("with status %s is %s", (status, code) => {
    expect(failure(api(status))).toMatchObject({ code, message: expect.stringContaining("openai:gpt-4o") as string });
  });

  it.each([
    ["AI_LoadAPIKeyError", "MODEL_KEY_MISSING"],
    ["AI_NoSuchModelError", "MODEL_UNKNOWN"],
    ["AI_JSONParseError", "MODEL_ANSWER_UNREADABLE"],
    ["AI_TypeValidationError", "MODEL_ANSWER_UNREADABLE"],
    ["AI_UnsupportedFunctionalityError", "MODEL_REFUSED"],
    ["TypeError", "MODEL_UNAVAILABLE"],
  ] as const)("called %s is %s", (name, code) => {
    expect(failure(Object.assign(new Error("x"), { name })).code).toBe(code);
  });

  it("may be anything at all", () => {
    for (const thrown of [undefined, null, "text", 7, {}, Symbol("s")])
      expect(failure(thrown).code).toBe("MODEL_UNAVAILABLE");
  });

  it("stays what it is when it is an error of flujo", () => {
    const own = new FlujoError("COST_LIMIT_EXCEEDED", "enough");
    expect(failure(own)).toBe(own);
  });

  it("names the reason below a failed fetch", () => {
    const thrown = new TypeError("fetch failed", { cause: Object.assign(new Error("x"), { code: "ECONNREFUSED" }) });
    expect(failure(thrown).message).toBe("openai:gpt-4o failed: fetch failed (ECONNREFUSED)");
  });
});

describe("the delay that a provider asks for", () => {
  it.each([
    [{ "retry-after": "7" }, 7_000],
    [{ "Retry-After": " 1.5 " }, 1_500],
    [{ "retry-after": new Date(NOW + 30_000).toUTCString() }, 30_000],
    [{ "retry-after": new Date(NOW - 30_000).toUTCString() }, 0],
    [{ "retry-after-ms": "250", "retry-after": "1" }, 250],
    [new Headers({ "retry-after": "2" }), 2_000],
    [{ "retry-after": "99999999999" }, LIMITS.retryAfterMs],
  ])("is read from %o", (responseHeaders, delayMs) => {
    const error = failure(api(429, { responseHeaders }));
    expect(error).toMatchObject({ code: "MODEL_RATE_LIMITED", delayMs });
  });

  it("reaches a worker, which keeps the code", () => {
    const error: unknown = failure(api(503, { responseHeaders: { "retry-after": "1" } }));
    expect(error).toBeInstanceOf(RetryAfter);
    expect(error).toBeInstanceOf(FlujoError);
    expect(error).toBeInstanceOf(DelayedError);
    expect(failureFrom(error).code).toBe("MODEL_UNAVAILABLE");
  });

  it.each([[{}], [{ "retry-after": "soon" }], [undefined]])(
    "is left to the step's own retry with headers %o",
    (responseHeaders) => {
      expect(failure(api(429, { responseHeaders }))).not.toBeInstanceOf(RetryAfter);
    },
  );

  it("is of no use to a request that is refused", () => {
    expect(failure(api(400, { responseHeaders: { "retry-after": "1" } }))).not.toBeInstanceOf(RetryAfter);
  });
});

describe("the message of a failure", () => {
  it.each([
    "Incorrect API key provided: sk-proj-abcdEFGH12345678",
    "bad header Authorization: Bearer abc.def.ghi",
    "url?api_key=verysecretvalue&x=1",
    "key AIzaSyA1234567890abcdef is invalid",
    "cannot fetch http://user:verysecretword@host/v1/chat/completions",
    "token 1234567890abcdef1234567890abcdef is bad",
  ])("holds no key: %s", (message) => {
    const text = JSON.stringify(failureFrom(failure(api(401, { message }))));
    expect(text).toContain("[secret]");
    expect(text).not.toMatch(/abcdEFGH|def\.ghi|verysecret|1234567890abc/);
  });

  it("holds neither a whole body nor the request", () => {
    const thrown = api(500, {
      message: `a\n${"b".repeat(5_000)}`,
      responseBody: "BODY",
      requestBodyValues: { x: "REQUEST" },
    });
    const text = JSON.stringify(failureFrom(failure(thrown)));
    expect(text).not.toMatch(/BODY|REQUEST|bbbb/);
    expect(failure(api(500, { message: "c".repeat(5_000) })).message.length).toBeLessThan(300);
  });
});

describe("what a failed call costs", () => {
  it("is kept where it is known", () => {
    const usage = { inputTokens: 3, outputTokens: 4 };
    expect(billedOf(modelFailure(api(500), { model, usage }))).toEqual([{ model, usage }]);
    expect(billedOf(unreadable(model, "no JSON", usage))).toEqual([{ model, usage }]);
    expect(billedOf(failure(api(500)))).toEqual([]);
    expect(billedOf(new Error("x"))).toEqual([]);
  });
});
