import { type Config, type Environment, loadConfig } from "./load.ts";

const told = new Set<string>();

/** What this process is told by its environment and the nearest flujo.toml, and that environment: keys of providers are in it. */
export interface ProcessConfig extends Config {
  readonly env: Environment;
}

/**
 * The one place where a runner looks at its process. Read once, when it opens its store. Throws CONFIG_INVALID. Unknown keys become
 * process warnings, each once.
 */
export async function processConfig(): Promise<ProcessConfig> {
  const config = await loadConfig({ cwd: process.cwd(), env: process.env });
  for (const warning of config.warnings) {
    if (told.has(warning)) continue;
    told.add(warning);
    process.emitWarning(warning, "FlujoConfigWarning");
  }
  return { ...config, env: process.env };
}
