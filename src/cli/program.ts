import { Command } from "commander";
import { answerCommand, type AnswerCommandOptions } from "./commands/answer.ts";
import { forkCommand, type ForkCommandOptions, retryCommand } from "./commands/again.ts";
import { cancelCommand } from "./commands/cancel.ts";
import { doctorCommand } from "./commands/doctor.ts";
import { getCommand } from "./commands/get.ts";
import { graphCommand, type GraphCommandOptions } from "./commands/graph.ts";
import { historyCommand } from "./commands/history.ts";
import { listCommand, type ListCommandOptions } from "./commands/list.ts";
import { pruneCommand, type PruneCommandOptions } from "./commands/prune.ts";
import { runCommand, type RunCommandOptions } from "./commands/run.ts";
import { signalCommand, type SignalCommandOptions } from "./commands/signal.ts";
import { whyCommand } from "./commands/why.ts";
import { workerCommand, type WorkerCommandOptions } from "./commands/worker.ts";
import type { Io } from "./io.ts";
import type { Common, Shell } from "./shell.ts";
import { packageVersion } from "./version.ts";

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
  addAct(program, execute);
  addCare(program, execute);
  return program;
}

function add(program: Command, usage: string, description: string): Command {
  return program
    .command(usage)
    .description(description)
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
    .option("-y, --yes", "say yes to every question")
    .option("-a, --answer <json>", "answer the next question; repeat for more", collect)
    .action((file: string, options: RunCommandOptions & Common) =>
      execute(options, (shell) => runCommand(shell, file, options)),
    );
  add(program, "worker <files...>", "work on runs of the flows that files export, until stopped")
    .option("-n, --concurrency <count>", "fibers at once")
    .option("-q, --queue <names>", "queues to serve: a,b", collect)
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
  add(program, "graph <file>", "draw a flow")
    .option("-f, --flow <name>", "which flow, when the file exports several")
    .option("--format <format>", "mermaid (default) or json")
    .action((file: string, options: GraphCommandOptions & Common) =>
      execute(options, (shell) => graphCommand(shell, file, options)),
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

function addCare(program: Command, execute: Execute): void {
  add(program, "doctor", "check versions, configuration, the store and every run in it").action((options: Common) =>
    execute(options, (shell) => doctorCommand(shell)),
  );
  add(program, "prune", "delete runs that ended long ago, with their history")
    .requiredOption("--older-than <duration>", 'ended longer ago than this: 30d, "12 hours"')
    .option("-s, --status <names>", "only these: completed,failed,cancelled", collect)
    .option("-y, --yes", "do not ask")
    .action((options: PruneCommandOptions & Common) => execute(options, (shell) => pruneCommand(shell, options)));
}
