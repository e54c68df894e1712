import { execFileSync } from "node:child_process";
import { chownSync, existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir, userInfo } from "node:os";
import { delimiter, join } from "node:path";
import { Client } from "pg";
import { freePort, type Leashed, onLeash, poll, type RunAs } from "./leash.ts";

/** Where Debian keeps the programs that it does not put on the PATH, one folder for each version. */
const DEBIAN = "/usr/lib/postgresql";

/** A Postgres of our own, to be stopped hard and started again. */
export interface OwnPostgres extends AsyncDisposable {
  readonly url: string;
  readonly port: number;
  /** What `pg_ctl stop -m immediate` does: no checkpoint, no farewell; the next start recovers from the log. */
  stopImmediately(): Promise<void>;
  /** Starts it again on the same port and data. */
  start(): Promise<void>;
}

export interface OwnPostgresOptions {
  /** Off is for servers whose machine is not going to crash: twice as fast here, and kill -9 loses nothing either. */
  readonly fsync?: boolean;
}

/** The folder of `initdb` and `postgres`; undefined when they are not installed. */
export function postgresPrograms(): string | undefined {
  const debian = existsSync(DEBIAN)
    ? readdirSync(DEBIAN)
        .sort((a, b) => Number(b) - Number(a))
        .map((version) => join(DEBIAN, version, "bin"))
    : [];
  const folders = [...(process.env["PATH"] ?? "").split(delimiter), ...debian];
  return folders.find((folder) => ["initdb", "postgres"].every((name) => existsSync(join(folder, name))));
}

/** Starts a throw-away Postgres with its data in a folder of its own. It is gone when its owner lets go of it. */
export async function ownPostgres({ fsync = true }: OwnPostgresOptions = {}): Promise<OwnPostgres> {
  const programs = postgresPrograms();
  if (programs === undefined) throw new Error("expected initdb and postgres on the PATH but found none");
  const who = unprivileged();
  const folder = mkdtempSync(join(tmpdir(), "flujo-postgres-"));
  if (who.uid !== undefined && who.gid !== undefined) chownSync(folder, who.uid, who.gid);
  const data = join(folder, "data");
  const setUp = ["-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"];
  execFileSync(join(programs, "initdb"), setUp, { stdio: "pipe", cwd: folder, ...who });
  const port = await freePort();
  const url = `postgres://postgres@127.0.0.1:${port}/postgres`;
  const settings = ["listen_addresses=127.0.0.1", "unix_socket_directories=", "max_connections=200"];
  const command = [
    join(programs, "postgres"),
    ...["-D", data, "-p", String(port)],
    ...[...settings, `fsync=${fsync ? "on" : "off"}`].flatMap((setting) => ["-c", setting]),
  ];
  let running: Leashed | undefined;
  const server: OwnPostgres = {
    url,
    port,
    start: async () => {
      const one = await onLeash(command, { log: join(folder, "log"), signal: "QUIT", ...who });
      running = one;
      await poll(
        () => `Postgres to answer on port ${port}\n${one.log()}`,
        () => answersSql(url),
      );
    },
    stopImmediately: async () => {
      await running?.letGo();
      running = undefined;
    },
    [Symbol.asyncDispose]: async () => {
      await server.stopImmediately();
      rmSync(folder, { recursive: true, force: true });
    },
  };
  try {
    await server.start();
    return server;
  } catch (error) {
    await server[Symbol.asyncDispose]();
    throw error;
  }
}

/** The user and group to run Postgres as; nothing when we are not root. */
function unprivileged(): RunAs {
  if (userInfo().uid !== 0) return {};
  const name = ["postgres", "nobody"].find((user) => idOf("-u", user) !== undefined);
  const [uid, gid] = [idOf("-u", name ?? ""), idOf("-g", name ?? "")];
  if (uid === undefined || gid === undefined) throw new Error("expected a user postgres or nobody to run Postgres as");
  return { uid, gid };
}

function idOf(which: "-u" | "-g", user: string): number | undefined {
  try {
    return Number(execFileSync("id", [which, user], { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }));
  } catch {
    return undefined;
  }
}

/** Whether a Postgres answers a question there. */
export async function answersSql(url: string, sql = "SELECT 1"): Promise<boolean> {
  try {
    await askPostgres(url, sql);
    return true;
  } catch {
    return false;
  }
}

/** Asks one question over a connection of its own. */
export async function askPostgres(url: string, sql: string): Promise<readonly unknown[]> {
  const client = new Client({ connectionString: url, connectionTimeoutMillis: 2_000 });
  client.on("error", () => undefined); // the server may be stopped while we are connected; the question then rejects
  try {
    await client.connect();
    return (await client.query(sql)).rows;
  } finally {
    await client.end();
  }
}
