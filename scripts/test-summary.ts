/**
 * Prints which tests were skipped, which failed and why, and last one line of totals: `tests: 123 passed, 0 failed`.
 * Usage: tsx scripts/test-summary.ts <report.json> <exit code of the test run>. Exit code 1 when anything failed or nothing ran.
 */
import { existsSync, readFileSync } from "node:fs";
import { type Report, totals } from "./test-totals.ts";

const path = process.argv[2] ?? "";
const report = existsSync(path) ? (JSON.parse(readFileSync(path, "utf8")) as Report) : undefined;
const { passed, failed, skipped, failures } = totals(report, Number(process.argv[3] ?? "1"));
if (skipped.length > 0) console.log(`skipped:\n${skipped.map((name) => `- ${name}`).join("\n")}`);
if (failures.length > 0) console.log(`failed:\n${failures.map((failure) => `- ${failure}`).join("\n")}`);
console.log(`tests: ${passed} passed, ${failed} failed`);
process.exitCode = failed === 0 && passed > 0 ? 0 : 1;
