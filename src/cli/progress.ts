import { placeOf } from "../domain/ids.ts";
import type { Definition } from "../definition/definition.ts";
import type { Observation, Observer } from "../ports/observer.ts";
import type { StepLogger } from "../worker/step-context.ts";
import { jsonLine, textLine } from "../observe/log-line.ts";
import { Live } from "./live.ts";
import type { Shell } from "./shell.ts";
import { durationText } from "./text.ts";

const MAX_RUNNING_LINES = 6;
/** A map over thousands of items must not print thousands of lines: after these only round numbers are told. */
const LINES_PER_STEP = 20;
const SLOW_MS = 1_000;
const LOOK_EVERY_MS = 400;

type StepObservation = Extract<Observation, { kind: "step.started" | "step.completed" | "step.failed" }>;

interface Running {
  readonly text: string;
  readonly since: number;
  told: boolean;
}

/** Shows on stderr what a run is doing: a compact live list on a terminal, else a line for each finished step. */
export class Progress implements Observer {
  readonly #shell: Shell;
  readonly #flows: ReadonlySet<string>;
  readonly #live: Live | undefined;
  readonly #running = new Map<string, Running>();
  readonly #counts = new Map<string, number>();
  readonly #startedAt: number;
  #timer: NodeJS.Timeout | undefined;
  #finished = 0;
  #run: string | undefined;

  constructor(shell: Shell, flow: Definition) {
    this.#shell = shell;
    this.#startedAt = shell.io.now();
    this.#flows = new Set(calledBy(flow));
    if (shell.io.stderr.isTTY) this.#live = new Live(shell.io.stderr, () => this.#lines());
  }

  /** From now on it is known which run to show. Other runs that this process takes up are their own business. */
  follow(run: string): void {
    this.#run = run;
    this.resume();
  }

  resume(): void {
    if (this.#live !== undefined) this.#live.start();
    else this.#timer ??= setInterval(() => this.#tellSlow(), LOOK_EVERY_MS).unref();
  }

  /** Leaves the terminal to somebody else, for a question or the result. */
  pause(): void {
    this.#live?.stop();
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  /** Prints a line that stays. */
  note(line: string): void {
    if (this.#live === undefined) this.#shell.note(line);
    else this.#live.above(`${line}\n`);
  }

  observe(observation: Observation): void {
    switch (observation.kind) {
      case "step.started":
      case "step.completed":
      case "step.failed":
        if (this.#isShown(observation)) this.#step(observation);
        return;
      case "store.failed":
        return this.note(this.#shell.noteColors.yellow(`the store failed to ${observation.operation}; trying again`));
      case "lease.lost":
        return this.note(this.#shell.noteColors.yellow(`run ${observation.run} was taken over by another worker`));
      case "run.started":
      case "run.ended":
      case "fiber.parked":
      case "worker.started":
      case "worker.stopped":
      case "worker.swept":
      case "schedule.started":
      case "schedule.skipped":
        return;
    }
  }

  /** What steps say with `ctx.log`: warnings and errors, everything with --verbose. */
  get logger(): StepLogger {
    const line = this.#shell.io.stderr.isTTY ? textLine : jsonLine;
    return {
      log: (level, message, fields) => {
        if (!this.#shell.verbose && (level === "debug" || level === "info")) return;
        this.note(line({ at: this.#shell.io.now(), level, message, fields }).trimEnd());
      },
    };
  }

  /** Runs of called flows have ids of their own, made of their parent's: all begin with "c-". */
  #isShown({ run, flow }: StepObservation): boolean {
    return run === this.#run || (run.startsWith("c-") && this.#flows.has(flow));
  }

  #step(step: StepObservation): void {
    const key = `${step.run} ${step.path} ${step.visit}`;
    const place = placeOf(step.path, step.visit);
    const again = step.attempt > 1 ? ` attempt ${step.attempt}` : "";
    if (step.kind === "step.started") {
      this.#running.set(key, { text: `${place}${again}`, since: step.at, told: false });
      return;
    }
    this.#running.delete(key);
    this.#finished += 1;
    const took = `(${durationText(step.durationMs)})`;
    const colors = this.#shell.noteColors;
    if (step.kind === "step.failed") this.note(`${colors.red("✗")} ${place} ${took}${again}: ${step.failure.message}`);
    else if (this.#live === undefined) this.#completed(step.path, `${place} ${took}${again}`);
  }

  #completed(path: string, line: string): void {
    const count = (this.#counts.get(path) ?? 0) + 1;
    this.#counts.set(path, count);
    if (count <= LINES_PER_STEP) return this.note(`✓ ${line}`);
    if (count % 10 ** Math.floor(Math.log10(count)) === 0) this.note(`✓ ${path}: ${count} done`);
  }

  #tellSlow(): void {
    const now = this.#shell.io.now();
    const slow = [...this.#running.values()].filter(({ since, told }) => !told && now - since >= SLOW_MS);
    for (const step of slow.slice(0, MAX_RUNNING_LINES)) {
      step.told = true;
      this.note(`· ${step.text} is running (${durationText(now - step.since)})`);
    }
  }

  #lines(): readonly string[] {
    const now = this.#shell.io.now();
    const running = [...this.#running.values()];
    const shown = running
      .slice(0, MAX_RUNNING_LINES)
      .map(({ text, since }) => `  ${text}  ${durationText(now - since)}`);
    const more = running.length - shown.length;
    const head = `${this.#finished} steps done, ${running.length} running, ${durationText(now - this.#startedAt)}`;
    return [head, ...shown, ...(more > 0 ? [`  … and ${more} more`] : [])];
  }
}

function calledBy(flow: Definition): string[] {
  return flow.calls.flatMap((called) => [called.name, ...calledBy(called)]);
}
