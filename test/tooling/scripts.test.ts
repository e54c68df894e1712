import { describe, expect, it } from "vitest";
import { anyIn } from "../../scripts/published-any.ts";
import { readHello } from "../../scripts/readme-hello.ts";
import { type Report, totals } from "../../scripts/test-totals.ts";

describe("the search for any in published types", () => {
  it.each([
    "export declare const a: any;",
    "export type A = Promise<any>;",
    "export type A = readonly any[];",
    "export declare function f(...args: any): void;",
    "export type A<T> = T extends any ? 1 : 2;",
    "export type A<T> = T extends 1 ? any : 2;",
    "export type A = Record<string, 1> | { b: any };",
  ])("finds it in %s", (text) => {
    expect(anyIn(text)).toHaveLength(1);
  });

  it.each([
    "/** any: of these */\nexport type A = 1;",
    "export type A = 'any' | \"any\";",
    "export type A = { readonly any: 1; any?: 2; any(): 3 };",
    "export type A = typeof Promise.any; export type many = company;",
  ])("passes over %s", (text) => {
    expect(anyIn(text)).toEqual([]);
  });
});

describe("the README's hello program", () => {
  const program = '# t\n\n```ts title="hello.ts"\nconsole.log(1);\n```\n';

  it("is what stands in its fence", () => {
    expect(readHello(program)).toEqual({ code: "console.log(1);\n", prints: undefined });
  });

  it("prints what the text fence after it says", () => {
    expect(readHello(`${program}\nIt prints:\n\n\`\`\`text\n1\n\`\`\`\n`).prints).toBe("1\n");
    expect(readHello(`${program}\n\`\`\`sh\nnode x\n\`\`\`\n\n\`\`\`text\n1\n\`\`\`\n`).prints).toBeUndefined();
  });

  it("must exist", () => {
    expect(() => readHello("```ts\n1\n```\n")).toThrow(/no fence that opens with ```ts title="hello.ts"/);
  });
});

describe("the totals of a test run", () => {
  const file = (status: string, ...tests: string[]): Report["testResults"][number] => ({
    name: "some.test.ts",
    status,
    message: "",
    assertionResults: tests.map((test) => ({
      status: test,
      fullName: `${test} test`,
      failureMessages: test === "failed" ? ["expected 1\n    at line"] : [],
    })),
  });
  const report = (success: boolean, ...testResults: Report["testResults"]): Report => {
    const all = testResults.flatMap((result) => result.assertionResults.map((test) => test.status));
    const count = (status: string): number => all.filter((other) => other === status).length;
    return { success, numPassedTests: count("passed"), testResults };
  };

  it.each([
    ["passes", report(true, file("passed", "passed", "passed")), 2, 0],
    ["failures", report(false, file("failed", "passed", "failed")), 1, 1],
    ["a file that does not load as a failure", report(false, file("failed"), file("passed", "passed")), 1, 1],
    ["an unhandled error as a failure", report(false, file("passed", "passed")), 1, 1],
    ["a missing report as a failure", undefined, 0, 1],
  ])("count %s", (_what, input, passed, failed) => {
    expect(totals(input, 0)).toMatchObject({ passed, failed });
  });

  it("count an exit code that the report does not explain as a failure", () => {
    const happy = report(true, file("passed", "passed"));
    expect(totals(happy, 1)).toMatchObject({ passed: 1, failed: 1 });
    expect(totals(report(false, file("failed", "failed")), 1)).toMatchObject({ passed: 0, failed: 1 });
  });

  it("say which failed and why", () => {
    const [failure] = totals(report(false, file("failed", "passed", "failed")), 1).failures;
    expect(failure).toBe("some.test.ts\n  failed test\n    expected 1\n        at line");
    expect(totals(report(false, file("failed")), 1).failures).toEqual([
      expect.stringContaining("some.test.ts, outside of its tests"),
    ]);
    expect(totals(report(true, file("passed", "passed")), 1).failures).toEqual([
      expect.stringContaining("exit code 1"),
    ]);
  });

  it("count the skipped tests of a suite that says why", () => {
    const skipped = { status: "skipped", fullName: "a store [skipped: needs a server] claims", failureMessages: [] };
    const other = { ...skipped, fullName: "a store [skipped: needs a server] commits" };
    const suite = { name: "a.test.ts", status: "passed", message: "", assertionResults: [skipped, other] };
    expect(totals(report(true, suite), 0).skipped).toEqual(["a store [skipped: needs a server]: 2 tests"]);
  });

  it("name what was skipped", () => {
    expect(totals(report(true, file("passed", "passed", "skipped", "todo")), 0).skipped).toEqual([
      "skipped test",
      "todo test",
    ]);
  });
});
