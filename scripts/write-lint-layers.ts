/** Writes the import table of test/architecture/layers.ts into .oxlintrc.json: `npm run lint:layers`. */
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { lintOverrides } from "../test/architecture/layers.ts";

interface Override {
  readonly rules: Readonly<Record<string, unknown>>;
}

const path = fileURLToPath(new URL("../.oxlintrc.json", import.meta.url));
const config = JSON.parse(readFileSync(path, "utf8")) as { overrides?: Override[] };
const kept = (config.overrides ?? []).filter((override) => !("no-restricted-imports" in override.rules));
writeFileSync(path, `${JSON.stringify({ ...config, overrides: [...kept, ...lintOverrides()] }, undefined, 2)}\n`);
