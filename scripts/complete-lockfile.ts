/**
 * Adds to package-lock.json, and to those of the benchmarks and of the tests with the AI SDK, the optional platform packages that
 * the registry in use does not carry: `npm run lock:complete`, after every change of dependencies.
 *
 * A partial mirror may lack the binaries of other platforms. npm then leaves them out of the lock file without a
 * word, and `npm ci` refuses that lock file everywhere ("Missing: … from lock file"). Their exact versions stand in
 * the package that wants them and their platform in their name, so they can be named without being fetched. They
 * get no integrity, because nothing here has seen them.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { type LockedPackage, missingPlatformPackages } from "./platform-packages.ts";

for (const name of ["package-lock.json", "bench/package-lock.json", "test/ai-sdk/package-lock.json"]) {
  const path = fileURLToPath(new URL(`../${name}`, import.meta.url));
  const lock = JSON.parse(readFileSync(path, "utf8")) as { packages: Record<string, LockedPackage> };
  const missing = missingPlatformPackages(lock.packages);
  const packages = Object.entries({ ...lock.packages, ...missing }).sort(([a], [b]) => a.localeCompare(b, "en"));
  writeFileSync(path, `${JSON.stringify({ ...lock, packages: Object.fromEntries(packages) }, undefined, 2)}\n`);
  console.log(`${name}: ${Object.keys(missing).length} platform packages added`);
}
