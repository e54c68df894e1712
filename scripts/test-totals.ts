/** The part of vitest's JSON report that the totals need. */
export interface Report {
  readonly success: boolean;
  readonly numPassedTests: number;
  readonly testResults: readonly {
    readonly name: string;
    readonly status: string;
    /** Why the file failed outside of its tests; empty otherwise. */
    readonly message: string;
    readonly assertionResults: readonly {
      readonly status: string;
      readonly fullName: string;
      readonly failureMessages: readonly string[] | null;
    }[];
  }[];
}

export interface Totals {
  readonly passed: number;
  readonly failed: number;
  /** What did not run, never hidden in a number: a suite with its reason and count, or a test's full name. */
  readonly skipped: readonly string[];
  /** File, name and first lines of the message of each failure. */
  readonly failures: readonly string[];
}

/**
 * Counts a file that failed outside of its tests (a broken import, a leak at its end) as one failure, and an
 * unsuccessful run without any failed test too; a missing report is a failure. The runner's exit code counts beside the
 * report, because vitest 4.1 writes `success: true` after an unhandled rejection and only exits with 1.
 */
export function totals(report: Report | undefined, exitCode: number): Totals {
  if (report === undefined) {
    return { passed: 0, failed: 1, skipped: [], failures: ["the test run left no report"] };
  }
  const failures: string[] = [];
  for (const file of report.testResults) {
    const failed = file.assertionResults.filter((test) => test.status === "failed");
    for (const test of failed) {
      failures.push(`${file.name}\n  ${test.fullName}\n${excerpt((test.failureMessages ?? []).join("\n"))}`);
    }
    if (file.status === "failed" && failed.length === 0) {
      failures.push(`${file.name}, outside of its tests\n${excerpt(file.message)}`);
    }
  }
  if (failures.length === 0 && (!report.success || exitCode !== 0)) {
    failures.push(
      `no test failed, yet the run ended with exit code ${exitCode}: an unhandled error, see its output above`,
    );
  }
  const tests = report.testResults.flatMap((file) => file.assertionResults);
  return {
    passed: report.numPassedTests,
    failed: failures.length,
    skipped: bySuite(tests.filter((test) => test.status !== "passed" && test.status !== "failed")),
    failures,
  };
}

/** One line for all tests of a suite that says in its own name why it is skipped: `… [skipped: needs a server]: 19 tests`. */
function bySuite(tests: readonly { readonly fullName: string }[]): string[] {
  const counts = new Map<string, number>();
  for (const { fullName } of tests) {
    const suite = /^.*\[skipped: [^\]]*\]/.exec(fullName)?.[0] ?? fullName;
    counts.set(suite, (counts.get(suite) ?? 0) + 1);
  }
  return [...counts].map(([suite, count]) => (count === 1 ? suite : `${suite}: ${count} tests`));
}

/** Enough to know the failure by: 12 lines, each cut at 300 characters, because the end of a log is what is often kept. */
function excerpt(message: string): string {
  const lines = message.split("\n").slice(0, 12);
  return lines.map((line) => `    ${line.slice(0, 300)}`).join("\n");
}
