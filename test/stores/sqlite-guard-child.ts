import { createRequire } from "node:module";
import { workerId } from "../../src/domain/ids.ts";
import { sqliteStore } from "../../src/sqlite.ts";

/** Stops the guard of a lease while it waits for a file that somebody else has locked: `sqlite-guard-child.ts '{ path }'`. */
const { path } = JSON.parse(process.argv[2] ?? "{}") as { readonly path: string };
type Driver = new (path: string) => { exec(sql: string): unknown; close(): unknown };

const store = await sqliteStore({ path });
const worker = workerId("w");
const { epoch } = await store.register(worker, 1_000);
const Database = createRequire(import.meta.url)("libsql") as Driver;
const other = new Database(path);
other.exec("BEGIN IMMEDIATE");
const guard = store.guard?.({ worker, epoch, leaseMs: 1_000, everyMs: 20, giveUpMs: 60_000 });
// Nobody tells it that the event loop is alive, so by now it wants to renew, and waits.
await new Promise((resolve) => setTimeout(resolve, 400));
await guard?.stop();
other.exec("ROLLBACK");
other.close();
await store.close();
console.log("alive");
