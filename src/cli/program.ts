import { Command } from "commander";
import { answerCommand, type AnswerCommandOptions } from "./commands/answer.ts";
import { forkCommand, type ForkCommandOptions, retryCommand } from "./commands/again.ts";
import {
  backgroundCleanCommand,
  backgroundListCommand,
  type BackgroundListOptions,
  backgroundResumeCommand,
  type BackgroundResumeOptions,
  backgroundRetryCommand,
} from "./commands/background.ts";
import { budgetsShowCommand } from "./commands/budgets.ts";
import { cancelCommand } from "./commands/cancel.ts";
import { doctorCommand } from "./commands/doctor.ts";
import { evaluationsCommand, type EvaluationsOptions } from "./commands/evaluations.ts";
import { exportCommand } from "./commands/export.ts";
import { getCommand } from "./commands/get.ts";
import { migrateCommand, type MigrateCommandOptions } from "./commands/migrate.ts";
import { queueFreeCommand, queuesCommand, queueSetCommand, type QueueSetOptions } from "./commands/queues.ts";
import {
  type ScheduleAddOptions,
  scheduleAddCommand,
  schedulePauseCommand,
  scheduleRemoveCommand,
  schedulesCommand,
} from "./commands/schedules.ts";
import { workersCommand } from "./commands/workers.ts";
import { graphCommand, type GraphCommandOptions } from "./commands/graph.ts";
import { historyCommand } from "./commands/history.ts";
import { listCommand, type ListCommandOptions } from "./commands/list.ts";
import { mockLlmCommand, type MockLlmOptions } from "./commands/mock-llm.ts";
import { pruneCommand, type PruneCommandOptions } from "./commands/prune.ts";
import { replayCommand, type ReplayCommandOptions } from "./commands/replay.ts";
import { runCommand, type RunCommandOptions } from "./commands/run.ts";
import { signalCommand, type SignalCommandOptions } from "./commands/signal.ts";
import { usageCommand } from "./commands/usage.ts";
import { whyCommand } from "./commands/why.ts";
import { workerCommand, type WorkerCommandOptions } from "./commands/worker.ts";
import type { Io } from "./io.ts";
import type { Common, Shell } from "./shell.ts";
import { packageVersion } from "../engine/version.ts";

/** Runs one command with a shell made for its options. */
type Execute = (options: Common, command: (shell: Shell) => Promise<number>) => Promise<void>;

const EXIT_CODES = `
Exit codes: 0 ok, 1 the run or the store failed, 2 configuration or usage, 3 a file that cannot be imported,
4 a value that is not valid, 130 interrupted.

The store: --store, else FLUJO_STATE_URI, else state_uri in the nearest flujo.toml, else sqlite:./.flujo/state.db`;

/** The words of the command line and what they call: wiring only. */
export function createProgram(io: Io, execute: Execute): Command {
  const program = new Command("flujo")
    .description("Durable workflows: run them, look at them, answer them.")
    .version(packageVersion(), "-V, --version")
    .exitOverride()
    .configureOutput({ writeOut: (text) => io.stdout.write(text), writeErr: (text) => io.stderr.write(text) })
    .addHelpText("after", EXIT_CODES);
  addWork(program, execute);
  addLook(program, execute);
  addRecords(program, execute);
  addAct(program, execute);
  addQueues(program, execute);
  addSchedules(program, execute);
  addBackground(program, execute);
  addCare(program, execute);
  return program;
}

const add = (program: Command, usage: string, description: string): Command =>
  withCommon(program.command(usage).description(description));

/** What a group of commands does when none is named. */
const addDefault = (group: Command, usage: string, description: string): Command =>
  withCommon(group.command(usage, { isDefault: true }).description(description));

function withCommon(command: Command): Command {
  return command
    .option("--store <uri>", "where runs are kept, for example sqlite:./flujo.db")
    .option("--json", "print one JSON value on stdout")
    .option("-v, --verbose", "say more; stacks of errors (also: FLUJO_DEBUG=1)");
}

const collect = (value: string, before: readonly string[] = []): readonly string[] => [...before, value];

function addWork(program: Command, execute: Execute): void {
  add(program, "run <file>", "run a flow that a file exports, and show it")
    .option("-f, --flow <name>", "which flow, when the file exports several: name or name@version")
    .option("-i, --input <json>", "the input; - reads it from stdin")
    .option("-c, --context <json>", "the first value of the run's context")
    .option("--id <id>", "your own id: the same id and input go on with the same run")
    .option("-q, --queue <name>", "the queue of the run; default: default")
    .option("-k, --key <text>", "whose the run is, for queues with rules")
    .option("-p, --priority <number>", "larger is sooner; default 0")
    .option("-y, --yes", "say yes to every question")
    .option("-a, --answer <json>", "answer the next question; repeat for more", collect)
    .action((file: string, options: RunCommandOptions & Common) =>
      execute(options, (shell) => runCommand(shell, file, options)),
    );
  add(program, "worker <files...>", "work on runs of the flows that files export, until stopped")
    .option("-n, --concurrency <count>", "fibers at once")
    .option("-q, --queue <names>", "queues to serve: a,b", collect)
    .option("--drain <duration>", "how long running steps may finish when it is stopped; default 10s")
    .option("--id <id>", "what it is called in `flujo workers`")
    .action((files: string[], options: WorkerCommandOptions & Common) =>
      execute(options, (shell) => workerCommand(shell, files, options)),
    );
  add(program, "retry <run>", "put a failed or cancelled run back to work, and show it")
    .requiredOption("--file <file>", "the file that exports its flow")
    .action((run: string, options: { readonly file: string } & Common) =>
      execute(options, (shell) => retryCommand(shell, run, options)),
    );
  add(program, "fork <run>", "start a new run from a point of an old one, and show it")
    .requiredOption("--file <file>", "the file that exports its flow")
    .option("--at <seq>", "the event of `flujo history` after which it begins; default: the start")
    .option("-i, --input <json>", "another value to go on with")
    .option("--id <id>", "the id of the new run")
    .action((run: string, options: ForkCommandOptions & Common) =>
      execute(options, (shell) => forkCommand(shell, run, options)),
    );
}

function addLook(program: Command, execute: Execute): void {
  add(program, "list", "list runs, newest first")
    .option("-f, --flow <name>", "of this flow: name or name@version")
    .option("-s, --status <names>", "in one of these states: a,b", collect)
    .option("-m, --metadata <key=value>", "with this fact; repeat for more", collect)
    .option("-l, --limit <count>", "at most so many, 1 to 1000; default 50")
    .option("--cursor <cursor>", "what follows an earlier page")
    .action((options: ListCommandOptions & Common) => execute(options, (shell) => listCommand(shell, options)));
  add(program, "get <run>", "show one run and what it waits for").action((run: string, options: Common) =>
    execute(options, (shell) => getCommand(shell, run)),
  );
  add(program, "history <run>", "show everything that was recorded of a run")
    .option("--after <seq>", "only what came after this event")
    .action((run: string, options: { readonly after?: string } & Common) =>
      execute(options, (shell) => historyCommand(shell, run, options)),
    );
  add(program, "why <run> [file]", "say why a run is where it is").action(
    (run: string, file: string | undefined, options: Common) =>
      execute(options, (shell) => whyCommand(shell, run, file)),
  );
  add(program, "workers", "show who works on this store").action((options: Common) =>
    execute(options, (shell) => workersCommand(shell)),
  );
  add(program, "graph <file>", "draw a flow")
    .option("-f, --flow <name>", "which flow, when the file exports several")
    .option("--format <format>", "mermaid (default) or json")
    .action((file: string, options: GraphCommandOptions & Common) =>
      execute(options, (shell) => graphCommand(shell, file, options)),
    );
}

function addRecords(program: Command, execute: Execute): void {
  add(program, "export <run>", "write a whole run as JSON, to be replayed where its store is not")
    .option("-o, --out <file>", "into this file instead of stdout")
    .action((run: string, options: { readonly out?: string } & Common) =>
      execute(options, (shell) => exportCommand(shell, run, options)),
    );
  add(program, "replay <trace>", "run a run or an exported file once more from its record: nothing outside is called")
    .requiredOption("-f, --flow <file>", "the file that exports its flow")
    .option("--as-test <file>", "also write a vitest that replays the exported file")
    .action((trace: string, options: ReplayCommandOptions & Common) =>
      execute(options, (shell) => replayCommand(shell, trace, options)),
    );
  add(program, "usage <run>", "show what a run has spent").action((run: string, options: Common) =>
    execute(options, (shell) => usageCommand(shell, run)),
  );
  const budgets = program.command("budgets").description("show what flujo.toml lets runs use");
  add(budgets, "show <flow>", "show the limits of a flow, and where they are written").action(
    (flow: string, options: Common) => execute(options, (shell) => budgetsShowCommand(shell, flow)),
  );
}

function addAct(program: Command, execute: Execute): void {
  add(program, "signal <run> <name> [json]", "send a signal to a run; - reads the data from stdin")
    .option("--id <id>", "deduplicates: a second signal with this id changes nothing")
    .option("--file <file>", "the file that exports its flow, to check the data first")
    .action((run: string, name: string, json: string | undefined, options: SignalCommandOptions & Common) =>
      execute(options, (shell) => signalCommand(shell, [run, name, json], options)),
    );
  add(program, "answer <run> [json]", "answer a question of a paused run; - reads the answer from stdin")
    .option("--token <token>", "which question, when several are open")
    .option("--file <file>", "the file that exports its flow, to check the answer first")
    .action((run: string, json: string | undefined, options: AnswerCommandOptions & Common) =>
      execute(options, (shell) => answerCommand(shell, run, { ...options, json })),
    );
  add(program, "cancel <run>", "ask a run to stop; its compensations run first")
    .option("--reason <text>", "why, for its history")
    .action((run: string, options: { readonly reason?: string } & Common) =>
      execute(options, (shell) => cancelCommand(shell, run, options)),
    );
}

function addQueues(program: Command, execute: Execute): void {
  const queues = program.command("queues").description("show the rules of queues, or set them");
  addDefault(queues, "list", "show queues that have rules").action((options: Common) =>
    execute(options, (shell) => queuesCommand(shell)),
  );
  add(queues, "set <name>", "set the rules of a queue, whole: what is not named has no limit")
    .option("-n, --concurrency <count>", "fibers at once, over all workers")
    .option("--rate <rate>", "how many begin within any time: 10/1m")
    .option("--per-key <count>", "fibers at once for each key")
    .option("--key-rate <rate>", "how many of each key begin within any time: 10/1m")
    .action((name: string, options: QueueSetOptions & Common) =>
      execute(options, (shell) => queueSetCommand(shell, name, options)),
    );
  add(queues, "free <name>", "take all rules of a queue away").action((name: string, options: Common) =>
    execute(options, (shell) => queueFreeCommand(shell, name)),
  );
}

function addSchedules(program: Command, execute: Execute): void {
  const schedules = program.command("schedules").description("show which flows start by themselves, or change that");
  addDefault(schedules, "list", "show all schedules").action((options: Common) =>
    execute(options, (shell) => schedulesCommand(shell)),
  );
  add(schedules, "add <id> <file>", "make a schedule of a flow that a file exports, or replace it")
    .option("-f, --flow <name>", "which flow, when the file exports several: name or name@version")
    .option("--cron <pattern>", 'five fields, or six with seconds first: "0 3 * * 1-5"')
    .option("--every <duration>", 'instead of --cron: 10m, "2 hours"')
    .option("--timezone <name>", "of the pattern, for example Europe/Berlin; default UTC")
    .option("-i, --input <json>", "the input of each run")
    .option("-q, --queue <name>", "the queue of its runs")
    .option("-k, --key <text>", "whose its runs are")
    .option("-p, --priority <number>", "larger is sooner; default 0")
    .option("-m, --metadata <key=value>", "a fact about its runs; repeat for more", collect)
    .option("--start-at <time>", "no tick before: 2027-01-31T08:00:00Z")
    .option("--end-at <time>", "no tick at this time or later")
    .option("--catch-up <policy>", "ticks at which nobody was there: none, last (default), or how many")
    .option("--overlap <policy>", "while the run before goes on: allow (default) or skip")
    .option("--paused", "starts nothing until it is resumed")
    .action((id: string, file: string, options: ScheduleAddOptions & Common) =>
      execute(options, (shell) => scheduleAddCommand(shell, [id, file], options)),
    );
  add(schedules, "remove <id>", "end a schedule; its runs go on").action((id: string, options: Common) =>
    execute(options, (shell) => scheduleRemoveCommand(shell, id)),
  );
  add(schedules, "pause <id>", "let a schedule rest").action((id: string, options: Common) =>
    execute(options, (shell) => schedulePauseCommand(shell, id, true)),
  );
  add(schedules, "resume <id>", "go on with the next tick").action((id: string, options: Common) =>
    execute(options, (shell) => schedulePauseCommand(shell, id, false)),
  );
}

function addBackground(program: Command, execute: Execute): void {
  const background = program
    .command("background")
    .description("show failed tasks in the background, or go on with them");
  addDefault(background, "list", "show tasks that failed")
    .option("-p, --parent <run>", "only those that this run launched")
    .option("--hours <count>", "launched within so many hours; default 24")
    .action((options: BackgroundListOptions & Common) =>
      execute(options, (shell) => backgroundListCommand(shell, options)),
    );
  add(background, "resume <task>", "put a failed task back to work here, and wait for it")
    .requiredOption("--file <file>", "the file that exports the flow that launched it")
    .option("-i, --input <json>", "another input: the task goes on as a new run")
    .action((task: string, options: BackgroundResumeOptions & Common) =>
      execute(options, (shell) => backgroundResumeCommand(shell, task, options)),
    );
  add(background, "retry <parent>", "put all failed tasks of a run back to work here, and wait for them")
    .requiredOption("--file <file>", "the file that exports the flow that launched them")
    .option("--max-retries <count>", "leave alone what has been retried so often; default 3")
    .action((parent: string, options: { readonly file: string; readonly maxRetries?: string } & Common) =>
      execute(options, (shell) => backgroundRetryCommand(shell, parent, options)),
    );
  add(background, "clean", "cancel tasks that have not ended for long")
    .option("--hours <count>", "launched longer ago than this; default 24")
    .action((options: { readonly hours?: string } & Common) =>
      execute(options, (shell) => backgroundCleanCommand(shell, options)),
    );
  add(program, "evaluations", "show what judges have said of steps and runs")
    .option("-r, --run <run>", "of this run")
    .option("-l, --limit <count>", "at most so many, 1 to 1000; default 50")
    .option("--cursor <cursor>", "what follows an earlier page")
    .action((options: EvaluationsOptions & Common) => execute(options, (shell) => evaluationsCommand(shell, options)));
}

function addCare(program: Command, execute: Execute): void {
  add(program, "doctor", "check versions, configuration, the store and every run in it").action((options: Common) =>
    execute(options, (shell) => doctorCommand(shell)),
  );
  add(program, "migrate", "bring the store's schema up to date")
    .option("--dry-run", "say what would be done, and do nothing")
    .option("--target-version <number>", "up to this version; default: the newest")
    .action((options: MigrateCommandOptions & Common) => execute(options, (shell) => migrateCommand(shell, options)));
  add(program, "mock-llm", "serve a scripted model with the interface of OpenAI, for tests and demonstrations")
    .option("--host <address>", "who may reach it; default: only this machine", "127.0.0.1")
    .option("--port <number>", "default: any that is free", "0")
    .option("--script <file>", "YAML or JSON with steps or rules; default: says what it was told")
    .action((options: MockLlmOptions & Common) => execute(options, (shell) => mockLlmCommand(shell, options)));
  add(program, "prune", "delete runs that ended long ago, with their history")
    .requiredOption("--older-than <duration>", 'ended longer ago than this: 30d, "12 hours"')
    .option("-s, --status <names>", "only these: completed,failed,cancelled", collect)
    .option("-y, --yes", "do not ask")
    .action((options: PruneCommandOptions & Common) => execute(options, (shell) => pruneCommand(shell, options)));
}
