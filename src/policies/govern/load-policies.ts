import { FlujoError } from "../../domain/errors.ts";
import type { GovernancePolicy } from "./governor.ts";

/**
 * Policies of a module of the user's: `./policy.ts#export`, without a name its `policies` or its default export. That is a
 * policy, a list of them, or a function that makes either. `importer` gets what stands before the #. Throws CONFIG_INVALID
 * for whatever is missing or none: rules that are silently left out are worse than no start.
 */
export async function loadPolicies(
  specifier: string,
  importer: (file: string) => Promise<unknown>,
): Promise<readonly GovernancePolicy[]> {
  const mark = specifier.lastIndexOf("#");
  const [file, name] = mark < 0 ? [specifier, ""] : [specifier.slice(0, mark), specifier.slice(mark + 1)];
  if (file === "" || (mark >= 0 && name === ""))
    throw refused(specifier, "expected a module and the name of an export, as ./policy.ts#export");
  const loaded = await imported(specifier, () => importer(file));
  const names = name === "" ? ["policies", "default"] : [name];
  const found = names.map((one) => exportOf(loaded, one)).find((value) => value !== undefined);
  if (found === undefined) throw refused(specifier, `the module exports no ${names.join(", and no ")}`);
  const made: unknown = typeof found === "function" ? await imported(specifier, async () => found()) : found;
  const policies: readonly unknown[] = Array.isArray(made) ? made : [made];
  if (policies.length === 0) throw refused(specifier, "expected a policy but found an empty list");
  return policies.map((policy) => checked(policy, specifier));
}

const refused = (specifier: string, says: string, cause?: unknown): FlujoError =>
  new FlujoError("CONFIG_INVALID", `governance_policy_module ${specifier}: ${says}`, {
    ...(cause !== undefined && { cause }),
  });

async function imported(specifier: string, load: () => Promise<unknown>): Promise<unknown> {
  try {
    return await load();
  } catch (cause) {
    throw refused(specifier, `cannot be loaded: ${cause instanceof Error ? cause.message : String(cause)}`, cause);
  }
}

const exportOf = (module: unknown, name: string): unknown =>
  typeof module === "object" && module !== null && name in module ? Reflect.get(module, name) : undefined;

function checked(policy: unknown, specifier: string): GovernancePolicy {
  if (isPolicy(policy)) return policy;
  throw refused(specifier, "expected policies: objects with a name, and decide or allowsTool");
}

function isPolicy(value: unknown): value is GovernancePolicy {
  if (typeof value !== "object" || value === null) return false;
  const { name, decide, allowsTool } = value as Partial<Record<keyof GovernancePolicy, unknown>>;
  const asks = [decide, allowsTool].filter((one) => one !== undefined);
  return typeof name === "string" && asks.length > 0 && asks.every((one) => typeof one === "function");
}
