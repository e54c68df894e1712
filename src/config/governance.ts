import { resolve } from "node:path";

/** What flujo.toml and the environment say about governance. Source: Flujo, governance engine. */
export interface GovernanceSettings {
  /** `deny_all`: no model and no tool is called. Default `allow_all`. */
  readonly mode: "allow_all" | "deny_all";
  /** Where what identifies people is replaced by placeholders: in what models get, or also in what is stored and logged. */
  readonly piiScrub: "off" | "model" | "everywhere";
  /** Also by the words around: names, dates of birth, addresses. */
  readonly piiStrong: boolean;
  /** With it all processes have the same placeholders, and originals are kept encrypted. From the environment only. */
  readonly piiKey?: string;
  /** The only tools that may be shown to models, and called. */
  readonly toolAllowlist?: readonly string[];
  /** `./policy.ts#export`; a relative one is from where it was written. */
  readonly policyModule?: string;
}

/** Values by path, and the folder from which its relative paths are. */
export interface GovernanceSource {
  readonly values: ReadonlyMap<string, unknown>;
  readonly folder: string;
}

/** The first source that says something is heard. Values were checked one by one. */
export function governanceOf(sources: readonly GovernanceSource[]): GovernanceSettings {
  const said = (name: string): unknown =>
    sources.map(({ values }) => values.get(`governance_${name}`)).find((value) => value !== undefined);
  const [key, tools, policyModule] = [said("pii_key"), said("tool_allowlist"), policyModuleOf(sources)];
  return {
    mode: said("mode") === "deny_all" ? "deny_all" : "allow_all",
    piiScrub: scrubbingOf(said("pii_scrub")),
    piiStrong: said("pii_strong") === true,
    ...(typeof key === "string" && { piiKey: key }),
    ...(Array.isArray(tools) && { toolAllowlist: tools.map(String) }),
    ...(policyModule !== undefined && { policyModule }),
  };
}

function scrubbingOf(said: unknown): GovernanceSettings["piiScrub"] {
  if (said === "model") return "model";
  return said === true || said === "everywhere" ? "everywhere" : "off";
}

function policyModuleOf(sources: readonly GovernanceSource[]): string | undefined {
  for (const { values, folder } of sources) {
    const said = values.get("governance_policy_module");
    if (typeof said === "string") return /^\.{1,2}[/\\]/.test(said) ? resolve(folder, said) : said;
  }
  return undefined;
}
