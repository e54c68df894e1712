/**
 * Two workers on one store: rules of a queue that hold over both, a schedule, and a step whose writes commit together with
 * its completion. SQLite unless FLUJO_STATE_URI names another store with transactions, such as `postgres://localhost/app`.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { flow, Flujo, type FlujoOptions } from "flujo";
import { z } from "zod";

/** What a transactional step is given, as far as it is used here: on Postgres a client of `pg`, on SQLite the driver's database. */
type Tx =
  | { query(sql: string, values?: readonly unknown[]): Promise<{ readonly rows: readonly Row[] }> }
  | { prepare(sql: string): { run(...values: readonly unknown[]): unknown; all(): readonly Row[] } };
type Row = Readonly<Record<string, unknown>>;

async function write(tx: Tx, sql: string, ...values: readonly unknown[]): Promise<void> {
  if ("query" in tx) await tx.query(sql, values);
  else tx.prepare(sql.replaceAll(/\$\d/g, "?")).run(...values);
}

const read = async (tx: Tx, sql: string): Promise<readonly Row[]> =>
  "query" in tx ? (await tx.query(sql)).rows : tx.prepare(sql).all();

const now = new Map<string, number>();
const most = new Map<string, number>();
const order: string[] = [];

/** Stands for a call of a model: counts how many of a tenant are under way. */
async function ask(tenant: string): Promise<number> {
  order.push(tenant);
  now.set(tenant, (now.get(tenant) ?? 0) + 1);
  most.set(tenant, Math.max(most.get(tenant) ?? 0, now.get(tenant) ?? 0));
  await pause(20);
  now.set(tenant, (now.get(tenant) ?? 0) - 1);
  return 100;
}

const prepare = flow("prepare", { version: "1" })
  .transaction("create", (tx: Tx) =>
    write(tx, "CREATE TABLE IF NOT EXISTS flujo_example_usage (tenant TEXT, tokens INTEGER)"),
  )
  .build();

const answer = flow("answer", { version: "1" })
  .input(z.object({ tenant: z.string() }))
  .step("ask", async ({ tenant }) => ({ tenant, tokens: await ask(tenant) }), {
    queue: "models",
    key: ({ tenant }) => tenant,
  })
  .transaction("charge", (tx: Tx, { tenant, tokens }) =>
    write(tx, "INSERT INTO flujo_example_usage (tenant, tokens) VALUES ($1, $2)", tenant, tokens),
  )
  .build();

const bill = flow("bill", { version: "1" })
  .transaction("sum", async (tx: Tx) => {
    const rows = await read(tx, "SELECT tenant, sum(tokens) AS tokens FROM flujo_example_usage GROUP BY 1 ORDER BY 1");
    await write(tx, "DROP TABLE flujo_example_usage");
    return rows.map(({ tenant, tokens }) => `${String(tenant)} ${String(tokens)}`).join(", ");
  })
  .build();

const tidy = flow("tidy", { version: "1" })
  .step("tidy", () => "tidied")
  .build();

const folder = mkdtempSync(join(tmpdir(), "flujo-many-"));
const options: FlujoOptions = {
  store: process.env["FLUJO_STATE_URI"] ?? `sqlite:${join(folder, "many.db")}`,
  flows: [prepare, answer, bill, tidy],
  queues: { models: { concurrency: 3, perKey: { concurrency: 1, rate: { limit: 100, per: "1s" } } } },
  worker: { queues: ["default", "models"] },
};
try {
  await using flujo = new Flujo(options);
  await using other = new Flujo(options); // stands for another process
  await Promise.all([flujo.open(), other.open()]);
  await flujo.run(prepare, null);

  const tenants = ["big", "big", "big", "big", "big", "big", "small"];
  const handles = await Promise.all(tenants.map((tenant) => flujo.start(answer, { tenant })));
  for (const handle of handles) await handle.output();
  console.log(`at most ${most.get("big")} call of "big" at once; "small" came as number ${order.indexOf("small") + 1}`);
  const billed = await flujo.run(bill, null);
  console.log("charged:", billed.status === "completed" ? billed.output : billed);

  await flujo.schedule("tidy-up", { flow: tidy, every: "1s" });
  const deadline = Date.now() + 20_000;
  let runs = await flujo.list({ metadata: { schedule: "tidy-up" } });
  while (runs.items.length < 2 && Date.now() < deadline) {
    await pause(100);
    runs = await flujo.list({ metadata: { schedule: "tidy-up" } });
  }
  await flujo.unschedule("tidy-up");
  console.log(`one run for each tick: ${new Set(runs.items.map(({ id }) => id)).size === runs.items.length}`);

  const workers = await flujo.workers();
  console.log(
    `workers: ${workers.length}, on the queues ${[...new Set(workers.flatMap(({ queues }) => queues))].join(", ")}`,
  );
} finally {
  rmSync(folder, { recursive: true, force: true });
}
