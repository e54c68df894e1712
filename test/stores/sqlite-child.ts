import { runId, workerId } from "../../src/domain/ids.ts";
import { sqliteStore } from "../../src/sqlite.ts";
import { newRun } from "../../src/testing/conformance/records.ts";
import { transition } from "../../src/testing/conformance/transitions.ts";

/** What the tests of the SQLite store let another process do: `tsx sqlite-child.ts <task> <path>`. */
const [task, path] = process.argv.slice(2);

async function open(): Promise<void> {
  await using store = await sqliteStore({ path: path ?? "" });
  await store.createRuns([newRun({ id: runId(`from-${process.pid}`) })]);
}

/** Commits, says so, and is then killed from within: nothing of Node or SQLite gets to tidy up. */
async function dieAfterCommit(): Promise<void> {
  const store = await sqliteStore({ path: path ?? "" });
  const worker = workerId("doomed");
  const lease = { worker, epoch: (await store.register(worker, 60_000)).epoch };
  const run = newRun({ lease, root: { leased: true } });
  await store.createRuns([run]);
  const held = { run: run.id, fiber: run.root.key, lease, seq: 0 };
  await store.commit([transition(held, { value: "kept", event: { at: 1, facts: ["kept"] } })]);
  process.kill(process.pid, "SIGKILL");
}

if (task === "open") await open();
else if (task === "die-after-commit") await dieAfterCommit();
else throw new Error(`unknown task ${String(task)}`);
