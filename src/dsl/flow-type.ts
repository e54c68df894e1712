import type { Definition } from "../definition/definition.ts";
import type { OpenContext } from "./context.ts";

/**
 * A built flow: a definition that remembers its types. `~types` exists for the compiler only; never read it.
 */
export interface Flow<in Input = never, out Output = unknown, out Context = unknown> extends Definition {
  readonly "~types": { readonly run: (input: Input) => Output; readonly context: Context };
}

/** What a flow is started with. */
export type FlowInput<F> = F extends Flow<infer Input, unknown, unknown> ? Input : never;
/** What a completed run of a flow gives. */
export type FlowOutput<F> = F extends Flow<never, infer Output, unknown> ? Output : never;
/** The context a flow's steps share. */
export type FlowContext<F> = F extends Flow<never, unknown, infer Context> ? Context : OpenContext;
