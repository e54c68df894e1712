import type { Definition } from "./definition.ts";

/** What a flow says about itself, besides its nodes. */
export type FlowMeta = Omit<Definition, "fingerprint" | "root" | "nodes" | "calls">;
