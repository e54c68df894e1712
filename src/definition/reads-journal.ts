import type { Definition } from "./definition.ts";

const known = new WeakMap<Definition, boolean>();

/** Whether runs of a flow read what they recorded: then their history is part of how they go on, also where nobody wants it kept. */
export function readsJournal(definition: Definition): boolean {
  let reads = known.get(definition);
  if (reads === undefined) {
    reads = [...definition.nodes.values()].some((node) => node.kind === "step" && node.config.readsJournal === true);
    known.set(definition, reads);
  }
  return reads;
}
