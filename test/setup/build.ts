import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { requiredGuests } from "./requires.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));

/**
 * Checks FLUJO_TEST_REQUIRE, then builds dist/ once before the tests, because the tests of the command line and those that kill a process run the
 * built package. Nothing is built while dist/ is newer than every source file. dist/ is not emptied first: a second
 * test run beside this one may be using it.
 */
export function setup(): void {
  requiredGuests(); // throws for a name that no test knows
  const source = join(root, "src");
  if (!existsSync(join(source, "index.ts"))) return;
  const built = join(root, "dist", "index.js");
  if (existsSync(built) && statSync(built).mtimeMs > newest(source)) return;
  try {
    execFileSync(process.execPath, [join(root, "node_modules/typescript/bin/tsc"), "-p", "tsconfig.build.json"], {
      cwd: root,
      stdio: "pipe",
    });
  } catch (error) {
    // The compiler emits in spite of type errors, and `npm run typecheck` reports them; here they are only a warning,
    // so that one broken file does not hide the results of all the others.
    console.warn(`dist/ was built with errors:\n${String((error as { stdout?: Buffer }).stdout ?? error)}`);
  }
}

function newest(folder: string): number {
  const times = readdirSync(folder, { recursive: true, encoding: "utf8" }).map(
    (name) => statSync(join(folder, name)).mtimeMs,
  );
  return Math.max(...times);
}
