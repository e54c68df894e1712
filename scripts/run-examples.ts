/**
 * Runs every example to its end: examples/*.ts and examples/<name>/demo.ts. An example passes when it exits with 0
 * within its time, without input. Fails when there is no example, so it cannot pass empty.
 */
import { spawnSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const EXAMPLE_TIMEOUT_MS = 120_000;
const TAIL_LINES = 40;

const root = fileURLToPath(new URL("..", import.meta.url));
const examples = readdirSync(join(root, "examples"), { recursive: true, encoding: "utf8" })
  .filter((name) => /^[^/\\]+\.ts$|^[^/\\]+[/\\]demo\.ts$/.test(name))
  .sort();
if (examples.length === 0) throw new Error("examples/ has no example to run");

let failed = 0;
for (const example of examples) {
  const started = performance.now();
  const result = spawnSync(process.execPath, ["--import", "tsx", join("examples", example)], {
    cwd: root,
    encoding: "utf8",
    stdio: ["ignore", "pipe", "pipe"],
    timeout: EXAMPLE_TIMEOUT_MS,
  });
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  if (result.status === 0) {
    console.log(`ok      ${example} (${seconds} s)`);
    continue;
  }
  failed += 1;
  const why =
    result.status === null ? `ended by ${result.signal ?? result.error?.message ?? "?"}` : `exit ${result.status}`;
  const tail = `${result.stdout}${result.stderr}`.trimEnd().split("\n").slice(-TAIL_LINES).join("\n");
  console.log(`FAILED  ${example} (${why}, ${seconds} s)\n${tail}`);
}
process.exitCode = failed === 0 ? 0 : 1;
