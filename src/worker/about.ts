import { hostname } from "node:os";
import type { Wire } from "../domain/wire.ts";
import type { Registry } from "../engine/registry.ts";
import { packageVersion } from "../engine/version.ts";
import type { WorkerSettings } from "./options.ts";

/** What a worker tells about itself, for whoever asks why nobody takes a run. A stored shape: fields are only ever added. */
export interface WorkerAbout {
  readonly host: string;
  readonly pid: number;
  /** Of this package. */
  readonly flujo: string;
  /** Milliseconds since the epoch, by its own clock. */
  readonly startedAt: number;
  readonly concurrency: number;
  readonly queues: readonly string[];
  readonly flows: readonly { readonly name: string; readonly version: string; readonly fingerprint: string }[];
}

/** Makes the description of this process's worker anew when it has learnt flows; the same object as long as it has not. */
export function describer(
  registry: Registry,
  { concurrency, queues }: Pick<WorkerSettings, "concurrency" | "queues">,
  startedAt: number,
): () => Wire {
  const self = { host: hostname(), pid: process.pid, flujo: packageVersion(), startedAt, concurrency, queues };
  let told: { readonly size: number; readonly about: Wire } | undefined;
  return () => {
    if (told?.size !== registry.size) {
      const flows = registry.definitions.map(({ name, version, fingerprint }) => ({ name, version, fingerprint }));
      told = { size: registry.size, about: { ...self, flows } };
    }
    return told.about;
  };
}
