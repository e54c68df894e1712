import { loadConfig } from "./load.ts";

const told = new Set<string>();

/**
 * Where runs are kept when nobody says otherwise: `FLUJO_STATE_URI`, else `state_uri` in the nearest flujo.toml, else
 * `sqlite:./.flujo/state.db`. Throws CONFIG_INVALID. Unknown keys become process warnings, each once.
 */
export async function stateUri(): Promise<string> {
  const { stateUri: uri, warnings } = await loadConfig({ cwd: process.cwd(), env: process.env });
  for (const warning of warnings) {
    if (told.has(warning)) continue;
    told.add(warning);
    process.emitWarning(warning, "FlujoConfigWarning");
  }
  return uri;
}
