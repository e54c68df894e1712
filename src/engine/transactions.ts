import { FlujoError } from "../domain/errors.ts";
import { type Definition, titleOf } from "../definition/definition.ts";
import type { Capabilities } from "../ports/capabilities.ts";

/** Throws TRANSACTIONS_UNSUPPORTED when one of these flows, or one that they call, has a step that the store cannot give its promise to. */
export function requireTransactions(
  store: Pick<Capabilities, "name" | "transactions">,
  flows: Iterable<Definition>,
): void {
  if (store.transactions) return;
  for (const flow of flows) {
    const step = [...flow.nodes.values()].find((node) => node.kind === "step" && node.config.transactional === true);
    if (step !== undefined)
      throw new FlujoError(
        "TRANSACTIONS_UNSUPPORTED",
        `${titleOf(flow)} has the transactional step ${step.path}, which needs a store with transactions, but found ${store.name}`,
        { details: { flow: titleOf(flow), path: step.path, store: store.name } },
      );
    requireTransactions(store, flow.calls);
  }
}
