import { readFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { FlujoError } from "../domain/errors.ts";
import { type GovernanceSettings, type GovernanceSource, governanceOf } from "./governance.ts";
import { type BudgetTables, NO_BUDGETS } from "./budgets.ts";
import { type CostSection, NO_COST_TABLES } from "./cost.ts";
import {
  type ArosSection,
  type BackgroundSection,
  checkText,
  type Key,
  KEYS,
  type ShadowEvalSection,
  type WorkerSection,
} from "./keys.ts";
import type { QueueSection } from "./queues.ts";
import { resolveStateUri } from "./sqlite-path.ts";
import { didYouMean } from "../domain/suggest.ts";
import { readToml, type TomlFile } from "./toml.ts";

export type Environment = Readonly<Record<string, string | undefined>>;

export interface Config {
  readonly stateUri: string;
  readonly worker: WorkerSection;
  readonly background: BackgroundSection;
  readonly shadowEval: ShadowEvalSection;
  readonly queues: Readonly<Record<string, QueueSection>>;
  readonly governance: GovernanceSettings;
  /** What a hook throws fails its run. */
  readonly strictHooks: boolean;
  readonly cost: CostSection;
  readonly budgets: BudgetTables;
  readonly aros: ArosSection;
  /** What of an agent must be as it was when its run began; undefined = nobody said. */
  readonly fingerprint: "strict" | "compat" | undefined;
  /** What named the store: `FLUJO_STATE_URI`, `<file>:<line>` or `default`. */
  readonly source: string;
  /** The flujo.toml that was read. */
  readonly file: string | undefined;
  /** Unknown keys, each with its place and what was probably meant. */
  readonly warnings: readonly string[];
}

export const DEFAULT_STATE_URI = "sqlite:./.flujo/state.db";
const FILE = "flujo.toml";

/**
 * What this process is told: the environment over the nearest flujo.toml (going up from `cwd`; `FLUJO_CONFIG` names another)
 * over the defaults. A relative SQLite path in the file is relative to the file. Throws CONFIG_INVALID with every problem.
 */
export async function loadConfig({ cwd, env }: { readonly cwd: string; readonly env: Environment }): Promise<Config> {
  const toml = findToml(cwd, env);
  const { values, problems } = fromEnvironment(env);
  if (problems.length > 0) throw new FlujoError("CONFIG_INVALID", problems.join("\n"), { details: { problems } });
  const sources: readonly GovernanceSource[] = [
    { values, folder: cwd },
    ...(toml === undefined ? [] : [{ values: toml.values, folder: dirname(toml.file) }]),
  ];
  const all = new Map([...(toml?.values ?? []), ...values]);
  return {
    ...stateOf(toml, values),
    worker: sectionOf<WorkerSection>(all, "worker"),
    background: sectionOf<BackgroundSection>(all, "background_tasks"),
    shadowEval: sectionOf<ShadowEvalSection>(all, "shadow_eval"),
    queues: toml?.queues ?? {},
    strictHooks: all.get("strict_hooks") === true,
    governance: scrubbed(sources),
    cost: {
      strict: (values.get("cost.strict") ?? toml?.values.get("cost.strict")) === true,
      ...(toml?.cost ?? NO_COST_TABLES),
    },
    budgets: toml?.budgets ?? NO_BUDGETS,
    aros: sectionOf<ArosSection>(all, "aros"),
    fingerprint: fingerprintOf(all),
    file: toml?.file,
    warnings: [...(toml?.warnings ?? []), ...oddNames(env)],
  };
}

function fingerprintOf(values: ReadonlyMap<string, unknown>): Config["fingerprint"] {
  const said = values.get("settings.granular_resume_fingerprint_mode");
  return said === "strict" || said === "compat" ? said : undefined;
}

/** Who asks for strong scrubbing, and is scrubbed nowhere because nobody said where, would never know. Throws CONFIG_INVALID. */
function scrubbed(sources: readonly GovernanceSource[]): GovernanceSettings {
  const governance = governanceOf(sources);
  if (!governance.piiStrong || sources.some(({ values }) => values.has("governance_pii_scrub"))) return governance;
  const where = "governance_pii_scrub or FLUJO_GOVERNANCE_PII_SCRUB";
  throw new FlujoError("CONFIG_INVALID", `governance_pii_strong: nothing is scrubbed without ${where}`);
}

function stateOf(
  toml: TomlFile | undefined,
  environment: ReadonlyMap<string, unknown>,
): Pick<Config, "stateUri" | "source"> {
  const told = environment.get("state_uri");
  if (typeof told === "string") return { stateUri: told, source: "FLUJO_STATE_URI" };
  const written = toml?.values.get("state_uri");
  if (toml === undefined || typeof written !== "string") return { stateUri: DEFAULT_STATE_URI, source: "default" };
  const line = toml.lines.get("state_uri");
  return {
    stateUri: resolveStateUri(written, dirname(toml.file)),
    source: line === undefined ? toml.file : `${toml.file}:${line}`,
  };
}

/** Checked above, key by key; here the names become those of options. */
function sectionOf<Section>(values: ReadonlyMap<string, unknown>, section: string): Section {
  const entries = [...values]
    .filter(([path]) => path.startsWith(`${section}.`))
    .map(([path, value]) => [
      path.slice(section.length + 1).replace(/_(\w)/g, (_, c: string) => c.toUpperCase()),
      value,
    ]);
  return Object.fromEntries(entries) as Section;
}

function fromEnvironment(env: Environment): { values: ReadonlyMap<string, unknown>; problems: readonly string[] } {
  const values = new Map<string, unknown>();
  const problems: string[] = [];
  for (const { path, kind, env: name, secret } of KEYS) {
    const text = env[name];
    if (text === undefined || text === "") continue; // an empty variable is how shells say "unset"
    const checked = checkText(kind, text);
    if (checked.ok) values.set(path, checked.value);
    else
      problems.push(
        `${name}: expected ${checked.expected}${secret === true ? "" : ` but found ${JSON.stringify(text)}`}`,
      );
  }
  return { values, problems };
}

const NAMES: readonly string[] = KEYS.map((key: Key) => key.env);

/** Only names that can be meant for us here: FLUJO_DEBUG and others belong to other parts. */
function oddNames(env: Environment): string[] {
  return Object.keys(env)
    .filter((name) => /^FLUJO_(?:WORKER|GOVERNANCE|BACKGROUND_TASKS|SHADOW_EVAL)_/.test(name) && !NAMES.includes(name))
    .map((name) => `unknown variable ${name}${didYouMean(name, NAMES)}`);
}

/** Synchronously: a few stats and one small file, once, and opening a runner takes no turn of the event loop for it. */
function findToml(cwd: string, env: Environment): TomlFile | undefined {
  const named = env["FLUJO_CONFIG"];
  if (named !== undefined && named !== "") {
    const file = resolve(cwd, named);
    const text = read(file);
    if (text === undefined) throw new FlujoError("CONFIG_INVALID", `FLUJO_CONFIG names ${file}, which does not exist`);
    return readToml(file, text);
  }
  for (let folder = resolve(cwd); ; folder = dirname(folder)) {
    const file = join(folder, FILE);
    const text = read(file);
    if (text !== undefined) return readToml(file, text);
    if (dirname(folder) === folder) return undefined;
  }
}

function read(file: string): string | undefined {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : undefined;
    if (code === "ENOENT" || code === "ENOTDIR") return undefined;
    throw new FlujoError("CONFIG_INVALID", `${file} cannot be read`, { cause: error });
  }
}
