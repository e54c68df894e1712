import { describe, expect, it } from "vitest";
import { categoryOf } from "../../src/domain/error-category.ts";
import { FlujoError } from "../../src/domain/errors.ts";
import { failureFrom } from "../../src/domain/failure.ts";

class ValidationError extends Error {
  override readonly name = "ValidationError";
}

describe("the category of a failure", () => {
  it.each([
    [new FlujoError("STEP_OUTPUT_INVALID", "x"), "validation"],
    [new ValidationError("x"), "validation"],
    [new TypeError("n is not a function"), "validation"],
    [new FlujoError("STEP_TIMEOUT", "x"), "network"],
    [new Error("connect ECONNREFUSED 127.0.0.1:80"), "network"],
    [new TypeError("fetch failed"), "network"],
    [new DOMException("x", "TimeoutError"), "network"],
    [new Error("getaddrinfo EAI_AGAIN api.example.org"), "network"],
    [new FlujoError("MODEL_RATE_LIMITED", "x"), "resource_exhaustion"],
    [new FlujoError("COST_LIMIT_EXCEEDED", "x"), "resource_exhaustion"],
    [new Error("ENOSPC: no space left on device"), "resource_exhaustion"],
    [new FlujoError("MODEL_KEY_MISSING", "x"), "authentication"],
    [new Error("Request failed with status code 401"), "authentication"],
    [new FlujoError("PRICING_NOT_CONFIGURED", "x"), "configuration"],
    [new FlujoError("HOOK_ABORTED", "x"), "control_flow"],
    [new DOMException("x", "AbortError"), "control_flow"],
    [new FlujoError("WORKER_LOST", "x"), "system"],
    [new Error("something"), "system"],
    ["thrown text", "system"],
  ])("of %s is %s", (thrown, category) => {
    expect(categoryOf(failureFrom(thrown))).toBe(category);
  });

  it("is that of the first cause that says something", () => {
    const cause = new Error("read ECONNRESET");
    expect(categoryOf(failureFrom(new Error("could not load", { cause })))).toBe("network");
    expect(categoryOf(failureFrom(new FlujoError("CHILD_FAILED", "x", { cause: new ValidationError("y") })))).toBe(
      "validation",
    );
  });
});
