// The limit of the SQLite driver itself: a ~230-byte row with one secondary index, `concurrency` rows per commit,
// synchronous=FULL. No engine can acknowledge single steps faster than one-row commits.
import { join } from "node:path";
import Database from "libsql";
import { arguments_, quantile, report, scratchDirectory, versionOf } from "./closed-loop.mjs";

const PAYLOAD = JSON.stringify({ text: "x".repeat(180) });

const scratch = scratchDirectory();
try {
  const database = new Database(join(scratch.path, "raw.db"));
  database.exec(`PRAGMA journal_mode=WAL; PRAGMA synchronous=${arguments_.synchronous};
    CREATE TABLE events (id INTEGER PRIMARY KEY, run TEXT NOT NULL, seq INTEGER NOT NULL, payload TEXT NOT NULL);
    CREATE INDEX events_run ON events (run, seq);`);
  const insert = database.prepare("INSERT INTO events (run, seq, payload) VALUES (?, ?, ?)");
  const begin = database.prepare("BEGIN IMMEDIATE");
  const end = database.prepare("COMMIT");
  let row = 0;
  const commit = () => {
    if (arguments_.concurrency > 1) begin.run();
    for (let i = 0; i < arguments_.concurrency; i++, row++) insert.run(`run-${row % 1000}`, row, PAYLOAD);
    if (arguments_.concurrency > 1) end.run();
  };
  const warmUntil = performance.now() + Math.min(300, arguments_.warmupMs);
  while (performance.now() < warmUntil) commit();

  const latencies = [];
  const startedAt = performance.now();
  for (let i = 0; i < arguments_.runs; i++) {
    const from = performance.now();
    commit();
    latencies.push(performance.now() - from);
  }
  const wallMs = performance.now() - startedAt;
  latencies.sort((a, b) => a - b);
  const pragma = (name) => Object.values(database.pragma(name)[0])[0];
  report(
    {
      name:
        arguments_.concurrency === 1
          ? "raw libsql, one row per commit"
          : `raw libsql, ${arguments_.concurrency} rows per commit`,
      version: versionOf("libsql"),
      settings: { journalMode: pragma("journal_mode"), synchronous: pragma("synchronous"), fsync: "every commit" },
    },
    {
      runs: arguments_.runs,
      concurrency: arguments_.concurrency,
      rowsPerSecond: (arguments_.runs * arguments_.concurrency * 1000) / wallMs,
      p50Ms: quantile(latencies, 0.5),
      p99Ms: quantile(latencies, 0.99),
      rssMb: process.memoryUsage.rss() / 2 ** 20,
    },
  );
  database.close();
} finally {
  scratch.dispose();
}
