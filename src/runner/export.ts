import { readFile } from "node:fs/promises";
import { FlujoError } from "../domain/errors.ts";
import type { Fact } from "../domain/event.ts";
import type { FiberKey, RunId } from "../domain/ids.ts";
import type { Wire } from "../domain/wire.ts";
import type { Row } from "../engine/rebuild.ts";
import { fiberOfFacts } from "../engine/stored-facts.ts";
import type { Reader } from "./reader.ts";
import type { Store } from "../ports/store.ts";
import type { Payloads } from "../engine/payloads.ts";

/** A whole run in one file: plain JSON, large values in place, so that it can be replayed where its store is not. */
export interface RunExport {
  readonly format: "flujo-run";
  readonly v: 1;
  readonly run: {
    readonly id: string;
    readonly flow: string;
    readonly version: string;
    readonly fingerprint: string;
    readonly status: string;
  };
  readonly events: readonly {
    readonly seq: number;
    readonly at: number;
    readonly fiber: string;
    readonly facts: readonly Wire[];
  }[];
}

export interface ExportDeps {
  readonly store: Pick<Store, "history">;
  readonly payloads: Payloads;
  readonly reader: Pick<Reader, "record">;
}

/** Throws RUN_UNKNOWN, BLOB_MISSING. */
export async function exportRun({ store, payloads, reader }: ExportDeps, run: RunId): Promise<RunExport> {
  const { id, flow, version, fingerprint, status } = await reader.record(run);
  const events: RunExport["events"][number][] = [];
  for (const { seq, at, fiber, facts } of await store.history(run)) {
    const whole = await Promise.all((facts as unknown as readonly Fact[]).map((fact) => payloads.inflateFact(fact)));
    events.push({ seq, at, fiber, facts: whole as unknown as readonly Wire[] });
  }
  return { format: "flujo-run", v: 1, run: { id, flow, version, fingerprint, status }, events };
}

/** Throws EXPORT_INVALID for what `exportRun` did not write. */
export async function readExport(file: string): Promise<RunExport> {
  let parsed: unknown;
  try {
    parsed = JSON.parse(await readFile(file, "utf8"));
  } catch (cause) {
    throw new FlujoError("EXPORT_INVALID", `${file} cannot be read as JSON`, { cause, at: file });
  }
  return checkedExport(parsed, file);
}

/** Throws EXPORT_INVALID naming the event that is none. */
export function checkedExport(value: unknown, at: string): RunExport {
  const { format, v, run, events } = (isRecord(value) ? value : {}) as Partial<RunExport>;
  const invalid = (found: string): FlujoError =>
    new FlujoError("EXPORT_INVALID", `expected an exported run of version 1 but found ${found}`, { at });
  if (format !== "flujo-run") throw invalid("something else");
  if (v !== 1) throw invalid(`version ${JSON.stringify(v)}`);
  const named = isRecord(run) ? [run.id, run.flow, run.version, run.status] : [undefined];
  if (named.some((one) => typeof one !== "string"))
    throw invalid("one that does not say which run of which flow it is");
  if (!Array.isArray(events)) throw invalid("one without events");
  const broken = events.findIndex((event) => !isEvent(event));
  if (broken >= 0) throw invalid(`something else in events[${broken}]`);
  return value as RunExport;
}

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null;

const isEvent = (event: unknown): boolean =>
  isRecord(event) &&
  Number.isFinite(event["seq"]) &&
  Number.isFinite(event["at"]) &&
  typeof event["fiber"] === "string" &&
  Array.isArray(event["facts"]) &&
  event["facts"].every((fact) => isRecord(fact) && typeof fact["type"] === "string");

export const rowsIn = ({ events }: RunExport): readonly Row[] =>
  events.map(({ seq, at, fiber, facts: stored }) => {
    const facts = stored as unknown as readonly Fact[];
    return { seq, at, fiber: fiberOfFacts(fiber as FiberKey, facts), facts };
  });
