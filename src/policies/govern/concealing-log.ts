import { failureFrom } from "../../domain/failure.ts";
import { plainJson } from "../../domain/plain-json.ts";
import type { Wire } from "../../domain/wire.ts";
import type { Observation, Observer } from "../../ports/observer.ts";
import { throughFailure, throughRecord } from "./stored-text.ts";
import type { Veil } from "./veil.ts";
import { type Rewrite, throughWire } from "./wire-text.ts";

type Level = "debug" | "info" | "warn" | "error";
type Fields = Readonly<Record<string, unknown>>;

/** Where lines of logs go; the shape that runners and steps have. */
export interface Logger {
  log(level: Level, message: string, fields: Fields): void;
}

const FIELD_CHARACTERS = 16_000; // of one field: a log is no place for payloads
/** What the engine adds to each line of a step. */
const PLACES: ReadonlySet<string> = new Set(["run", "flow", "path", "visit", "attempt", "worker"]);

/** Lines without what identifies people. A line that a detector of yours fails on is withheld, never written as it is. */
export function concealingLogger(logger: Logger, veil: Veil): Logger {
  return {
    log(level, message, fields) {
      const line = concealedOr(() =>
        veil.concealNow((hide) => ({ message: hide(message), fields: through(fields, hide) })),
      );
      if ("thrown" in line) logger.log("error", WITHHELD, { withheld: level, reason: line.thrown });
      else logger.log(level, line.message, line.fields);
    },
  };
}

/** Observations without what identifies people, for logs, metrics and traces. */
export function concealingObserver(observer: Observer, veil: Veil): Observer {
  return {
    observe: (observation) =>
      observer.observe(
        veil.concealNow((hide) => throughRecord(observation as unknown as Wire, hide)) as unknown as Observation,
      ),
  };
}

const WITHHELD = "a line was withheld: a detector failed on it";

/** A log line must not fail the step that writes it. What was thrown may quote the line: its class has to do. */
function concealedOr<T>(conceal: () => T): T | { readonly thrown: string } {
  try {
    return conceal();
  } catch (error) {
    return { thrown: error instanceof Error ? error.name : typeof error };
  }
}

const through = (fields: Fields, hide: Rewrite): Fields =>
  Object.fromEntries(
    Object.entries(fields).map(([name, value]) => [name, PLACES.has(name) ? value : concealed(value, hide)]),
  );

function concealed(value: unknown, hide: Rewrite): unknown {
  if (value instanceof Error) return throughFailure(failureFrom(value), hide);
  return throughWire(plainJson(value, FIELD_CHARACTERS), hide);
}
