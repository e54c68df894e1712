/**
 * The import table. `src/<layer>` may import itself and what is listed here, nothing else; `import type` counts.
 * Files directly in src/ are the public doors: they may import anything, and only `cli` may import them.
 *
 * domain ← definition ← {dsl, blueprint, planner, ports} ← {stores, policies, agents, engine, observe, config}
 *        ← {worker, evaluation} ← runner ← {server, cli, testing}
 *
 * `planner` and `stores` never see each other: a store saves decisions, it makes none.
 */
const CONTRACTS = ["ports", "definition", "domain"] as const;
const WORKER = ["engine", "policies", "observe", "planner", ...CONTRACTS] as const;
const RUNNER = ["worker", "evaluation", "agents", "stores", "config", "dsl", "blueprint", ...WORKER] as const;

export const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  domain: [],
  definition: ["domain"],
  dsl: ["definition", "domain"],
  blueprint: ["definition", "domain"],
  planner: ["definition", "domain"],
  ports: ["definition", "domain"],
  stores: CONTRACTS,
  policies: CONTRACTS,
  agents: ["dsl", ...CONTRACTS],
  observe: CONTRACTS,
  config: CONTRACTS,
  engine: ["planner", ...CONTRACTS],
  worker: WORKER,
  runner: RUNNER,
  server: ["runner", ...RUNNER],
  testing: ["runner", ...RUNNER],
  evaluation: ["agents", "dsl", ...CONTRACTS],
  cli: ["server", "runner", "entry", ...RUNNER],
};

/** Layers that compute and do nothing else: no Node, no packages, no clock, no randomness, no timers. */
export const PURE: readonly string[] = ["domain", "definition", "planner"];

/** The one package a pure layer may name, as types only, in the one file that adapts it. */
export const PURE_EXCEPTION = { file: "src/domain/schema.ts", packageName: "@standard-schema/spec" } as const;

/** The names users write; examples may import no other part of the project. */
export const PUBLIC_NAMES: readonly string[] = [
  "flujo",
  "flujo/sqlite",
  "flujo/postgres",
  "flujo/redis",
  "flujo/mongodb",
  "flujo/sharded",
  "flujo/ai-sdk",
  "flujo/testing",
];

interface LintOverride {
  readonly files: readonly string[];
  readonly rules: Readonly<Record<string, unknown>>;
}

/** The same table in the linter's words: what .oxlintrc.json must contain, so that an editor shows it too. */
export function lintOverrides(): LintOverride[] {
  const layers = Object.keys(MAY_IMPORT);
  const overrides = layers.map((layer) => {
    const allowed = [layer, ...(MAY_IMPORT[layer] ?? [])];
    const forbidden = layers.filter((other) => !allowed.includes(other));
    return restrict([`src/${layer}/**`], [...wall(layer, forbidden), ...purity(layer, "^[^.]")]);
  });
  const layer = "domain";
  const forbidden = layers.filter((other) => other !== layer);
  return [...overrides, restrict([PURE_EXCEPTION.file], [...wall(layer, forbidden), ...purity(layer, "^[^.@]")])];
}

function wall(layer: string, forbidden: readonly string[]): unknown[] {
  if (forbidden.length === 0) return [];
  return [{ regex: `^(\\.\\./)+(${forbidden.join("|")})/`, message: `${layer} may not import this layer.` }];
}

function purity(layer: string, regex: string): unknown[] {
  return PURE.includes(layer) ? [{ regex, message: `${layer} is pure: no node: modules, no packages.` }] : [];
}

function restrict(files: readonly string[], patterns: readonly unknown[]): LintOverride {
  return { files, rules: { "no-restricted-imports": ["error", { patterns }] } };
}
