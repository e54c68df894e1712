import { FlujoError } from "../domain/errors.ts";
import type { Fingerprint } from "../domain/ids.ts";
import { type Definition, titleOf } from "../definition/definition.ts";

/** The flows that this process can run, by name and version and by fingerprint. Flows they call are registered with them. */
export class Registry {
  readonly #byTitle = new Map<string, Definition>();
  readonly #byFingerprint = new Map<Fingerprint, Definition>();

  /** Idempotent for the same definition. Throws DEFINITION_CONFLICT for another one of the same name and version. */
  register(definition: Definition): void {
    const title = titleOf(definition);
    const known = this.#byTitle.get(title);
    if (known === definition) return;
    if (known !== undefined && known.fingerprint !== definition.fingerprint) {
      throw new FlujoError(
        "DEFINITION_CONFLICT",
        `${title} is registered with fingerprint ${short(known)}, and again with ${short(definition)}`,
        {
          details: { flow: title, registered: known.fingerprint, found: definition.fingerprint },
        },
      );
    }
    this.#byTitle.set(title, definition);
    this.#byFingerprint.set(definition.fingerprint, definition);
    for (const called of definition.calls) this.register(called);
  }

  get size(): number {
    return this.#byFingerprint.size;
  }

  get definitions(): readonly Definition[] {
    return [...this.#byTitle.values()];
  }

  get fingerprints(): readonly Fingerprint[] {
    return [...this.#byFingerprint.keys()];
  }

  byFingerprint(fingerprint: Fingerprint): Definition | undefined {
    return this.#byFingerprint.get(fingerprint);
  }

  /** By name, and by version when several are registered. Throws FLOW_UNKNOWN or FLOW_AMBIGUOUS. */
  find(name: string, version?: string): Definition {
    const named = this.definitions.filter((one) => one.name === name);
    const found = version === undefined ? named : named.filter((one) => one.version === version);
    const [only, ...others] = found;
    if (only === undefined) {
      const known = this.definitions.map(titleOf).join(", ") || "none";
      throw new FlujoError(
        "FLOW_UNKNOWN",
        `expected a registered flow but found "${version === undefined ? name : `${name}@${version}`}"; registered: ${known}`,
      );
    }
    if (others.length > 0) {
      throw new FlujoError(
        "FLOW_AMBIGUOUS",
        `flow "${name}" is registered in several versions: ${found.map(({ version: v }) => v).join(", ")}`,
      );
    }
    return only;
  }
}

const short = ({ fingerprint }: Definition): string => fingerprint.slice(0, 12);
