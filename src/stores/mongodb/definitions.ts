import type { Fingerprint } from "../../domain/ids.ts";
import type { StoredDefinition } from "../../ports/store.ts";
import { json, original, storable } from "../../ports/stored-text.ts";
import type { Base } from "./base.ts";
import { parsed } from "./rows.ts";
import { insertMissing } from "./runs.ts";

interface DefinitionDocument {
  readonly _id: string;
  readonly name: string;
  readonly version: string;
  readonly described: string;
}

export async function putDefinitions(base: Base, definitions: readonly StoredDefinition[]): Promise<void> {
  const documents = definitions.map(({ fingerprint, name, version, described }) => ({
    _id: fingerprint,
    name: storable(name),
    version: storable(version),
    described: json(described),
  }));
  await insertMissing(base.in.definitions, documents);
}

export async function readDefinition(base: Base, fingerprint: Fingerprint): Promise<StoredDefinition | undefined> {
  const [found] = (await base.in.definitions.find({ _id: fingerprint }).toArray()) as readonly DefinitionDocument[];
  if (found === undefined) return undefined;
  const { name, version, described } = found;
  return {
    fingerprint,
    name: original(name),
    version: original(version),
    described: parsed(described, new Map(), `the definition ${fingerprint}`),
  };
}
