import { createRequire } from "node:module";
import { flow } from "flujo";
import type { Flow } from "flujo";

/** What a transactional step on SQLite is given, as far as these tests use it. */
export interface Database {
  exec(sql: string): void;
  prepare(sql: string): {
    run(...values: unknown[]): { readonly changes: number };
    all(...values: unknown[]): unknown[];
  };
}

/** Writes into a table of its own, as a step of somebody's service does. */
export function write(tx: Database, run: string, step: string): void {
  tx.exec("CREATE TABLE IF NOT EXISTS effects (run TEXT, step TEXT)");
  tx.prepare("INSERT INTO effects (run, step) VALUES (?, ?)").run(run, step);
}

/** What has been written, as others see it. */
export function effectsIn(path: string): readonly string[] {
  const Libsql = createRequire(import.meta.url)("libsql") as new (path: string) => Database & { close(): void };
  const db = new Libsql(path);
  try {
    return db
      .prepare("SELECT run, step FROM effects ORDER BY run, step")
      .all()
      .map((row) =>
        Object.values(row as object)
          .slice(0, 2)
          .join(" "),
      );
  } catch {
    return []; // no such table yet
  } finally {
    db.close();
  }
}

/** Two steps with an effect and one without: the last ends the run. */
export const transfer: Flow<number, string> = flow("transfer", { version: "1" })
  .input<number>()
  .transaction("debit", (tx: Database, amount, { run }) => {
    write(tx, run.id, "debit");
    return amount;
  })
  .step("between", (amount) => amount + 1)
  .transaction("credit", async (tx: Database, amount, { run }) => {
    await Promise.resolve();
    write(tx, run.id, "credit");
    return `moved ${amount}`;
  })
  .build();
