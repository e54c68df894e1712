// The peers are not part of the root install: some hundred MB that only a bench needs. They come on first use, from the lock file.
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const BENCH = import.meta.dirname;
const ROOT = join(BENCH, "..");
// Said here and not only in bench/.npmrc: under `npm run` the root's settings arrive as environment variables and win over it.
// The peers ask for Node 22; they run under the Node that is installed beside them.
const NPM_OPTIONS = ["--engine-strict=false", "--legacy-peer-deps", "--ignore-scripts", "--no-audit", "--no-fund"];
const STAMP = join(BENCH, "node_modules", ".installed-lock");

/** Installs the peers unless node_modules already matches the lock file. */
export async function installPeers(): Promise<void> {
  const lock = createHash("sha256")
    .update(readFileSync(join(BENCH, "package-lock.json")))
    .digest("hex");
  if (existsSync(STAMP) && readFileSync(STAMP, "utf8") === lock) return;
  process.stderr.write("bench: installing the peers (once, about 520 MB) …\n");
  await run("npm", ["ci", "--loglevel=error", ...NPM_OPTIONS], BENCH);
  writeFileSync(STAMP, lock);
}

/**
 * Compiles src/ into bench/.build: the same compiler and settings as dist/, but a directory of our own, so that somebody
 * building the package cannot pull it away while a bench runs.
 */
export async function buildEngine(): Promise<void> {
  process.stderr.write("bench: building the engine …\n");
  const outDir = join(BENCH, ".build");
  rmSync(outDir, { recursive: true, force: true });
  const compiler = join(ROOT, "node_modules", "typescript", "bin", "tsc");
  await run(process.execPath, [compiler, "-p", "tsconfig.build.json", "--outDir", outDir], ROOT);
}

/** Runs a command with its output on our stderr: stdout belongs to the report. */
function run(command: string, args: readonly string[], cwd: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd, stdio: ["ignore", 2, 2] });
    child.on("error", reject);
    child.on("close", (code) => {
      if (code === 0) resolve();
      else reject(new Error(`${command} ${args[0]} ended with ${code}`));
    });
  });
}
