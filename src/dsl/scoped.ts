import { markScoped, type ScopedResource } from "../definition/scoped.ts";
import type { StepContext } from "./context.ts";

interface PerAttempt<Resource> {
  /** Default. */
  readonly per?: "attempt";
  readonly open: (ctx: StepContext<unknown>) => Resource | Promise<Resource>;
  /** With what the attempt failed with, if it did. Default: the resource is disposed, where it can be. */
  readonly close?: (resource: Resource, error: unknown) => unknown;
}

interface PerProcess<Resource> {
  readonly per: "process";
  readonly open: () => Resource | Promise<Resource>;
  readonly close?: (resource: Resource) => unknown;
}

/**
 * A resource that is opened when a step first looks at it, and closed again: `per: "attempt"` (default) when the attempt is over,
 * however it ended; `per: "process"` at `close()` of the runner. A step reaches what `open` gave, a promise where it is
 * asynchronous: `const client = await ctx.resources.db`. What `close` throws is logged. Source: Flujo, scoped resources.
 *
 *   new Flujo({ resources: { db: scoped({ open: () => pool.connect(), close: (client, error) => client.release(error) }) } })
 */
export function scoped<Resource>(
  how: PerAttempt<Resource> | PerProcess<Resource> | (() => Resource | Promise<Resource>),
): ScopedResource {
  if (typeof how === "function") return markScoped({ per: "attempt", open: how, close: undefined });
  const { per = "attempt", open, close } = how;
  return markScoped({ per, open, close });
}
