import { FlujoError } from "../domain/errors.ts";
import type { Wire } from "../domain/wire.ts";
import type { Registry } from "../engine/registry.ts";
import { systemAmbient, workerName } from "../engine/system.ts";
import type { Fanout } from "../observe/fanout.ts";
import { stderrLogger } from "../observe/stderr.ts";
import type { Message } from "../ports/model.ts";
import type { Store } from "../ports/store.ts";
import { agencyHost } from "./agency.ts";
import { sharedBudgets } from "./budgets.ts";
import { Engine } from "./engine.ts";
import type { FlujoOptions } from "./options.ts";
import type { Chunks } from "./stream.ts";

export interface Parts {
  readonly store: Store;
  readonly registry: Registry;
  readonly fanout: Fanout | undefined;
  readonly chunks: Chunks;
  readonly ephemeral: boolean;
}

/** An engine from the options of a runner: the one place where they become what works on a store. */
export function assemble(options: FlujoOptions, { store, registry, fanout, chunks, ephemeral }: Parts): Engine {
  const { ambient = systemAmbient, resources = {}, logger = stderrLogger, worker, at, queues, limits } = options;
  const agency = agencyHost({
    ...options,
    governor: ALLOWS_ALL,
    shared: sharedBudgets(options.budgets, { ledger: store, clock: ambient.clock }),
    resolve: unknownModel,
    resolveEmbedder: unknownModel,
  });
  return new Engine({
    store,
    registry,
    ambient,
    host: { ambient, resources, logger, emit: (chunk) => chunks.emit(chunk), agency },
    observe: fanout && ((observation) => fanout.observe(observation)),
    worker:
      worker === false ? (store.capabilities.shared ? false : {}) : { id: workerName(ambient.newId()), ...worker },
    ...(at && { at }),
    ...(queues && { queues }),
    ...(limits && { limits }),
    ephemeral,
  });
}
const ALLOWS_ALL = {
  allowsTool: () => true,
  beforeModel: ({ messages }: { readonly messages: readonly Message[] }) =>
    Promise.resolve({ messages, restore: (wire: Wire) => wire }),
};
const unknownModel = (name: string): Promise<never> => Promise.reject(new FlujoError("MODEL_UNKNOWN", name));
