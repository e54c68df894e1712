import { appendFileSync, existsSync, readFileSync } from "node:fs";

/** One line of the log: a step began or ended in some process. */
export interface Execution {
  readonly phase: "start" | "finish" | "fail";
  readonly run: string;
  readonly path: string;
  /** Which item and iteration of the step this is, as the engine counts them. */
  readonly visit: string;
  readonly attempt: number;
  readonly pid: number;
  /** Milliseconds since 1970, of the process that ran the step. */
  readonly at: number;
}

/** What a step is told about its place; the part of its context that the log needs. */
interface Where {
  readonly run: { readonly id: string };
  readonly path: string;
  readonly visit: string;
  readonly attempt: number;
}

type Work<Input, Context, Output> = (input: Input, ctx: Context) => Output | Promise<Output>;
type Recorded = <Input, Context extends Where, Output>(
  work: Work<Input, Context, Output>,
) => Work<Input, Context, Output>;

/**
 * Wraps the work of a step so that every execution leaves a trace outside the engine: a line when it begins, written
 * before anything else happens, and one when it ends. The engine knows nothing of this file, so the two can be compared.
 */
export function recordInto(file: string): Recorded {
  return (work) => (input, ctx) => {
    const { run, path, visit, attempt } = ctx;
    const record = (phase: Execution["phase"]): void => {
      const line: Execution = { phase, run: run.id, path, visit, attempt, pid: process.pid, at: Date.now() };
      appendFileSync(file, `${JSON.stringify(line)}\n`);
    };
    record("start");
    try {
      const output = work(input, ctx);
      // A step that computes at once is written down at once: after an await, others would have run in between.
      if (output instanceof Promise) return recordEnd(output, record);
      record("finish");
      return output;
    } catch (error) {
      record("fail");
      throw error;
    }
  };
}

async function recordEnd<Output>(output: Promise<Output>, record: (phase: "finish" | "fail") => void): Promise<Output> {
  try {
    const value = await output;
    record("finish");
    return value;
  } catch (error) {
    record("fail");
    throw error;
  }
}

/** All executions of a run, in the order they were written. A line cut short by a kill is left out. */
export function executionsIn(file: string, run: string): Execution[] {
  if (!existsSync(file)) return [];
  return readFileSync(file, "utf8")
    .split("\n")
    .flatMap((line) => (line.endsWith("}") ? [JSON.parse(line) as Execution] : []))
    .filter((execution) => execution.run === run);
}
