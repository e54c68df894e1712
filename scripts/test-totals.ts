/** The part of vitest's JSON report that the totals need. */
export interface Report {
  readonly success: boolean;
  readonly numPassedTests: number;
  readonly numFailedTests: number;
  readonly testResults: readonly {
    readonly status: string;
    readonly assertionResults: readonly { readonly status: string; readonly fullName: string }[];
  }[];
}

export interface Totals {
  readonly passed: number;
  readonly failed: number;
  /** Full names of the tests that did not run; never hidden in a number. */
  readonly skipped: readonly string[];
}

/**
 * Counts a file that failed outside of its tests (a broken import, a leak at its end) as one failure, and an
 * unsuccessful run without any failed test too; a missing report is a failure. The runner's exit code counts beside the
 * report, because vitest 4.1 writes `success: true` after an unhandled rejection and only exits with 1.
 */
export function totals(report: Report | undefined, exitCode: number): Totals {
  if (report === undefined) return { passed: 0, failed: 1, skipped: [] };
  const brokenFiles = report.testResults.filter(
    (file) => file.status === "failed" && !file.assertionResults.some((test) => test.status === "failed"),
  ).length;
  const counted = report.numFailedTests + brokenFiles;
  const tests = report.testResults.flatMap((file) => file.assertionResults);
  return {
    passed: report.numPassedTests,
    failed: counted === 0 && (!report.success || exitCode !== 0) ? 1 : counted,
    skipped: tests.filter((test) => test.status !== "passed" && test.status !== "failed").map((test) => test.fullName),
  };
}
