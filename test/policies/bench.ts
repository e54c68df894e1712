import { type Flujo, type FlujoOptions, flow, type StepContext } from "flujo";
import { localRunner, type LocalRunner } from "flujo/testing";
import type { Definition } from "../../src/definition/definition.ts";
import type { HistoryEvent } from "../../src/domain/event.ts";

export interface LogLine {
  readonly level: string;
  readonly message: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

/** A runner in virtual time, and what it logs. */
export function listening(options: Pick<FlujoOptions, "hooks" | "strictHooks" | "resources" | "observers"> = {}): {
  readonly runner: LocalRunner;
  readonly lines: readonly LogLine[];
} {
  const lines: LogLine[] = [];
  const logger = {
    log: (level: string, message: string, fields: LogLine["fields"]) => void lines.push({ level, message, fields }),
  };
  return { runner: localRunner({ ...options, logger }), lines };
}

/** A flow of one step. */
export const lone = (
  run: (input: never, ctx: StepContext) => unknown,
  options: Parameters<ReturnType<typeof flow>["step"]>[2] = {},
  name = "lone",
): Definition =>
  flow(name, { version: "1" })
    .step("work", run as (input: unknown, ctx: StepContext) => unknown, options)
    .build();

export const factsOf = async <Type extends HistoryEvent["type"]>(
  flujo: Flujo,
  run: string,
  type: Type,
): Promise<readonly Extract<HistoryEvent, { type: Type }>[]> =>
  (await flujo.history(run)).filter((fact): fact is Extract<HistoryEvent, { type: Type }> => fact.type === type);
