import { FlujoError } from "./errors.ts";
import { FinalError } from "./final-error.ts";

interface Processor {
  readonly name: string;
  readonly ask: (data: unknown, ctx: never) => unknown;
}

/**
 * Data through processors, one after the other. Throws PROCESSOR_FAILED: of a prompt it would fail again on the same data, of an
 * output another attempt may give better data.
 */
export async function process(
  stage: "prompt" | "output",
  all: readonly Processor[],
  { data, ctx }: { readonly data: unknown; readonly ctx: unknown },
): Promise<unknown> {
  let given = data;
  for (const { name, ask } of all) {
    try {
      given = await ask(given, ctx as never);
    } catch (cause) {
      const message = `the ${stage} processor ${name} failed: ${cause instanceof Error ? cause.message : String(cause)}`;
      const particulars = { cause, details: { stage, processor: name } };
      throw stage === "prompt"
        ? new FinalError("PROCESSOR_FAILED", message, particulars)
        : new FlujoError("PROCESSOR_FAILED", message, particulars);
    }
  }
  return given;
}
