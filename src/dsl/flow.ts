import type { FlowMeta } from "../definition/meta.ts";
import { durationMs } from "../domain/duration.ts";
import { ROOT_PATH } from "../domain/ids.ts";
import type { Schema } from "../domain/schema.ts";
import { Builder } from "./builder.ts";
import type { OpenContext } from "./context.ts";
import { lowerInvariants } from "./lower-around.ts";
import type { FlowOptions } from "./options.ts";
import type { FlowShape, Last } from "./shape.ts";

/** A flow that has no constructs yet: the place to say what it takes, shares and gives. */
export class FlowStart<Context, Input, Wanted, Output, Value> extends Builder<
  Context,
  FlowShape<Input, Wanted, Output>,
  Value
> {
  readonly #meta: FlowMeta;

  constructor(meta: FlowMeta) {
    super({ flow: meta, whole: true, path: ROOT_PATH, last: undefined });
    this.#meta = meta;
  }

  /**
   * What a run is started with. With a schema it is checked at the border (INPUT_INVALID, and nothing is started); as a bare
   * type, `.input<Order>()`, it is what the compiler knows and nobody checks.
   */
  input<In, Out = In>(schema?: Schema<In, Out>): FlowStart<Context, In, Wanted, Output, Out> {
    return new FlowStart(schema === undefined ? this.#meta : { ...this.#meta, input: schema });
  }

  /** What the steps share. Its defaults make the context of a new run; a step that breaks it fails with CONTEXT_INVALID. */
  context<Out>(schema: Schema<unknown, Out>): FlowStart<Out, Input, Wanted, Output, Value> {
    return new FlowStart({ ...this.#meta, context: schema });
  }

  /** What the last value must be; what callers get is the schema's output. A mismatch fails with OUTPUT_INVALID. */
  output<In, Out>(schema: Schema<In, Out>): FlowStart<Context, Input, In, Out, Value> {
    return new FlowStart({ ...this.#meta, output: schema });
  }
}

/**
 * Starts a flow: `flow("review", { version: "1" }).input(schema).step(…)….build()`.
 *
 * Throws OPTION_INVALID for a timeout that is no duration; everything else is reported by `build`.
 */
export function flow(name: string, options: FlowOptions): FlowStart<OpenContext, unknown, unknown, Last, unknown> {
  const { version, description, revision, timeout, invariants } = options;
  return new FlowStart({
    name,
    version,
    ...(description !== undefined && { description }),
    ...(revision !== undefined && { revision }),
    ...(timeout !== undefined && { timeoutMs: durationMs(timeout, "timeout") }),
    ...lowerInvariants(invariants),
  });
}
