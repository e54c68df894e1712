// A Postgres cluster as `initdb` makes it, with fsync on. Only what is said here differs from the defaults.
import { execFileSync } from "node:child_process";
import { chownSync, existsSync, mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { startDaemon } from "./daemon.ts";
import { type Server, freePort } from "./servers.ts";

const DEBIAN = "/usr/lib/postgresql";
const SHARED_BUFFERS = "512MB";
const SHOWN = ["server_version", "fsync", "synchronous_commit", "full_page_writes", "shared_buffers", "max_wal_size"];

export interface PostgresOptions {
  readonly directory: string;
  readonly url: string | undefined;
}

/** Starts a cluster of our own on a free port, or takes the one at `url`. Throws when it would not sync its commits. */
export async function startPostgres({ directory, url }: PostgresOptions): Promise<Server> {
  const server = url === undefined ? await startOwn(join(directory, `postgres-${process.pid}`)) : given(url);
  const settings = await settingsOf(server.url);
  if (settings["fsync"] !== "on" || settings["synchronous_commit"] !== "on") {
    await server.stop();
    throw new Error("this Postgres acknowledges commits that are not on disk (fsync or synchronous_commit is off)");
  }
  return { name: url === undefined ? "Postgres (own)" : "Postgres (given)", ...server, settings };
}

const given = (url: string) => ({ url, stop: async () => {} });

async function startOwn(directory: string): Promise<{ url: string; stop(): Promise<void> }> {
  const binary = (name: string) => join(binaries(), name);
  const user = unprivileged();
  mkdirSync(directory, { recursive: true });
  if (user !== undefined) chownSync(directory, user.uid, user.gid);
  const data = join(directory, "data");
  const options = ["-D", data, "-A", "trust", "-U", "postgres", "-E", "UTF8", "--locale=C.UTF-8"];
  execFileSync(binary("initdb"), options, { ...user, cwd: directory, stdio: "pipe" });
  const port = await freePort();
  const url = `postgres://postgres@127.0.0.1:${port}/postgres`;
  const stop = await startDaemon({
    command: binary("postgres"),
    arguments: ["-D", data, "-p", `${port}`, ...flags(directory)],
    user,
    directory,
    stopSignal: "SIGINT", // Postgres' name for: disconnect everybody and shut down cleanly
    probe: () => settingsOf(url).then(() => {}),
  });
  return { url, stop };
}

function flags(directory: string): string[] {
  const settings = [
    "listen_addresses=127.0.0.1",
    `unix_socket_directories=${directory}`,
    `shared_buffers=${SHARED_BUFFERS}`,
    // Loaded but asleep: only the database of the idle measurement switches it on.
    "shared_preload_libraries=pg_stat_statements",
    "pg_stat_statements.track=none",
  ];
  return settings.flatMap((setting) => ["-c", setting]);
}

/** The newest that Debian has installed, else what is on the PATH. */
function binaries(): string {
  const versions = existsSync(DEBIAN) ? readdirSync(DEBIAN).filter((name) => /^\d+$/.test(name)) : [];
  const newest = versions.sort((a, b) => Number(a) - Number(b)).at(-1);
  return newest === undefined ? "" : join(DEBIAN, newest, "bin");
}

/** Postgres refuses to run as root. */
function unprivileged(): { uid: number; gid: number } | undefined {
  if (process.getuid?.() !== 0) return undefined;
  const id = (flag: string) => Number(execFileSync("id", [flag, "postgres"], { encoding: "utf8" }));
  return { uid: id("-u"), gid: id("-g") };
}

async function settingsOf(url: string): Promise<Record<string, string>> {
  const { default: pg } = await import("pg");
  const client = new pg.Client({ connectionString: url });
  client.on("error", () => {}); // told by the query that meets it
  await client.connect();
  try {
    const { rows } = await client.query<{ name: string; setting: string }>(
      "SELECT name, current_setting(name) AS setting FROM unnest($1::text[]) AS name",
      [SHOWN],
    );
    return Object.fromEntries(rows.map(({ name, setting }) => [name, setting]));
  } finally {
    await client.end();
  }
}
